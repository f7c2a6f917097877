package ship

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"logging.taco/test/backend"
)

// TestLatency prints how long it takes from the writing of a line until a search
// finds it, where the index is refreshed as fast as it can be, with the default
// batching. It is a measurement: nothing is asserted but that all arrive.
func TestLatency(t *testing.T) {
	if !long {
		t.Skip("a measurement; set TACO_SHIP_LONG")
	}
	for _, kind := range kinds {
		t.Run(string(kind), func(t *testing.T) {
			const perSecond, seconds = 1000, 20
			n := ownNode(t, kind, backend.Heap("512m"))
			s := shipOwn(t, n, "latency")
			s.write("a.log", canary+" warm\n")
			a := s.start()
			a.untilDocuments(1)
			n.Refresh(s.all)

			written := make([]atomic.Int64, perSecond*seconds) // in nanoseconds since 1970
			f, err := os.OpenFile(s.path("a.log"), os.O_WRONLY|os.O_APPEND, 0)
			must(t, err)
			defer f.Close()
			go func() { // ten lines at a time: a hundred wake-ups a second
				every := time.NewTicker(10 * time.Second / perSecond)
				defer every.Stop()
				for i := 0; i < len(written); <-every.C {
					var b strings.Builder
					due := min(i+10, len(written))
					for now := time.Now(); i < due; i++ {
						fmt.Fprintf(&b, "%s %d %s\n", canary, i, strings.Repeat("x", rand.IntN(300)))
						written[i].Store(now.UnixNano())
					}
					f.WriteString(b.String())
				}
			}()
			var took []time.Duration
			for len(took) < len(written) {
				n.Refresh(s.all)
				visible := n.Count(s.all, "") - 1 // they come in the order of the file
				now := time.Now()
				for i := len(took); i < visible; i++ {
					took = append(took, now.Sub(time.Unix(0, written[i].Load())))
				}
			}
			a.stop(0)
			slices.Sort(took)
			at := func(share float64) time.Duration {
				return took[int(share*float64(len(took)-1))].Round(time.Millisecond)
			}
			t.Logf("%d lines at %d a second, written until searchable: median %v, p90 %v, p99 %v, longest %v",
				len(took), perSecond, at(0.5), at(0.9), at(0.99), at(1))
		})
	}
}
