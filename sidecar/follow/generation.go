package follow

import (
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// A generation is one file, from its first sight to its retirement.
type generation struct {
	id    inode
	birth int64
	src   *Source
	q     *queue
	age   int64 // orders the generations of a path

	// The loop's own once the generation is in a queue. What Unread and
	// Positions show (fd, epoch, acked, shadowOf…) is written under mu.

	fd       int // -1 once retired
	epoch    uint32
	acked    int64 // all bytes before it are delivered
	mid      bool  // acked is inside a record that was split
	prefix   Sum
	marker   Sum
	checked  bool  // this epoch's first bytes were looked at: no hole, no copy, not compressed
	original bool  // there at the very first look: no copy of anything
	size     int64 // at the last look, with mtime
	mtime    int64
	grewAt   time.Time
	faulty   bool      // the last attempt to read failed,
	retryAt  time.Time // and the next one is due then
	shadowOf *generation
	shadowAt uint32 // the epoch of shadowOf when it was taken for its original

	// Guarded by Follower.mu.

	name      string
	taken     bool  // the loop reads it, or has handed out a range: nobody else closes it
	seenSize  int64 // by the look, which marks the queue when they change
	seenMtime int64
	look      int64     // the last look that saw it
	seenAs    string    // under this name
	skip      bool      // never read: compressed; it counts as retired
	detached  bool      // replaced at its path, renamed or unlinked
	retired   bool      // fd closed, all delivered
	due       time.Time // when idle: time to look at it again
}

func (g *generation) close() {
	if g.fd >= 0 {
		unix.Close(g.fd)
		g.fd = -1
	}
}

// restart begins a new epoch: the content is another one.
func (g *generation) restart() {
	g.epoch++
	g.acked, g.mid, g.prefix, g.marker = 0, false, Sum{}, Sum{}
	g.checked, g.shadowOf = false, nil
	g.size, g.mtime = -1, 0
}

// position is where g stands; name is guarded by mu.
func (g *generation) position() Position {
	return Position{
		Path: g.q.path, Name: g.name,
		Dev: g.id.dev, Ino: g.id.ino, Birth: g.birth, Epoch: g.epoch,
		Offset: g.acked, Mid: g.mid, Prefix: g.prefix, Marker: g.marker,
	}
}

// adopt makes g stand where p says.
func (g *generation) adopt(p Position) {
	g.epoch, g.acked, g.mid = p.Epoch, p.Offset, p.Mid
	g.prefix, g.marker = p.Prefix, p.Marker
	g.checked = p.Offset > 0
}

// queue holds the generations of one path, the oldest first.
type queue struct {
	path   string
	gens   []*generation
	ready  bool  // among Follower.ready
	newest int64 // the age of its newest generation so far,
	birth  int64 // which was born then
}

func (q *queue) insert(g *generation) {
	at, _ := slices.BinarySearchFunc(q.gens, g, func(a, b *generation) int {
		if a.age <= b.age {
			return -1
		}
		return 1
	})
	q.gens = slices.Insert(q.gens, at, g)
	g.q = q
}

func (q *queue) remove(g *generation) {
	if i := slices.Index(q.gens, g); i >= 0 {
		q.gens = slices.Delete(q.gens, i, i+1)
	}
}

func (f *Follower) queueLocked(path string) *queue {
	q := f.queues[path]
	if q == nil {
		q = &queue{path: path}
		f.queues[path] = q
	}
	return q
}

// idleLocked has g looked at again at the given time.
func (f *Follower) idleLocked(g *generation, due time.Time) {
	g.due = due
	f.idle[g] = true
}

// retire closes what is done with. It stays known as long as its file matches
// a pattern, so that it is not taken for a new one.
func (f *Follower) retire(g *generation) {
	f.mu.Lock()
	defer f.mu.Unlock()
	g.close()
	g.retired = true
	g.q.remove(g)
	delete(f.idle, g)
	f.counts.Retired++
	f.counts.Open--
	f.structure++
	if f.names[g.name] != g {
		f.forgetLocked(g)
	}
}

// forgetLocked drops a retired generation for good.
func (f *Follower) forgetLocked(g *generation) {
	if f.known[g.id] == g {
		delete(f.known, g.id)
	}
	if f.names[g.name] == g {
		delete(f.names, g.name)
	}
	if len(g.q.gens) == 0 && f.queues[g.q.path] == g.q && f.names[g.q.path] == nil {
		delete(f.queues, g.q.path)
	}
	f.structure++
}

// Positions appends where each generation stands, oldest first within a path,
// and the resumed ones that were not found yet.
func (f *Follower) Positions(to []Position) []Position {
	f.mu.Lock()
	defer f.mu.Unlock()
	gens := make([]*generation, 0, len(f.known))
	for _, g := range f.known {
		gens = append(gens, g)
	}
	slices.SortFunc(gens, func(a, b *generation) int { return int(a.age - b.age) })
	for _, g := range gens {
		to = append(to, g.position())
	}
	for _, r := range f.resume {
		to = append(to, r.Position)
	}
	return to
}
