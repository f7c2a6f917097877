package elastic

import (
	"bytes"
	"crypto/sha256"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"testing"

	"logging.taco/sidecar/config"
)

// Bodies of every length come as they are, with their length, also where the other
// side closes the connection, and where the body is no slice in memory.
func TestBodiesArriveWhole(t *testing.T) {
	var got []byte
	var length int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got, _ = io.ReadAll(r.Body)
		length = r.ContentLength
		if len(got)%2 == 1 {
			w.Header().Set("Connection", "close")
		}
	}))
	defer server.Close()
	o := config.DefaultOutput()
	o.To = []string{server.URL}
	c, err := newClient(o, func(string) string { return "" }, "test", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{1, 100, 16<<10 - 1, 16 << 10, 33<<10 + 1, 1 << 20, 9<<20 + 1} {
		body := make([]byte, n)
		for i := range body {
			body[i] = byte(rand.Uint32())
		}
		for _, reader := range []io.Reader{bytes.NewReader(body), io.NopCloser(bytes.NewReader(body)), struct{ io.Reader }{bytes.NewReader(body)}} {
			r, err := http.NewRequest(http.MethodPost, "/_bulk", reader)
			if err != nil {
				t.Fatal(err)
			}
			r.ContentLength = int64(n)
			answer, err := c.Perform(r)
			if err != nil {
				t.Fatalf("%d bytes of %T: %v", n, reader, err)
			}
			answer.Body.Close()
			if sha256.Sum256(got) != sha256.Sum256(body) || length != int64(n) {
				t.Errorf("%d bytes of %T: %d came, of %d", n, reader, len(got), length)
			}
		}
	}
}
