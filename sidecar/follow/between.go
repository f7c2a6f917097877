package follow

import (
	"cmp"
	"math"
	"path"
	"slices"
	"time"
)

// birthTick is how coarse a file system's birth times may be.
const birthTick = 10 * time.Millisecond

// moved is where a name that was rotated away came from, as inotify tells it.
type moved struct {
	path string // the followed path that the file had
	seq  int64  // orders the moves
	look int64  // the last one before the move was told
}

// between opens the generations that came and went at a path between two
// looks, now that g stands there: files that nobody knows and that events tell
// were moved away from it; and those named after it that were born after its
// last known generation and no later than g, for where there are no events.
// The oldest comes first.
func (f *Follower) between(g *generation, queuePath string) (missed []*generation) {
	f.mu.Lock()
	var since int64
	if q := f.queues[queuePath]; q != nil {
		since = q.birth
	}
	if since == 0 && !f.first {
		since = f.looked.Add(-birthTick).UnixNano()
	}
	first := f.first
	f.mu.Unlock()
	f.watch.drain() // g stands at its path, so what came before it has left its events
	f.mu.Lock()
	moves := map[string]moved{}
	for name, m := range f.moved {
		if m.path == queuePath {
			moves[name] = m
		}
	}
	originals := []string{queuePath}
	for _, n := range chain(queuePath)[1:] {
		// A link that leads elsewhere now tells nothing of what was there before.
		if _, led := f.watch.links[n]; led || first {
			originals = append(originals, n)
		}
	}
	f.mu.Unlock()

	type found struct {
		name string
		seq  int64
		fileState
	}
	var all []found
	away := int64(math.MaxInt64) // the move of g, if it has gone in this moment: who was moved later came later
	names := siblings(queuePath)
	for name := range moves { // a folder's listing may leave out what is renamed meanwhile
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		m, wasMoved := moves[name]
		if _, packed := magics[path.Ext(name)]; packed || !wasMoved && !derivedFrom(name, originals) {
			continue
		}
		st, err := statPath(name)
		// The clock may have jumped between two births; events do not mind.
		born := since > 0 && st.birth >= since && st.birth <= g.birth
		if err == nil && wasMoved && st.id == g.id {
			away = m.seq
		}
		if err == nil && st.regular && (wasMoved || born) && st.id != g.id {
			all = append(all, found{name, m.seq, st})
		}
	}
	all = slices.DeleteFunc(all, func(m found) bool { return m.seq > away })
	slices.SortFunc(all, func(a, b found) int {
		if a.seq > 0 && b.seq > 0 {
			return cmp.Compare(a.seq, b.seq)
		}
		return cmp.Or(cmp.Compare(a.birth, b.birth), cmp.Compare(a.id.ino, b.id.ino))
	})
	for _, m := range all {
		if g := f.openMissed(m.name, m.id, g.src); g != nil {
			missed = append(missed, g)
		}
	}
	return missed
}

// openMissed opens a file that nobody knows; nil: it is known, or gone.
func (f *Follower) openMissed(name string, id inode, src *Source) *generation {
	f.mu.Lock()
	known := f.known[id] != nil
	f.mu.Unlock()
	if known {
		return nil
	}
	fd, st, err := open(name)
	if err != nil {
		return nil
	}
	g := &generation{
		id: st.id, birth: st.birth, src: src, fd: fd, name: name,
		size: -1, seenSize: st.size, seenMtime: st.mtime, grewAt: f.now(), detached: true,
	}
	if st.id != id {
		g.close() // renamed meanwhile; another look finds it
		return nil
	}
	return g
}
