package backend

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/klauspost/compress/gzip"
)

// Discard is a bulk endpoint that takes every document, answers at once and
// keeps nothing: for benchmarks, as a process of its own (backend discard).
// GET /_counts returns its Counts.
type Discard struct {
	// Inflate expands gzip, to count its documents. Without it the answer to
	// such a bulk has no items, which is enough for clients that look at none.
	Inflate bool

	requests, wire, plain, items atomic.Int64
}

// Counts says what has come so far.
type Counts struct {
	Requests int64 `json:"requests"` // bulks
	Wire     int64 `json:"wire"`     // bytes of their bodies as they came
	Plain    int64 `json:"plain"`    // the same, expanded where Inflate is on
	Items    int64 `json:"items"`    // documents
}

// Counts returns what has come so far.
func (d *Discard) Counts() Counts {
	return Counts{Requests: d.requests.Load(), Wire: d.wire.Load(), Plain: d.plain.Load(), Items: d.items.Load()}
}

// ServeHTTP answers like a node, as far as a shipper asks.
func (d *Discard) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Elastic-Product", "Elasticsearch")
	w.Header().Set("Content-Type", "application/json")
	switch {
	case strings.HasSuffix(r.URL.Path, "/_bulk"):
		d.bulk(w, r)
	case r.URL.Path == "/_counts":
		json.NewEncoder(w).Encode(d.Counts())
	default:
		productInfo(w, r)
	}
}

var buffers = sync.Pool{New: func() any { return new([256 << 10]byte) }}

func (d *Discard) bulk(w http.ResponseWriter, r *http.Request) {
	wire := &counted{r: r.Body}
	body, known := io.Reader(wire), true
	if r.Header.Get("Content-Encoding") == "gzip" {
		known = d.Inflate
		if d.Inflate {
			expanded, err := gzip.NewReader(wire)
			if err != nil {
				http.Error(w, `{"error":{"type":"parse_exception"},"status":400}`, http.StatusBadRequest)
				return
			}
			body = expanded
		}
	}
	buf := buffers.Get().(*[256 << 10]byte)
	defer buffers.Put(buf)
	lines, plain, op := 0, int64(0), "create"
	for {
		n, err := body.Read(buf[:])
		if plain == 0 && bytes.HasPrefix(buf[:n], []byte(`{"index"`)) {
			op = "index"
		}
		plain += int64(n)
		if known {
			lines += bytes.Count(buf[:n], []byte("\n"))
		}
		if err == io.EOF {
			break
		} else if err != nil {
			http.Error(w, `{"error":{"type":"parse_exception"},"status":400}`, http.StatusBadRequest)
			return
		}
	}
	d.requests.Add(1)
	d.wire.Add(wire.n)
	d.plain.Add(plain)
	d.items.Add(int64(lines / 2))
	answerAll(w, r.URL.Query().Get("filter_path"), op, lines/2)
}

// answerAll says that all items of a bulk are stored. Who wants no items in the
// answer gets none.
func answerAll(w http.ResponseWriter, filter, op string, items int) {
	if filter != "" && !strings.Contains(filter, "items") {
		w.Header().Set("Content-Length", strconv.Itoa(len(`{"errors":false}`)))
		io.WriteString(w, `{"errors":false}`)
		return
	}
	const head, tail = `{"errors":false,"items":[`, `]}`
	one := `{"` + op + `":{"status":201}},`
	w.Header().Set("Content-Length", strconv.Itoa(len(head)+max(0, items*len(one)-1)+len(tail)))
	io.WriteString(w, head)
	for ; items > 0; items -= itemsAtOnce {
		text := manyItems(op)[:min(items, itemsAtOnce)*len(one)]
		if items <= itemsAtOnce {
			text = text[:len(text)-1] // no comma after the last
		}
		w.Write(text)
	}
	io.WriteString(w, tail)
}

const itemsAtOnce = 8192

var itemsCreate, itemsIndex = repeatItem("create"), repeatItem("index")

func repeatItem(op string) []byte {
	return bytes.Repeat([]byte(`{"`+op+`":{"status":201}},`), itemsAtOnce)
}

// manyItems are itemsAtOnce of them; bytes, since net/http copies strings piece by piece.
func manyItems(op string) []byte {
	if op == "index" {
		return itemsIndex
	}
	return itemsCreate
}

// counted counts what is read.
type counted struct {
	r io.Reader
	n int64
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

// productInfo answers what clients ask besides, as Elasticsearch does.
func productInfo(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.URL.Path == "/":
		fmt.Fprint(w, `{"name":"node","cluster_name":"test","version":{"number":"7.17.28","build_flavor":"default"},"tagline":"You Know, for Search"}`)
	case r.URL.Path == "/_cluster/health":
		fmt.Fprint(w, `{"cluster_name":"test","status":"green"}`)
	case r.Method == http.MethodPut:
		io.Copy(io.Discard, r.Body)
		fmt.Fprint(w, `{"acknowledged":true}`)
	default:
		w.WriteHeader(http.StatusNotFound)
		fmt.Fprint(w, `{"status":404}`)
	}
}
