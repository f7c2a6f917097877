package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/klauspost/compress/gzip"
)

// tally is what has come to a bulk endpoint so far.
type tally struct {
	At        int64 // of the last bulk, in nanoseconds since 1970
	Bulks     int
	Documents int
	Wire      int64 // bytes of the bodies as they came
	Plain     int64 // the same, expanded
}

// endpoint takes every document, answers at once and keeps nothing. It is a
// process of its own, so that the CPU of the shipper is that of the shipper alone.
type endpoint struct {
	out *json.Encoder
	mu  sync.Mutex
	sum tally
}

const anyPort = "127.0.0.1:0"

// serveBulk prints the endpoint's URL and then, after each bulk, its tally. It
// does not return.
func serveBulk(address string) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		fmt.Fprintln(os.Stderr, "bulk endpoint: listen:", err)
		os.Exit(1)
	}
	fmt.Printf("http://%s\n", l.Addr())
	fmt.Fprintln(os.Stderr, "bulk endpoint:", http.Serve(l, &endpoint{out: json.NewEncoder(os.Stdout)}))
	os.Exit(1)
}

func (e *endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Elastic-Product", "Elasticsearch")
	if !strings.HasSuffix(r.URL.Path, "/_bulk") {
		io.WriteString(w, `{"version":{"number":"8.19.7","build_flavor":"default"},"tagline":"You Know, for Search","acknowledged":true}`)
		return
	}
	n, err := e.take(r)
	if err != nil {
		fmt.Fprintln(os.Stderr, "bulk endpoint:", err)
		http.Error(w, `{"error":{"type":"parse_exception"},"status":400}`, http.StatusBadRequest)
		return
	}
	w.Write(answer(n, r.URL.Query().Has("filter_path")))
}

var buffers = sync.Pool{New: func() any { return new([256 << 10]byte) }}

// take reads a bulk to its end and returns how many documents it has: half as
// many as lines, since each comes after a line that says what to do with it.
func (e *endpoint) take(r *http.Request) (documents int, err error) {
	body := &measured{r: r.Body}
	var in io.Reader = body
	if r.Header.Get("Content-Encoding") == "gzip" {
		if in, err = gzip.NewReader(body); err != nil {
			return 0, fmt.Errorf("expand a bulk: %w", err)
		}
	}
	buf := buffers.Get().(*[256 << 10]byte)
	defer buffers.Put(buf)
	lines, plain := 0, 0
	for err == nil {
		var n int
		n, err = in.Read(buf[:])
		lines += bytes.Count(buf[:n], []byte("\n"))
		plain += n
	}
	if err != io.EOF {
		return 0, fmt.Errorf("read a bulk: %w", err)
	}
	if lines%2 != 0 {
		return 0, fmt.Errorf("a bulk has %d lines, which is odd", lines)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.sum.At = time.Now().UnixNano()
	e.sum.Bulks++
	e.sum.Documents += lines / 2
	e.sum.Wire += body.n
	e.sum.Plain += int64(plain)
	return lines / 2, e.out.Encode(e.sum)
}

// answer says of so many documents that they are stored. Filtered it is what a
// node says to those who ask for errors and statuses alone.
func answer(documents int, filtered bool) []byte {
	took := `"took":0,`
	if filtered {
		took = ""
	}
	items := bytes.Repeat([]byte(`{"create":{"status":201}},`), documents)
	return fmt.Appendf(nil, `{%s"errors":false,"items":[%s]}`, took, bytes.TrimSuffix(items, []byte(",")))
}

// measured counts what is read.
type measured struct {
	r io.Reader
	n int64
}

func (m *measured) Read(p []byte) (int, error) {
	n, err := m.r.Read(p)
	m.n += int64(n)
	return n, err
}
