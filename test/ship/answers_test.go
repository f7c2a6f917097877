package ship

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"logging.taco/test/backend"
)

// What no real node can be made to answer, a stand-in does.

// shipToScript ships to a stand-in, which is healthy until told otherwise.
func shipToScript(t testing.TB) (*shipment, *backend.Script) {
	t.Helper()
	b := backend.NewScript(t)
	return shipTo(t, b.URL()), b
}

// texts are those of all documents that a stand-in has.
func texts(t testing.TB, b *backend.Script) (all []string) {
	t.Helper()
	for _, d := range b.Documents() {
		all = append(all, logOf(t, d.Source))
	}
	return all
}

// TestInFlight: so many bulks at once, and no more.
func TestInFlight(t *testing.T) {
	t.Parallel()
	for _, most := range []int{1, 2, 4} {
		t.Run(fmt.Sprint(most), func(t *testing.T) {
			t.Parallel()
			s, b := shipToScript(t)
			want := padded("a", 500)
			s.write("a.log", text(want))
			var mu sync.Mutex
			var now, peak int
			full := make(chan struct{}) // closed when as many are under way as there may be
			b.Always(func(script *backend.Script, w http.ResponseWriter, r *backend.Bulk) {
				mu.Lock()
				if now++; now > peak {
					if peak = now; peak == most {
						close(full)
					}
				}
				mu.Unlock()
				<-full
				mu.Lock()
				now--
				mu.Unlock()
				backend.Stored()(script, w, r)
			})
			a := s.start(fmt.Sprintf("--in-flight=%d", most), "--batch-size=8KiB")
			a.untilDocuments(len(want))
			a.stop(0)
			if peak != most {
				t.Errorf("%d bulks at once, want %d", peak, most)
			}
			eachOnce(t, texts(t, b), want)
		})
	}
}

var _ = maps.Keys[map[string]int]
var _ = slices.Sort[[]string]
var _ = strings.Contains
