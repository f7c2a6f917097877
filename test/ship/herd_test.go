package ship

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"logging.taco/test/backend"
)

// TestHerd: sidecars that all start at once while the backend is down do not
// come back all at once when it is up again.
func TestHerd(t *testing.T) {
	t.Parallel()
	many := 30
	if long {
		many = 300
	}
	b := backend.NewScript(t)
	address := freeAddress(t)
	var agents []*agent
	var want []string
	for i := range many {
		s := shipTo(t, "http://"+address)
		s.args = append(s.args, "--template=off", "--index=logs", "--batch-size=16KiB")
		s.env[2] = fmt.Sprint("TACO_POD_UID=", i)
		some := padded(fmt.Sprint("pod", i), 300)
		s.write("a.log", text(some))
		want = append(want, some...)
		agents = append(agents, s.start())
	}
	for _, a := range agents {
		a.until("it has failed some times", func(m metrics) bool { return m["taco_ship_retries_total"] >= 3 })
	}
	newForward(t, address, b.URL())
	for _, a := range agents {
		a.untilDocuments(300)
	}
	eachOnce(t, texts(t, b), want)

	// When each of them came for the first time, and all requests.
	var first, all []time.Time
	seen := map[string]bool{}
	for _, bulk := range b.Bulks() {
		all = append(all, bulk.At)
		if who := bulk.Actions[0].ID[:15]; !seen[who] {
			seen[who] = true
			first = append(first, bulk.At)
		}
	}
	const window = 250 * time.Millisecond
	busiest, requests := densest(first, window), densest(all, time.Second)
	t.Logf("%d sidecars came back within %v, %d of them in the busiest %v; %d requests, at most %d a second",
		many, first[len(first)-1].Sub(first[0]).Round(time.Millisecond), busiest, window, len(all), requests)
	if busiest > many/2 {
		t.Errorf("%d of %d sidecars came back within %v", busiest, many, window)
	}
	for _, a := range agents {
		a.kill()
	}
}

// densest is the most that lie within a window.
func densest(at []time.Time, window time.Duration) (most int) {
	slices.SortFunc(at, time.Time.Compare)
	for i, j := 0, 0; j < len(at); j++ {
		for at[j].Sub(at[i]) > window {
			i++
		}
		most = max(most, j-i+1)
	}
	return most
}
