package follow

import "slices"

// Backlog is what is there of a source's files and not delivered.
type Backlog struct {
	Bytes int64
	Files int // that have any
}

// Backlogs has one entry a source.
func (f *Follower) Backlogs() []Backlog {
	all := make([]Backlog, len(f.opt.Sources))
	f.undelivered(func(*generation) bool { return true }, func(source int, _ string, bytes int64) {
		all[source].Bytes += bytes
		all[source].Files++
	})
	return all
}

// Unread sums up the bytes that are there and not delivered, with the paths
// that have any.
func (f *Follower) Unread() (bytes int64, paths []string) {
	return f.sum(func(*generation) bool { return true })
}

// Unreadable sums up those that no patience delivers: of files that cannot be
// opened or read.
func (f *Follower) Unreadable() (bytes int64, paths []string) {
	return f.sum(func(g *generation) bool { return g.faulty })
}

func (f *Follower) sum(counts func(*generation) bool) (bytes int64, paths []string) {
	f.undelivered(counts, func(_ int, name string, n int64) {
		bytes += n
		paths = append(paths, name)
	})
	slices.Sort(paths)
	return bytes, paths
}

// undelivered calls add for each file with undelivered bytes.
func (f *Follower) undelivered(counts func(*generation) bool, add func(source int, name string, bytes int64)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, g := range f.known {
		if g.fd < 0 || g.shadowOf != nil || !counts(g) {
			continue
		}
		if st, err := statFD(g.fd); err == nil && st.size > g.acked {
			add(f.indexOf(g.src), g.name, st.size-g.acked)
		}
	}
	for name, c := range f.closed {
		if st, err := statPath(name); err != nil {
			delete(f.closed, name)
		} else if st.size > c.at {
			add(f.indexOf(c.src), name, st.size-c.at)
		}
	}
}
