package backend

import (
	"bytes"
	"compress/gzip"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// A Script is a bulk endpoint that answers what a test tells it to: what no real
// node can be made to give. Untold, it stores documents, answers 201 and, for an
// id that it has, 409.
type Script struct {
	server *httptest.Server
	mux    *http.ServeMux

	mu        sync.Mutex
	next      []Reply
	always    Reply
	bulks     []*Bulk
	documents map[string]Document
	changed   chan struct{} // closed, and made anew, when something came

	authority   *authority       // with TLS
	certificate *tls.Certificate // of new connections
}

// A Bulk is one that came.
type Bulk struct {
	*http.Request        // its body is read
	Wire          int    // bytes of the body as they came
	Plain         []byte // the same, expanded
	Actions       []Action
	At            time.Time
}

// An Action is an item of a bulk.
type Action struct {
	Op, Index, ID string
	Source        json.RawMessage
}

// NewScript starts one, until the test ends.
func NewScript(t testing.TB) *Script {
	s := newScript(t)
	s.server.Start()
	return s
}

func newScript(t testing.TB) *Script {
	s := &Script{mux: http.NewServeMux(), documents: map[string]Document{}, changed: make(chan struct{})}
	s.mux.HandleFunc("/", productInfo)
	s.server = httptest.NewUnstartedServer(http.HandlerFunc(s.serve))
	s.server.Config.ErrorLog = log.New(io.Discard, "", 0) // of handshakes that are to fail
	t.Cleanup(func() {
		s.server.CloseClientConnections()
		s.server.Close()
	})
	return s
}

// URL is where it serves, without a slash at its end.
func (s *Script) URL() string { return s.server.URL }

// Handle sets the answer to other requests than bulks, by the patterns of
// http.ServeMux. Untold, it says that it is Elasticsearch 7.17, and puts are taken.
func (s *Script) Handle(pattern string, h http.HandlerFunc) { s.mux.Handle(pattern, h) }

// Then sets the answers to the bulks that come next, after those set before.
func (s *Script) Then(replies ...Reply) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.next = append(s.next, replies...)
}

// Always sets the answer to all bulks for which none is set by Then; nil is the usual one.
func (s *Script) Always(r Reply) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.always = r
}

// Bulks returns all that came so far.
func (s *Script) Bulks() []*Bulk {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.bulks)
}

// Documents returns all that were stored, by index and id ("logs/1").
func (s *Script) Documents() map[string]Document {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.documents)
}

// Until waits until a condition holds, which is asked anew after each answer.
func (s *Script) Until(t testing.TB, what string, holds func() bool) {
	t.Helper()
	end := time.After(time.Minute)
	for {
		s.mu.Lock()
		changed := s.changed
		s.mu.Unlock()
		if holds() {
			return
		}
		select {
		case <-changed:
		case <-end:
			t.Fatalf("waited a minute for: %s", what)
		}
	}
}

func (s *Script) serve(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Elastic-Product", "Elasticsearch")
	w.Header().Set("Content-Type", "application/json")
	if !strings.HasSuffix(r.URL.Path, "/_bulk") {
		s.mux.ServeHTTP(w, r)
		return
	}
	b, err := readBulk(r)
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprintf(w, `{"error":{"type":"parse_exception","reason":%q},"status":400}`, err.Error())
		return
	}
	s.mu.Lock()
	s.bulks = append(s.bulks, b)
	reply := s.always
	if len(s.next) > 0 {
		reply, s.next = s.next[0], s.next[1:]
	}
	s.mu.Unlock()
	if reply == nil {
		reply = Stored()
	}
	defer func() { // also when the reply ends the connection by a panic
		s.mu.Lock()
		defer s.mu.Unlock()
		close(s.changed)
		s.changed = make(chan struct{})
	}()
	reply(s, w, b)
}

func readBulk(r *http.Request) (*Bulk, error) {
	wire, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	b := &Bulk{Request: r, Wire: len(wire), Plain: wire, At: time.Now()}
	if r.Header.Get("Content-Encoding") == "gzip" {
		expanded, err := gzip.NewReader(bytes.NewReader(wire))
		if err == nil {
			b.Plain, err = io.ReadAll(expanded)
		}
		if err != nil {
			return nil, err
		}
	}
	if !bytes.HasSuffix(b.Plain, []byte("\n")) {
		return nil, fmt.Errorf("the bulk request must be terminated by a newline")
	}
	lines := bytes.Split(bytes.TrimSuffix(b.Plain, []byte("\n")), []byte("\n"))
	index := strings.TrimPrefix(strings.TrimSuffix(r.URL.Path, "/_bulk"), "/")
	for i := 0; i < len(lines); i++ {
		var line map[string]struct {
			Index string `json:"_index"`
			ID    string `json:"_id"`
		}
		if err := json.Unmarshal(lines[i], &line); err != nil || len(line) != 1 {
			return nil, fmt.Errorf("line %d is no action: %.100q", i, lines[i])
		}
		for op, names := range line {
			a := Action{Op: op, Index: names.Index, ID: names.ID}
			if a.Index == "" {
				a.Index = index
			}
			if op != "delete" {
				if i++; i == len(lines) || !json.Valid(lines[i]) {
					return nil, fmt.Errorf("line %d is no document", i)
				}
				a.Source = lines[i]
			}
			b.Actions = append(b.Actions, a)
		}
	}
	return b, nil
}
