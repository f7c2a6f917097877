package ship

import (
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"

	"logging.taco/test/backend"
)

// Rows of what a node answers when a bulk is too large for it, or when it has
// too much to do. Such limits are a node's own, so each product has one here
// that is started with one limit after the other.

// slots bounds how many nodes run beside the shared ones, and so the memory.
var slots = make(chan struct{}, 4)

// ownNode starts a node that ends with the test.
func ownNode(t *testing.T, kind backend.Kind, options ...backend.Option) *backend.Node {
	t.Helper()
	slots <- struct{}{}
	t.Cleanup(func() { <-slots })
	return backend.Start(t, kind, append([]backend.Option{backend.Heap("256m")}, options...)...)
}

// padded makes n lines of about 200 bytes.
func padded(name string, n int) []string {
	all := lines(name, n)
	for i := range all {
		all[i] += " " + strings.Repeat("0123456789", 16)
	}
	return all
}

// shipOwn ships to indices of a name on a node without other users.
func shipOwn(t testing.TB, n *backend.Node, name string) *shipment {
	t.Helper()
	s := ship(t, n)
	s.index, s.all = "logstash-"+name, "logstash-"+name+"*"
	return s
}

func TestLimits(t *testing.T) {
	t.Parallel()
	for _, kind := range kinds {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			n := ownNode(t, kind, backend.Setting("http.max_content_length", "64kb"), backend.Listening(),
				backend.Setting("discovery.type", "zen"), backend.Setting("discovery.seed_hosts", "127.0.0.1:1"), backend.Setting("discovery.initial_state_timeout", "1s"))
			t.Run("g3 no master", func(t *testing.T) { noMaster(t, n) })
			t.Run("b1 too long", func(t *testing.T) { tooLong(t, n, "b1", "--gzip=false") })
			t.Run("b4 too long when expanded", func(t *testing.T) { tooLong(t, n, "b4") })
			t.Run("b4 in flight", func(t *testing.T) { tooLong(t, n, "b4-in-flight", "--in-flight=4", "--batch-size=128KiB") })
			t.Run("k one document too long", func(t *testing.T) { documentTooLong(t, n, false) })
			t.Run("k and nowhere to put it", func(t *testing.T) { documentTooLong(t, n, true) })

			n.Restart(backend.Setting("http.max_content_length", "100mb"), backend.Setting("indexing_pressure.memory.limit", "20kb"),
				backend.Setting("thread_pool.write.queue_size", "1"), backend.Setting("thread_pool.write.size", "1"))
			t.Run("a1 more than a node may hold", func(t *testing.T) { busy(t, n, "a1", padded("a1", 80), "--gzip=false") })
			t.Run("a2 many at once", func(t *testing.T) {
				busy(t, n, "a2", padded("a2", 150), "--in-flight=16", "--batch-size=8KiB", "--gzip=false")
			})
			t.Run("a3 a queue that is full", func(t *testing.T) {
				if status, body := n.Put("/logstash-a3", object{"settings": object{"number_of_shards": 5}}); status != http.StatusOK {
					t.Fatalf("make the index: status %d: %v", status, body)
				}
				m := busy(t, n, "a3", lines("a3", 40))
				if m.already() != 0 {
					t.Errorf("%d records were sent again that had been stored", m.already())
				}
			})
			t.Run("a4 the breaker of requests", func(t *testing.T) {
				setting(t, n, "network.breaker.inflight_requests.limit", "20kb")
				busy(t, n, "a4", padded("a4", 35), "--gzip=false")
				setting(t, n, "network.breaker.inflight_requests.limit", nil)
			})
			t.Run("a5 the parent breaker", func(t *testing.T) {
				s := shipOwn(t, n, "a5")
				want := lines("a5", 100)
				s.write("a.log", text(want))
				setting(t, n, "indices.breaker.total.limit", "1kb")
				a := s.start()
				a.untilBlocked("busy")
				setting(t, n, "indices.breaker.total.limit", nil)
				a.untilDocuments(len(want))
				a.stop(0)
				s.holds(want...)
				if !strings.Contains(a.said.String(), "circuit_breaking_exception") {
					t.Errorf("it says:\n%s", a.said.String())
				}
			})
		})
	}
}

// tooLong ships more at once than a request may hold.
func tooLong(t *testing.T, n *backend.Node, name string, args ...string) {
	s := shipOwn(t, n, name)
	want := padded(name, 600)
	s.write("a.log", text(want))
	a := s.start(args...)
	m := a.untilDocuments(len(want))
	a.stop(0)
	s.holds(want...)
	if m["taco_ship_requests_total"] < 5 || m["taco_ship_requests_total"] > 40 || m.refused() != 0 || m.already() != 0 {
		t.Errorf("%v requests, %d refused, %d sent again", m["taco_ship_requests_total"], m.refused(), m.already())
	}
}

// documentTooLong ships one document that is longer than a request may be. With
// nowhere, its dead letter cannot be written at first.
func documentTooLong(t *testing.T, n *backend.Node, nowhere bool) {
	s := shipOwn(t, n, fmt.Sprint("k-", nowhere))
	want := padded("k", 100)
	long := strings.Repeat(canary, 100<<10/len(canary))
	s.write("a.log", text(want[:50])+long+"\n"+text(want[50:]))
	if nowhere {
		must(t, os.MkdirAll(s.state+"/dead-letter.ndjson", 0o700))
	}
	a := s.start()
	if nowhere {
		a.untilBlocked("dead_letter")
		must(t, os.Remove(s.state+"/dead-letter.ndjson"))
	}
	m := a.untilDocuments(len(want) + 1)
	a.stop(0)
	s.holds(want...)
	letters := s.letters()
	if m.refused() != 1 || len(letters) != 1 {
		t.Fatalf("%d refused, %d letters; want one", m.refused(), len(letters))
	}
	l := letters[0]
	document, _ := l.Document.(string)
	if l.Status != http.StatusRequestEntityTooLarge || !l.Cut || !strings.Contains(document, `"log":"`+long[:1000]) {
		t.Errorf("the letter: status %d, cut %t, %.200s", l.Status, l.Cut, document)
	}
	if m["taco_ship_requests_total"] > 40 {
		t.Errorf("%v requests for 100 lines", m["taco_ship_requests_total"])
	}
}

// busy ships to a node that refuses part of it for its load.
func busy(t *testing.T, n *backend.Node, name string, want []string, args ...string) metrics {
	s := shipOwn(t, n, name)
	s.write("a.log", text(want))
	a := s.start(args...)
	m := a.untilDocuments(len(want))
	a.stop(0)
	s.holds(want...)
	if said := a.said.String(); m["taco_ship_retries_total"] == 0 || !strings.Contains(said, "status=429") || m.refused() != 0 {
		t.Errorf("%v pauses, %d refused; it says:\n%s", m["taco_ship_retries_total"], m.refused(), said)
	}
	t.Logf("%s: %v requests, %v pauses", name, m["taco_ship_requests_total"], m["taco_ship_retries_total"])
	return m
}

// setting changes one of the cluster's settings; nil is its default.
func setting(t testing.TB, n *backend.Node, name string, value any) {
	t.Helper()
	settings(t, n, object{name: value})
}

func settings(t testing.TB, n *backend.Node, all object) {
	t.Helper()
	if status, body := n.Put("/_cluster/settings", object{"transient": all}); status != http.StatusOK {
		t.Fatalf("set %v: status %d: %v", all, status, body)
	}
}

// noMaster ships to a node that has none, and then has one.
func noMaster(t *testing.T, n *backend.Node) {
	s := shipOwn(t, n, "g3")
	want := lines("g3", 100)
	s.write("a.log", text(want))
	a := s.start("--timeout=6s")
	a.untilBlocked("unavailable")
	n.Restart(backend.Setting("discovery.type", "single-node"))
	a.untilDocuments(len(want))
	a.stop(0)
	s.holds(want...)
}
