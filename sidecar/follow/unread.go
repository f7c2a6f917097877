package follow

import "slices"

// Unread sums up the bytes that are there and not delivered, with the paths
// that have any.
func (f *Follower) Unread() (bytes int64, paths []string) {
	return f.undelivered(func(*generation) bool { return true })
}

// Unreadable sums up those that no patience delivers: of files that cannot be
// opened or read.
func (f *Follower) Unreadable() (bytes int64, paths []string) {
	return f.undelivered(func(g *generation) bool { return g.faulty })
}

func (f *Follower) undelivered(counts func(*generation) bool) (bytes int64, paths []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	add := func(name string, n int64) {
		if n > 0 {
			bytes += n
			paths = append(paths, name)
		}
	}
	for _, g := range f.known {
		if g.fd < 0 || g.shadowOf != nil || !counts(g) {
			continue
		}
		if st, err := statFD(g.fd); err == nil {
			add(g.name, st.size-g.acked)
		}
	}
	for name := range f.closed {
		if st, err := statPath(name); err == nil {
			add(name, st.size)
		} else {
			delete(f.closed, name)
		}
	}
	slices.Sort(paths)
	return bytes, paths
}
