package elastic

import (
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"
)

// Pauses between attempts that failed. Each is a random part of its length, a
// half at least, so that many sidecars do not come back at the same moment.
const (
	firstPause = time.Second
	lastPause  = time.Minute
	holdPause  = 10 * time.Second // the first where somebody has to act
	hurryPause = 2 * time.Second  // the longest when the program is to stop
	sayEvery   = 10 * time.Minute // an outage is said again
	sayAgain   = time.Minute      // and one that has ended and comes back
	step       = 16 << 10         // bytes by which requests grow, at least
)

// pace decides how large the next request is, and how long to wait after one
// that failed: smaller after a refusal and after an outage, larger again with
// each success, as TCP does with its window (RFC 5681).
type pace struct {
	stopping <-chan struct{}
	version  func() int // of the credentials, which changes with them
	log      *slog.Logger
	stats    *stats

	mu      sync.Mutex
	most    int // bytes of a request
	now     int // bytes of the next one
	pause   time.Duration
	grown   time.Time // when pause did
	trouble string    // what is wrong at the moment; "": all is well
	since   time.Time
	told    bool                 // trouble was said
	said    map[string]time.Time // when each trouble was, last
	hurried bool
}

func newPace(most int, stopping <-chan struct{}, version func() int, log *slog.Logger, stats *stats) *pace {
	return &pace{most: most, now: most, stopping: stopping, version: version, log: log, stats: stats, said: map[string]time.Time{}}
}

// size is the length of the next request.
func (p *pace) size() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.now
}

// smaller halves the next requests, after one of so many bytes was refused for
// its length or for the load. tooLong: that length will never pass.
func (p *pace) smaller(than int, tooLong bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.now = max(min(p.now, than)/2, 1)
	if tooLong {
		p.most = max(min(p.most, than*3/4), 1)
	}
}

// well notes that the backend took something.
func (p *pace) well() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.now = min(p.most, p.now+max(p.now/2, step))
	p.pause = 0
	if p.told {
		p.log.Info("shipping goes on", "after", time.Since(p.since).Round(time.Millisecond))
	}
	p.trouble, p.told = "", false
	p.stats.setTrouble("", time.Time{})
}

// ill says what is wrong, once, and again from time to time. kind is for the
// metric and for telling one trouble from another. What comes and goes is said
// once in a while.
func (p *pace) ill(kind, message string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if p.trouble == "" {
		p.since = now
	}
	every := sayAgain
	if p.trouble == kind && p.told {
		every = sayEvery
	}
	p.trouble = kind
	defer p.stats.setTrouble(kind, p.since)
	if last, once := p.said[kind]; once && now.Sub(last) < every {
		return
	}
	p.said[kind], p.told = now, true
	p.log.Warn(message, append(args, "blocked", kind)...) // as taco_ship_blocked says it
}

// wait waits before the next attempt: longer each time, as long as the backend
// asks for, and shorter when the program is to stop. Other credentials than the
// attempt had, of that version, end a pause that nobody has asked for: they may well
// be what was missing.
func (p *pace) wait(f fate, asked time.Duration, version int) {
	p.mu.Lock()
	first := firstPause
	if f == hold {
		first = holdPause
	}
	// Bulks that are under way at once fail at once, which is one failure.
	if now := time.Now(); p.pause == 0 || now.Sub(p.grown) >= p.pause/2 {
		p.pause, p.grown = min(p.pause*2, lastPause), now
	}
	p.pause = max(p.pause, first)
	// What waited behind an outage comes back slowly: many others do too.
	p.now = min(p.now, max(p.most/8, 1))
	length := p.pause/2 + rand.N(p.pause/2+1)
	p.mu.Unlock()
	length = max(length, min(asked, 10*time.Minute))
	begun := time.Now()
	p.stats.retries.Add(1)
	defer func() { p.stats.waited.Add(int64(time.Since(begun))) }()

	t := time.NewTimer(length)
	defer t.Stop()
	for stopping := false; !stopping; {
		left := length - time.Since(begun)
		if left <= 0 {
			return
		}
		if asked == 0 && p.version() != version {
			p.mu.Lock()
			p.pause = 0
			p.mu.Unlock()
			return
		}
		t.Reset(min(left, lookEvery))
		select {
		case <-t.C:
		case <-p.stopping:
			stopping = true
		}
	}
	// The end is near: one attempt now, then one every little while.
	left := min(length-time.Since(begun), hurryPause)
	if p.hurry() {
		left = 0
	}
	if left > 0 {
		t.Reset(left)
		<-t.C
	}
}

// hurry is true once: for the attempt that a signal brings about.
func (p *pace) hurry() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	first := !p.hurried
	p.hurried = true
	return first
}
