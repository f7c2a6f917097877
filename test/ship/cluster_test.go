package ship

import (
	"strings"
	"syscall"
	"testing"

	"logging.taco/test/backend"
)

// TestNode goes through what concerns all of a node, one thing after the other.
func TestNode(t *testing.T) {
	t.Parallel()
	for _, kind := range kinds {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			n := ownNode(t, kind, backend.Setting("cluster.info.update.interval", "10s"))
			t.Run("c4 flood stage", func(t *testing.T) { flood(t, n) })
			for _, block := range []string{"cluster.blocks.read_only", "cluster.blocks.read_only_allow_delete"} {
				t.Run(block, func(t *testing.T) {
					cluster(t, n, strings.TrimPrefix(block, "cluster.blocks."), object{block: true}, object{block: nil}, "forbidden", "cluster_block_exception")
				})
			}
			t.Run("f4 too many shards", func(t *testing.T) {
				const most = "cluster.max_shards_per_node"
				cluster(t, n, "f4", object{most: 1}, object{most: nil}, "index_blocked", "validation_exception")
			})
			t.Run("g1 killed", func(t *testing.T) { killed(t, n) })
			t.Run("g7 stopped", func(t *testing.T) { stopped(t, n) })
			if !long {
				t.Run("exactly once", func(t *testing.T) { exactlyOnce(t, n, 20_000, 8, 1) })
			}
		})
	}
}

// cluster ships to a cluster that takes nothing until a setting is changed.
func cluster(t *testing.T, n *backend.Node, name string, fault, repair object, reason, said string) {
	s := shipOwn(t, n, name)
	want := lines(name, 100)
	s.write("a.log", text(want))
	settings(t, n, fault)
	a := s.start()
	a.untilBlocked(reason)
	settings(t, n, repair)
	a.untilDocuments(len(want))
	a.stop(0)
	s.holds(want...)
	if s.letters() != nil || !strings.Contains(a.said.String(), said) {
		t.Errorf("%d dead letters; it says:\n%s", len(s.letters()), a.said.String())
	}
}

// flood goes through the real flood stage: the node finds its disk too full,
// blocks all indices, and unblocks them when there is room.
func flood(t *testing.T, n *backend.Node) {
	watermarks := func(low, high, flood string) {
		const disk = "cluster.routing.allocation.disk."
		settings(t, n, object{
			disk + "threshold_enabled": true,
			disk + "watermark.low":     low, disk + "watermark.high": high, disk + "watermark.flood_stage": flood,
		})
	}
	s := shipOwn(t, n, "c4")
	want := lines("c4", 20)
	s.write("a.log", text(want[:10]))
	a := s.start()
	a.untilDocuments(10)
	watermarks("900tb", "800tb", "700tb")
	eventually(t, "the node blocks the index", func() bool {
		_, body := n.Get("/" + s.index + "/_settings")
		return body.At(s.index, "settings", "index", "blocks", "read_only_allow_delete") == "true"
	})
	s.write("a.log", text(want[10:]))
	a.untilBlocked("busy")
	if said := a.said.String(); !strings.Contains(said, "flood-stage") {
		t.Errorf("it says:\n%s", said)
	}
	watermarks("3b", "2b", "1b")
	a.untilDocuments(20)
	a.stop(0)
	s.holds(want...)
	setting(t, n, "cluster.routing.allocation.disk.threshold_enabled", nil)
	if s.letters() != nil {
		t.Errorf("dead letters: %v", s.letters())
	}
}

// killed kills the node in the middle of bulks.
func killed(t *testing.T, n *backend.Node) {
	s := shipOwn(t, n, "killed")
	want := padded("killed", 6000)
	s.write("a.log", text(want))
	a := s.start("--batch-size=32KiB", "--in-flight=2")
	a.until("part of it is stored", func(m metrics) bool { return m.documents() >= 1000 })
	n.Kill()
	a.untilBlocked("unreachable")
	n.Restart()
	m := a.untilDocuments(len(want))
	a.stop(0)
	eachOnce(t, s.logs(), want)
	t.Logf("%v requests, %v pauses, %d sent again that had been stored", m["taco_ship_requests_total"], m["taco_ship_retries_total"], m.already())
}

// stopped stops all of the node's threads: it executes later what the sidecar
// has given up by then.
func stopped(t *testing.T, n *backend.Node) {
	s := shipOwn(t, n, "stopped")
	want := padded("stopped", 3000)
	s.write("a.log", text(want))
	a := s.start("--batch-size=16KiB", "--timeout=4s")
	a.until("part of it is stored", func(m metrics) bool { return m.documents() >= 500 })
	n.Signal(syscall.SIGSTOP)
	a.untilBlocked("unreachable")
	n.Signal(syscall.SIGCONT)
	a.untilDocuments(len(want))
	a.stop(0)
	eachOnce(t, s.logs(), want)
}
