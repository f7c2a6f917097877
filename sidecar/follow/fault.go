package follow

import "golang.org/x/sys/unix"

// fault handles an error of the file system: said once, counted, tried again.
// It holds nothing else back, its successors at the path included.
func (f *Follower) fault(g *generation, err error) (Range, state) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.counts.ReadErrors++
	if !g.faulty {
		g.faulty = true
		f.log.Warn("a file cannot be read; trying again", "file", g.name, "error", err)
	}
	g.retryAt = f.now().Add(retryFor)
	f.idleLocked(g, g.retryAt)
	return Range{}, atEnd
}

// mendedLocked notes that g is read again.
func (f *Follower) mendedLocked(g *generation) {
	if g.faulty {
		g.faulty = false
		f.log.Info("reading goes on", "file", g.name)
	}
}

// closed is a file that could not be opened or read.
type closed struct {
	src *Source
	at  int64 // all bytes before it are delivered
}

// unopened notes a file that cannot be opened or read.
func (f *Follower) unopened(name, what string, err error, c closed) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err == unix.ENOENT {
		return
	}
	f.counts.ReadErrors++
	switch {
	case err == unix.EMFILE || err == unix.ENFILE:
		if f.onceLocked("descriptors") {
			f.log.Error("too many files are open; the rest waits: raise the limit of open files", "file", name)
		}
	case f.onceLocked("open " + name):
		f.log.Warn("a file cannot be "+what+"; trying again", "file", name, "error", err)
	}
	f.closed[name] = c
}
