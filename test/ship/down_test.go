package ship

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"

	"logging.taco/test/backend"
)

// A backend that is down, or takes nothing, for longer than files live.

// shipToNothing ships to an address where nobody listens until up is called.
func shipToNothing(t testing.TB) (s *shipment, b *backend.Script, up func()) {
	t.Helper()
	b = backend.NewScript(t)
	address := freeAddress(t)
	s = shipTo(t, "http://"+address)
	s.args = append(s.args, "--template=off")
	return s, b, func() { newForward(t, address, b.URL()) }
}

// TestRotationWhileBusy: everything is answered with 429 while a file rotates
// ten times with two backups kept; then all is delivered.
func TestRotationWhileBusy(t *testing.T) {
	t.Parallel()
	rotations := func(t *testing.T, s *shipment, repair func()) (want []string) {
		t.Helper()
		s.globs = []string{s.path("a.log")}
		a := s.start()
		write := func(i int) {
			some := lines(fmt.Sprint("a", i), 100)
			s.write("a.log", text(some))
			want = append(want, some...)
			a.until("the file is seen", func(m metrics) bool { return m.sum("taco_generations_found_total") > i })
		}
		write(0)
		a.untilBlocked("busy")
		for i := 1; i <= 10; i++ {
			os.Remove(s.path("a.log.2"))
			os.Rename(s.path("a.log.1"), s.path("a.log.2"))
			must(t, os.Rename(s.path("a.log"), s.path("a.log.1")))
			write(i)
		}
		if m := a.metrics(); m["taco_held_bytes"] == 0 && m.pending() != len(text(want)) {
			t.Errorf("%d bytes wait, want %d", m.pending(), len(text(want)))
		}
		repair()
		m := a.untilDocuments(len(want))
		if lost := m.sum("taco_discarded_bytes_total"); lost != 0 {
			t.Errorf("%d bytes are lost", lost)
		}
		a.stop(0)
		return want
	}
	t.Run("stand-in", func(t *testing.T) {
		t.Parallel()
		s, b := shipToScript(t)
		b.Always(backend.Text(429, `{"error":{"type":"es_rejected_execution_exception","reason":"full"},"status":429}`, ""))
		want := rotations(t, s, func() { b.Always(nil) })
		eachOnce(t, texts(t, b), want)
	})
	onBoth(t, func(t *testing.T, n *backend.Node) {
		s := ship(t, n)
		s.index, s.all = n.Prefix+"logs", n.Prefix+"logs"
		want := rotations(t, s, blocked("index.blocks.read_only_allow_delete")(s, s.index))
		eachOnce(t, s.logs(), want)
	})
}

// memoryMost is the bar for a sidecar that compresses, in bytes.
const memoryMost = 24 << 20

// TestMemoryWhileDown: a thousand files and nobody to take them.
func TestMemoryWhileDown(t *testing.T) {
	t.Parallel()
	s, b, up := shipToNothing(t)
	const files = 1000
	var want []string
	for i := range files {
		some := padded(fmt.Sprint("file", i), 20)
		s.write(fmt.Sprintf("%04d.log", i), text(some))
		want = append(want, some...)
	}
	a := s.start()
	a.until("attempts have failed", func(m metrics) bool {
		return m.blocked() == "unreachable" && m["taco_ship_retries_total"] >= 3 && m["taco_generations_open"] == files
	})
	down := a.peakRSS()
	up()
	a.untilDocuments(len(want))
	after := a.peakRSS()
	a.stop(0)
	eachOnce(t, texts(t, b), want)
	t.Logf("peak RSS with the backend down %.1f MiB, after delivery %.1f MiB", float64(down)/(1<<20), float64(after)/(1<<20))
	bounded(t, after)
}

// bounded holds a peak against the bar; the race detector needs a memory of its own.
func bounded(t *testing.T, peak int64) {
	t.Helper()
	if !strings.Contains(os.Getenv("TACO_BUILD_FLAGS"), "-race") && peak > memoryMost {
		t.Errorf("peak RSS %.1f MiB, which is more than %d", float64(peak)/(1<<20), memoryMost>>20)
	}
}

// TestEndWhileDown: what could not be delivered is said with bytes and paths,
// and the next process delivers it.
func TestEndWhileDown(t *testing.T) {
	t.Parallel()
	s, b, up := shipToNothing(t)
	want := lines("a", 100)
	s.write("a.log", text(want))
	s.write("b.log", "")
	a := s.start("--grace=2s")
	a.untilBlocked("unreachable")
	a.stop(3)
	said := a.said.String()
	if !strings.Contains(said, "undelivered") || !strings.Contains(said, fmt.Sprintf("bytes=%d ", len(text(want)))) || !strings.Contains(said, s.path("a.log")) || strings.Contains(said, s.path("b.log")) {
		t.Errorf("it says:\n%s", said)
	}
	up()
	a = s.start()
	a.untilDocuments(len(want))
	a.stop(0)
	eachOnce(t, texts(t, b), want)
}

// TestEndInRequest: a backend that does not answer delays no end.
func TestEndInRequest(t *testing.T) {
	t.Parallel()
	s, b := shipToScript(t)
	b.Always(backend.Silence())
	s.write("a.log", canary+"\n")
	a := s.start("--grace=1s", "--template=off")
	eventually(t, "a bulk is there", func() bool { return len(b.Bulks()) > 0 })
	a.stop(3)
}

// TestBackInGrace: a backend that comes back while the sidecar is to end gets
// all of it.
func TestBackInGrace(t *testing.T) {
	t.Parallel()
	s, b, up := shipToNothing(t)
	want := lines("a", 100)
	s.write("a.log", text(want))
	a := s.start("--grace=60s")
	// By then the pauses are longer than those of a process that is to end.
	a.until("attempts have failed", func(m metrics) bool { return m["taco_ship_retries_total"] >= 3 })
	must(t, a.cmd.Process.Signal(syscall.SIGTERM))
	up()
	a.exit(0)
	eachOnce(t, texts(t, b), want)
}

// TestHeldFiles: files that are deleted before they are delivered are kept up
// to a limit, at which the oldest are given up, or none.
func TestHeldFiles(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"discard", "block"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			s, b, up := shipToNothing(t)
			const files, size = 8, 64 << 10
			a := s.start("--max-held=200KiB", "--when-full="+mode)
			byFile := map[string][]string{}
			for i := range files {
				name := fmt.Sprintf("%d.log", i)
				byFile[name] = padded(name, size/200)
				s.write(name, text(byFile[name]))
				a.until("the file is seen", func(m metrics) bool { return m.sum("taco_generations_found_total") > i })
				must(t, os.Remove(s.path(name)))
			}
			a.until("the limit counts", func(m metrics) bool {
				if mode == "block" {
					return m["taco_held_bytes"] > (files-1)*size && strings.Contains(a.said.String(), "none is given up")
				}
				return m[`taco_discarded_bytes_total{reason="held"}`] > 0 && m["taco_held_bytes"] <= 200<<10 && m["taco_held_bytes"] > 0
			})
			up()
			m := a.until("the rest is delivered", func(m metrics) bool { return m.pending() == 0 && m.blocked() == "" && m["taco_held_bytes"] == 0 })
			lost := m[`taco_discarded_bytes_total{reason="held"}`]
			a.stop(0)
			got := map[string]bool{}
			for _, line := range texts(t, b) {
				got[line] = true
			}
			missing, whole := 0, 0
			for _, all := range byFile {
				here := 0
				for _, line := range all {
					if got[line] {
						here++
					} else {
						missing += len(line) + 1
					}
				}
				if here == len(all) {
					whole++
				}
			}
			if float64(missing) != lost {
				t.Errorf("%d bytes are missing, and %v are said to be given up", missing, lost)
			}
			if mode == "block" && whole != files || mode == "discard" && whole < 3 {
				t.Errorf("%d of %d files are whole", whole, files)
			}
			if said := a.said.String(); mode == "discard" && (!strings.Contains(said, "given up before it was delivered") || !strings.Contains(said, ".log")) {
				t.Errorf("it says:\n%s", said)
			}
		})
	}
}
