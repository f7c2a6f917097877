package stdout

import (
	"sync"
	"time"
)

// moment is how long a write may take that nothing holds up.
const moment = time.Millisecond

// blocked is the time spent on a full pipe. It grows while that lasts: who asks
// because no line comes is not to see a counter that stands still.
type blocked struct {
	mu    sync.Mutex
	sum   time.Duration
	since time.Time     // of what is under way; zero: nothing is
	least time.Duration // that takes so long unhindered
}

func (b *blocked) begin(least time.Duration) {
	b.mu.Lock()
	b.since, b.least = time.Now(), least
	b.mu.Unlock()
}

func (b *blocked) end() {
	b.mu.Lock()
	b.sum += b.underWay()
	b.since = time.Time{}
	b.mu.Unlock()
}

func (b *blocked) total() time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.sum + b.underWay()
}

func (b *blocked) underWay() time.Duration {
	if b.since.IsZero() {
		return 0
	}
	if d := time.Since(b.since); d > b.least {
		return d
	}
	return 0
}
