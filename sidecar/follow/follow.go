// Package follow turns files that grow, rotate, shrink and vanish into byte
// ranges with exact offsets.
//
// A generation (one file: device, inode, birth time and the hash of a growing
// prefix; and one epoch, which counts truncations), not a path, owns an offset.
// A Follower finds generations, keeps each open as long as it has bytes that
// nobody has delivered, and queues the generations of one path so that the
// oldest leaves first. The caller's loop is
//
//	for {
//		if b, ok := f.Collect(); ok {
//			deliver(b)
//			f.Ack(b)
//			continue
//		}
//		f.Wait(ctx)
//	}
//
// Collect and Ack move offsets and belong to one goroutine. Discovery runs in
// a goroutine of its own, so that it never waits for the output: a file that
// is rotated away while the output is blocked is open already.
//
// The package knows where records end (Framing), and nothing else of them; it
// knows no output at all.
package follow

import (
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// Options say what to follow and how. Times and sizes of zero take defaults.
type Options struct {
	Sources []Source
	// FromEnd leaves out what files hold at the first look.
	FromEnd bool
	// MaxRecord is the length in bytes, newline left out, beyond which a record is split.
	MaxRecord int
	// MaxRange bounds the bytes of one range, unless its first record alone is longer.
	MaxRange int
	// FlushTimeout is how long an unfinished last record waits for its end.
	FlushTimeout time.Duration
	// MaxHeld bounds the bytes of deleted files that are kept for delivery; 0: no bound.
	MaxHeld int64
	// HoldAll gives none of them up: beyond MaxHeld it is only said.
	HoldAll bool
	// Resume is where earlier generations stood, oldest first within a path.
	Resume []Position
	// Poll does without inotify, as on file systems that have none.
	Poll bool
	// Log receives warnings, never content.
	Log *slog.Logger
	// Now is the clock; nil: time.Now.
	Now func() time.Time
}

// Source is a set of files whose records end in the same way.
type Source struct {
	Patterns []string // absolute paths or globs
	Framing  Framing  // nil: Lines
}

// Timers of the follower.
const (
	lookEvery    = time.Second            // the slow look, which backs inotify up
	pollEvery    = 250 * time.Millisecond // the look where there is no inotify
	lookCostCap  = 2000                   // a look may take 1/2000 of the time, or it gets rarer
	pollCostCap  = 100
	settleFor    = 10 * time.Second // quiet time after which an unlinked generation is retired
	renamedFor   = 10 * time.Minute // the same for a renamed one that is among the last of its path,
	renamedMost  = 16               // which are so many with the one that stands there now
	shadowFor    = 10 * time.Second // quiet time after which what looks like a copy is taken for a file of its own
	absentFor    = 30 * time.Second // without any file before that is said
	retryFor     = time.Second      // between attempts at a file that could not be opened or read
	sayAgainFrom = 10000            // at most this many "said once" notes are remembered
)

// Follower follows the files of its sources. See the package comment for the
// goroutines that may call which method.
type Follower struct {
	opt   Options
	log   *slog.Logger
	now   func() time.Time
	watch *watcher
	wake  chan struct{} // holds one token when the loop has something to look at

	mu     sync.Mutex
	known  map[inode]*generation // open, and retired ones whose file still matches a pattern
	names  map[string]*generation
	queues map[string]*queue
	ready  []*queue             // queues with something to look at, in turn
	idle   map[*generation]bool // generations that wait for time to pass: unfinished, detached or shadowing
	resume []resumed            // not yet found again
	age    int64                // of the newest generation
	closed map[string]closed    // files that could not be opened or read
	said   map[string]bool      // notes that are said once
	counts Counts
	// structure counts changes of the set of generations, names and epochs.
	structure uint64
	first     bool             // the first look is not over
	looked    time.Time        // the beginning of the last look
	moved     map[string]moved // since then, by the new name
	moves     int64
	flushing  bool

	waiting  map[int64]bool  // resumed ones that may be there and cannot be read, by age; the look's
	absent   map[string]bool // patterns that nothing has matched yet; the look's
	absentAt time.Time       // when that is said
	last     atomic.Bool     // the next look may be the last

	buf [window]byte // the loop's, for looking at ends of ranges
}

// Counts are totals since the start.
type Counts struct {
	Generations, Retired   int64 // found; done with
	Truncations, Rotations int64
	Looks                  int64 // full looks at all patterns
	Overflows              int64 // inotify queues that overflowed, each answered by a look
	HoleBytes              int64 // leading NULs skipped
	LostBytes              int64 // bytes known to have been there that nobody can read any more
	HeldBytes              int64 // in deleted files that are open, now
	GivenUpBytes           int64 // beyond MaxHeld
	ReadErrors             int64
	Open                   int64 // generations open now
}

// New prepares a Follower; Start begins to look.
func New(o Options) *Follower {
	if o.MaxRecord <= 0 {
		o.MaxRecord = 1 << 20
	}
	if o.MaxRange <= 0 {
		o.MaxRange = o.MaxRecord + 1
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	o.Sources = append([]Source(nil), o.Sources...)
	for i := range o.Sources {
		if o.Sources[i].Framing == nil {
			o.Sources[i].Framing = Lines{}
		}
	}
	f := &Follower{
		opt: o, log: o.Log, now: o.Now,
		wake:   make(chan struct{}, 1),
		known:  map[inode]*generation{},
		names:  map[string]*generation{},
		queues: map[string]*queue{},
		idle:   map[*generation]bool{},
		closed: map[string]closed{},
		said:   map[string]bool{},
		moved:  map[string]moved{},
		absent: map[string]bool{}, waiting: map[int64]bool{},
		first: true,
	}
	for i := range o.Sources {
		for _, p := range o.Sources[i].Patterns {
			f.absent[p] = true
		}
	}
	for _, p := range o.Resume {
		f.age += ageStep
		f.resume = append(f.resume, resumed{p, f.age})
		q := f.queueLocked(p.Path)
		q.newest, q.birth = f.age, p.Birth
	}
	return f
}

// Start looks once, so that Collect has what is there now, and goes on looking
// in the background until Close.
func (f *Follower) Start() {
	f.watch = newWatcher(f)
	f.absentAt = f.now().Add(absentFor)
	f.look()
	f.mu.Lock()
	f.first = false
	f.mu.Unlock()
	go f.watch.run()
}

// Close ends the background work and closes the files.
func (f *Follower) Close() {
	if f.watch != nil {
		f.watch.close()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, q := range f.queues {
		for _, g := range q.gens {
			g.close()
		}
	}
}

// Flush makes unfinished records go out without waiting: the end is near.
func (f *Follower) Flush() {
	f.mu.Lock()
	f.flushing = true
	for _, q := range f.queues {
		f.markLocked(q)
	}
	f.mu.Unlock()
}

// Look looks at all patterns now; for a last look before the end.
func (f *Follower) Look() {
	f.last.Store(true)
	f.watch.lookNow()
	f.mu.Lock()
	for _, q := range f.queues {
		f.markLocked(q)
	}
	f.mu.Unlock()
}

// Counts returns the totals.
func (f *Follower) Counts() Counts {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.counts
}

// Structure changes whenever the set of generations changes, so that a
// checkpoint that holds only offsets is no longer enough.
func (f *Follower) Structure() uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.structure
}

// markLocked puts a queue among the ready ones.
func (f *Follower) markLocked(q *queue) {
	if !q.ready {
		q.ready = true
		f.ready = append(f.ready, q)
	}
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

// once tells whether a note with this key has not been said yet.
func (f *Follower) onceLocked(key string) bool {
	if f.said[key] {
		return false
	}
	if len(f.said) >= sayAgainFrom {
		clear(f.said)
	}
	f.said[key] = true
	return true
}
