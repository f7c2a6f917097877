package ship

import (
	"context"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"logging.taco/test/backend"
)

// Rows of what a backend answers when somebody has to act: on an index, on an
// alias, on the cluster. The records of that index wait, those of another index
// in the same bulk arrive, and after the repair all are there, once.

// trouble is one way in which an index cannot be written to for now.
type trouble struct {
	name string
	// cause makes it so, for the index, and returns what ends it.
	cause  func(s *shipment, index string) (repair func())
	reason string // of taco_ship_blocked
	said   string // on stderr, in each product
	args   string // more keys of the output
}

var troubles = []trouble{
	{name: "c1 write block", cause: blocked("index.blocks.write"), reason: "index_blocked", said: "index write (api)"},
	{name: "c2 read-only", cause: blocked("index.blocks.read_only"), reason: "index_blocked", said: "index read-only (api)"},
	{name: "c3 read-only, deletes allowed", cause: blocked("index.blocks.read_only_allow_delete"), reason: "busy", said: "flood-stage"},
	{name: "f index may not be made", cause: notCreated, reason: "index_blocked", said: "index_not_found_exception"},
	{name: "f3 alias without a write index", cause: noWriteIndex, reason: "index_blocked", said: "no write index is defined"},
	{name: "g5 no primary", cause: unallocated, reason: "busy", said: "unavailable_shards_exception", args: "timeout: 4s"},
	{name: "g6 not enough copies", cause: lonely, reason: "busy", said: "unavailable_shards_exception", args: "timeout: 4s"},
	{name: "h closed index", cause: closed, reason: "index_blocked", said: "index_closed_exception"},
	{name: "j2 missing pipeline", cause: missingPipeline, reason: "index_blocked", said: "pipeline with id"},
}

func TestHeld(t *testing.T) {
	t.Parallel()
	for _, c := range troubles {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			onBoth(t, func(t *testing.T, n *backend.Node) {
				held(t, n, c)
			})
		})
	}
}

// held goes through one trouble from its start to its end.
func held(t *testing.T, n *backend.Node, c trouble) {
	s := twoIndices(ship(t, n), c.args)
	good, bad := lines("good", 20), lines("bad", 20)
	s.write("good.log", text(good))
	s.write("bad.log", text(bad))
	repair := c.cause(s, s.bad())
	a := s.run()
	a.untilBlocked(c.reason)
	// Those of the same bulk that can be stored are, while the others wait.
	a.until("the good half is stored", func(m metrics) bool { return m.documents() == len(good) })
	n.Refresh(s.good())
	if got := n.Count(s.good(), ""); got != len(good) {
		t.Errorf("%d records of the index that is well, want %d", got, len(good))
	}
	if m := a.metrics(); m.pending() != len(text(good))+len(text(bad)) || m["taco_ship_blocked_since_timestamp_seconds"] == 0 {
		t.Errorf("while records wait: %d bytes pending, blocked since %v", m.pending(), m["taco_ship_blocked_since_timestamp_seconds"])
	}
	if said := a.said.String(); !strings.Contains(said, c.said) || !strings.Contains(said, "index="+s.bad()) {
		t.Errorf("it does not say %q of %s:\n%s", c.said, s.bad(), said)
	}
	repair()
	m := a.untilDocuments(len(good) + len(bad))
	if m.blocked() != "" || m["taco_ship_blocked_since_timestamp_seconds"] != 0 {
		t.Errorf("all is delivered, and still blocked: %s", m.blocked())
	}
	a.stop(0)
	if said := a.said.String(); !strings.Contains(said, "shipping goes on") {
		t.Errorf("it does not say that it goes on:\n%s", said)
	}
	s.holds(append(bad, good...)...)
	if letters := s.letters(); letters != nil {
		t.Errorf("%d records are in the dead letter file: %v", len(letters), letters[0])
	}
}

// TestHeldAcrossRestart: a process that dies while records wait loses none.
func TestHeldAcrossRestart(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, n *backend.Node) {
		s := twoIndices(ship(t, n), "")
		good, bad := lines("good", 20), lines("bad", 20)
		s.write("good.log", text(good))
		s.write("bad.log", text(bad))
		repair := blocked("index.blocks.write")(s, s.bad())
		a := s.run()
		a.untilBlocked("index_blocked")
		a.kill()
		a = s.run()
		m := a.untilBlocked("index_blocked")
		if m.already() != len(good) {
			t.Errorf("%d records were there already, want %d", m.already(), len(good))
		}
		repair()
		a.untilDocuments(len(good) + len(bad))
		a.stop(0)
		s.holds(append(bad, good...)...)
	})
}

// twoIndices makes the shipment one of two files, good.log and bad.log, whose
// records go to two indices in one bulk; names are their containers, which
// the indices have in their names.
func twoIndices(s *shipment, output string, names ...string) *shipment {
	if names == nil {
		names = []string{"good", "bad"}
	}
	s.index = s.node.Prefix + "{kubernetes.container_name}"
	if s.node.Prefix == "" {
		s.index = "logstash-{kubernetes.container_name}"
	}
	if output != "" {
		output = "  " + output + "\n"
	}
	s.config = func(metrics string) string {
		return fmt.Sprintf("sources:\n- paths: [%q]\n  container: %q\n- paths: [%q]\n  container: %q\n"+
			"state: %q\nflush-timeout: 200ms\nmetrics: %q\n%soutput:\n  to: [%q]\n  index: %q\n%s",
			s.path("good.log"), names[0], s.path("bad.log"), names[1], s.state, metrics, s.more, s.to, s.index, output)
	}
	return s
}

func (s *shipment) good() string {
	return strings.ReplaceAll(s.index, "{kubernetes.container_name}", "good")
}
func (s *shipment) bad() string {
	return strings.ReplaceAll(s.index, "{kubernetes.container_name}", "bad")
}

// run starts a sidecar by its config, as in a pod.
func (s *shipment) run() *agent {
	s.t.Helper()
	address := freeAddress(s.t)
	file := filepath.Join(s.t.TempDir(), "config.yaml")
	must(s.t, writeFile(file, s.config(address)))
	return launchAt(s.t, address, s.env, s.secrets, "run", "--config="+file)
}

// ask sends a request that has to be answered with 200.
func (s *shipment) ask(method, path string, body any) {
	s.t.Helper()
	for tries := 1; ; tries++ {
		status, answer, err := s.node.Do(s.t.(*testing.T).Context(), method, path, body)
		if err == nil && status == http.StatusOK {
			return
		}
		// A node on a machine that is busy gives its own queue up after 30 s.
		if busy := status == http.StatusServiceUnavailable && strings.Contains(fmt.Sprint(answer), "process_cluster_event_timeout"); err != nil || !busy || tries == 4 {
			s.t.Fatalf("%s %s: status %d: %v %v", method, path, status, answer, err)
		}
	}
}

type object = map[string]any

func blocked(setting string) func(*shipment, string) func() {
	return func(s *shipment, index string) func() {
		s.ask("PUT", "/"+index, object{"settings": object{setting: true}})
		return func() { s.ask("PUT", "/"+index+"/_settings", object{setting: nil}) }
	}
}

func notCreated(s *shipment, index string) func() {
	set := func(value any) {
		s.ask("PUT", "/_cluster/settings", object{"transient": object{"action.auto_create_index": value}})
	}
	set("-" + index + ",+*")
	s.t.Cleanup(func() {
		s.node.Do(context.Background(), "PUT", "/_cluster/settings", object{"transient": object{"action.auto_create_index": nil}})
	})
	return func() { s.ask("PUT", "/"+index, nil) }
}

func noWriteIndex(s *shipment, index string) func() {
	for _, n := range []string{"-1", "-2"} {
		s.ask("PUT", "/"+index+n, object{"aliases": object{index: object{}}})
	}
	return func() {
		s.ask("POST", "/_aliases", object{"actions": []any{object{"add": object{"index": index + "-1", "alias": index, "is_write_index": true}}}})
	}
}

func unallocated(s *shipment, index string) func() {
	s.ask("PUT", "/"+index+"?wait_for_active_shards=0", object{"settings": object{"index.routing.allocation.require._name": "nobody"}})
	return func() {
		s.ask("PUT", "/"+index+"/_settings", object{"index.routing.allocation.require._name": nil})
	}
}

func lonely(s *shipment, index string) func() {
	s.ask("PUT", "/"+index+"?wait_for_active_shards=1", object{"settings": object{"number_of_replicas": 1, "index.write.wait_for_active_shards": 2}})
	return func() { s.ask("PUT", "/"+index+"/_settings", object{"index.write.wait_for_active_shards": 1}) }
}

func closed(s *shipment, index string) func() {
	s.ask("PUT", "/"+index, nil)
	s.ask("POST", "/"+index+"/_close", nil)
	return func() { s.ask("POST", "/"+index+"/_open", nil) }
}

func missingPipeline(s *shipment, index string) func() {
	s.ask("PUT", "/"+index, object{"settings": object{"index.default_pipeline": "nobody"}})
	return func() { s.ask("PUT", "/"+index+"/_settings", object{"index.default_pipeline": nil}) }
}
