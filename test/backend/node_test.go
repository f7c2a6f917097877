package backend_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"logging.taco/test/backend"
)

func TestMain(m *testing.M) { os.Exit(backend.Main(m)) }

// bulk is one of so many documents, with ids from first on.
func bulk(first, count int) string {
	var b strings.Builder
	for i := first; i < first+count; i++ {
		fmt.Fprintf(&b, `{"create":{"_id":"%d"}}`+"\n"+`{"log":"line %d"}`+"\n", i, i)
	}
	return b.String()
}

func store(t *testing.T, n *backend.Node, index string, first, count int) {
	t.Helper()
	status, body := n.Post("/"+index+"/_bulk", bulk(first, count))
	if status != http.StatusOK || body.At("errors") != false || body.At("items", "0", "create", "status") != 201.0 {
		t.Fatalf("bulk: status %d: %v", status, body)
	}
}

func TestKilledNodeKeepsDocuments(t *testing.T) {
	for _, kind := range []backend.Kind{backend.Elasticsearch, backend.OpenSearch} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			begin := time.Now()
			n := backend.Start(t, kind)
			t.Logf("started in %s", time.Since(begin))
			store(t, n, "logs", 0, 1000)
			url := n.URL()
			n.Kill()
			if _, _, err := n.Do(t.Context(), http.MethodGet, "/", nil); err == nil {
				t.Error("a killed node answers")
			}
			begin = time.Now()
			n.Restart(backend.Setting("http.max_content_length", "1kb"))
			t.Logf("started again in %s", time.Since(begin))
			if n.URL() != url {
				t.Errorf("it moved from %s to %s", url, n.URL())
			}
			if status, _ := n.Post("/logs/_bulk", bulk(1000, 1000)); status != http.StatusRequestEntityTooLarge {
				t.Errorf("a bulk of more than 1 kB: status %d", status)
			}
			n.Refresh("logs")
			if all, one := n.Count("logs", ""), n.Count("logs", `log:"line 17"`); all != 1000 || one != 1 {
				t.Errorf("%d documents, of them %d of line 17; want 1000 and 1", all, one)
			}
			begin = time.Now()
			n.Stop()
			t.Logf("stopped in %s", time.Since(begin))
		})
	}
}

func TestStoppedNode(t *testing.T) {
	n := backend.Start(t, backend.Elasticsearch, backend.Heap("256m"))
	n.Signal(syscall.SIGSTOP)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if status, _, err := n.Do(ctx, http.MethodGet, "/", nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a stopped node answers: status %d, %v", status, err)
	}
	n.Signal(syscall.SIGCONT)
	store(t, n, "logs", 0, 1)
}

func TestDocuments(t *testing.T) {
	n := backend.Shared(t, backend.OpenSearch)
	const count = 12_345
	store(t, n, n.Prefix+"a", 0, count)
	store(t, n, n.Prefix+"b", count, 1)
	n.Refresh(n.Prefix + "*")
	seen := map[string]string{}
	n.Documents(n.Prefix+"*", func(d backend.Document) { seen[d.ID] = d.Index + " " + string(d.Source) })
	if len(seen) != count+1 || seen["12345"] != n.Prefix+`b {"log":"line 12345"}` {
		t.Errorf("%d documents, the last %q", len(seen), seen["12345"])
	}
}

func TestShared(t *testing.T) {
	var url, prefix string
	t.Run("one", func(t *testing.T) {
		n := backend.Shared(t, backend.OpenSearch)
		url, prefix = n.URL(), n.Prefix
		store(t, n, prefix+"logs", 0, 1)
	})
	n := backend.Shared(t, backend.OpenSearch)
	if n.URL() != url || n.Prefix == prefix {
		t.Errorf("one test has %s %s, the next %s %s", url, prefix, n.URL(), n.Prefix)
	}
	if status, body := n.Get("/" + prefix + "logs"); status != http.StatusNotFound {
		t.Errorf("what a test left: status %d: %v", status, body)
	}
}
