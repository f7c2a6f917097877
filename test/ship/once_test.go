package ship

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"logging.taco/test/backend"
)

// TestExactlyOnce: a sidecar that is killed again and again, a node that is
// killed too, files that are rotated, and a network that resets a tenth of all
// exchanges. In the end the set of documents is the set of lines.
func TestExactlyOnce(t *testing.T) {
	if !long {
		t.Skip("the million; TestNode has a small one; set TACO_SHIP_LONG")
	}
	t.Parallel()
	for _, kind := range kinds {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			exactlyOnce(t, ownNode(t, kind, backend.Heap("1g")), 1_000_000, 80, 3)
		})
	}
}

// exactlyOnce writes the lines in as many portions as the sidecar has lives. The
// node has so many ends.
func exactlyOnce(t *testing.T, n *backend.Node, total, lives, ends int) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 1))
	p := backend.NewProxy(t, n.URL(), seed)
	p.Spoil(backend.ResetSome(0.1))
	s := shipOwn(t, n, "once")
	s.to = p.URL()
	s.globs = []string{filepath.Join(s.dir, "a.log*")}
	begin := time.Now()
	line := func(i int) string {
		return fmt.Sprintf("%s %07d %s", canary, i, strings.Repeat("0123456789", 1+i%30))
	}
	start := func() *agent { return s.start("--batch-size=256KiB", "--timeout=10s") }

	portion := total / lives
	var again int // records that were sent although they had been stored
	a := start()
	for life := range lives {
		var b strings.Builder
		for i := life * portion; i < (life+1)*portion; i++ {
			b.WriteString(line(i))
			b.WriteByte('\n')
		}
		s.write("a.log", b.String())
		if life%3 == 2 {
			must(t, os.Rename(s.path("a.log"), s.path(fmt.Sprintf("a.log.%d", life))))
		}
		until := 1 + random.IntN(portion)
		m := a.until("a part is shipped", func(m metrics) bool { return m.documents() >= until || m.pending() == 0 && m.blocked() == "" })
		again += m.already()
		if every := lives / (ends + 1); life%every == every-1 && life < ends*every {
			n.Kill()
			if random.IntN(2) == 0 {
				// Where all was shipped before, nobody notices.
				a.until("records wait, if there are any", func(m metrics) bool { return m.blocked() == "unreachable" || m.pending() == 0 })
			}
			a.kill()
			a = start()
			n.Restart()
			continue
		}
		a.kill()
		a = start()
	}
	m := a.until("all is shipped", func(m metrics) bool {
		return m.pending() == 0 && m.blocked() == "" && m.sum("taco_generations_found_total") > 0
	})
	a.stop(0)
	again += m.already()
	took := time.Since(begin)

	n.Refresh(s.all)
	seen := make([]bool, total)
	ids := make(map[string]bool, total)
	twice, strange := 0, 0
	n.Documents(s.all, func(d backend.Document) {
		text := logOf(t, d.Source)
		var i int
		if _, err := fmt.Sscanf(text, canary+" %d", &i); err != nil || i < 0 || i >= total || text != line(i) {
			strange++
			return
		}
		if seen[i] {
			twice++
		}
		seen[i], ids[d.ID] = true, true
	})
	missing := 0
	for _, there := range seen {
		if !there {
			missing++
		}
	}
	if missing+twice+strange > 0 || len(ids) != total {
		t.Errorf("of %d lines %d are missing, %d there twice, %d were never written; %d ids", total, missing, twice, strange, len(ids))
	}
	if letters := s.letters(); letters != nil {
		t.Errorf("%d dead letters: %v", len(letters), letters[0])
	}
	t.Logf("%d lines, %d kills of the sidecar, %d of the node, %+v in %v; at least %d were sent again that had been stored", total, lives, ends, p.Counts(), took.Round(time.Second), again)
}
