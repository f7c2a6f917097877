package backend_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"logging.taco/test/backend"
)

func gzipped(t *testing.T, text string) string {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := io.WriteString(w, text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestDiscard(t *testing.T) {
	const documents = 9000 // more than are answered in one piece
	plain := bulk(0, documents)
	compressed := gzipped(t, plain)
	for _, c := range []struct {
		name, query, body, encoding string
		inflate                     bool
		items                       int // of the answer
		want                        backend.Counts
	}{
		{"plain", "", plain, "", false, documents, backend.Counts{Requests: 1, Wire: int64(len(plain)), Plain: int64(len(plain)), Items: documents}},
		{"one", "", bulk(0, 1), "", false, 1, backend.Counts{Requests: 1, Wire: int64(len(bulk(0, 1))), Plain: int64(len(bulk(0, 1))), Items: 1}},
		{"index", "", strings.ReplaceAll(plain, "create", "index"), "", false, documents, backend.Counts{Requests: 1, Wire: int64(len(plain) - documents), Plain: int64(len(plain) - documents), Items: documents}},
		{"filtered", "?filter_path=errors", plain, "", false, 0, backend.Counts{Requests: 1, Wire: int64(len(plain)), Plain: int64(len(plain)), Items: documents}},
		{"items wanted", "?filter_path=errors,items.*.status", plain, "", false, documents, backend.Counts{Requests: 1, Wire: int64(len(plain)), Plain: int64(len(plain)), Items: documents}},
		{"gzip", "", compressed, "gzip", false, 0, backend.Counts{Requests: 1, Wire: int64(len(compressed)), Plain: int64(len(compressed))}},
		{"inflated", "", compressed, "gzip", true, documents, backend.Counts{Requests: 1, Wire: int64(len(compressed)), Plain: int64(len(plain)), Items: documents}},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := &backend.Discard{Inflate: c.inflate}
			s := httptest.NewServer(d)
			defer s.Close()
			req, err := http.NewRequest(http.MethodPost, s.URL+"/logs/_bulk"+c.query, strings.NewReader(c.body))
			if err != nil {
				t.Fatal(err)
			}
			if c.encoding != "" {
				req.Header.Set("Content-Encoding", c.encoding)
			}
			res, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			var answer struct {
				Errors *bool
				Items  []map[string]struct{ Status int }
			}
			if err := json.NewDecoder(res.Body).Decode(&answer); err != nil {
				t.Fatal(err)
			}
			if answer.Errors == nil || *answer.Errors || len(answer.Items) != c.items {
				t.Errorf("%d items, want %d", len(answer.Items), c.items)
			}
			op := "create"
			if c.name == "index" {
				op = "index"
			}
			for _, i := range answer.Items {
				if i[op].Status != http.StatusCreated {
					t.Fatalf("item %v", i)
				}
			}
			if got := d.Counts(); got != c.want {
				t.Errorf("counts %+v, want %+v", got, c.want)
			}
		})
	}
}

// One MiB at a time, as a shipper sends them.
func BenchmarkDiscard(b *testing.B) {
	s := httptest.NewServer(&backend.Discard{})
	defer s.Close()
	body := []byte(strings.Repeat(`{"create":{}}`+"\n"+`{"log":"`+strings.Repeat("a", 200)+"\"}\n", 1<<20/225))
	b.SetBytes(int64(len(body)))
	for b.Loop() {
		res, err := http.Post(s.URL+"/_bulk?filter_path=errors,items.*.status", "application/x-ndjson", bytes.NewReader(body))
		if err != nil {
			b.Fatal(err)
		}
		io.Copy(io.Discard, res.Body)
		res.Body.Close()
	}
}
