package follow

import (
	"errors"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// look finds what matches the patterns now, opens what is new, and notes what
// was replaced. It runs in one goroutine at a time: Start's, then the watcher's.
func (f *Follower) look() {
	began := time.Now()
	e := expansion{dirs: map[string]bool{}, faults: map[string]error{}}
	seen := map[string]bool{}
	f.mu.Lock()
	f.counts.Looks++
	round := f.counts.Looks
	f.mu.Unlock()
	f.resumeFiles()
	for i := range f.opt.Sources {
		src := &f.opt.Sources[i]
		for _, pattern := range src.Patterns {
			e.paths = e.paths[:0]
			e.expand(pattern)
			found := false
			for _, p := range e.paths {
				if !seen[p] {
					seen[p] = true
					found = f.see(&e, p, src, round) || found
				}
			}
			if found {
				delete(f.absent, pattern)
			}
		}
	}
	f.sayAbsent(f.now())
	f.sayFaults(e.faults)
	f.giveUpResume()
	f.detach(round)
	f.limitHeld()
	f.watch.cover(&e)
	f.mu.Lock()
	for name, m := range f.moved {
		if m.look < round {
			delete(f.moved, name)
		}
	}
	f.looked = began
	f.mu.Unlock()
	f.watch.looked(time.Since(began))
}

// see handles one name that matches. False: nothing is there.
func (f *Follower) see(e *expansion, name string, src *Source, round int64) bool {
	st, err := statName(name)
	if err == nil && st.link {
		st, err = statPath(name)
		if !errors.Is(err, unix.ELOOP) {
			e.link(name, st.id)
		}
	}
	if err != nil {
		return false // not there, gone again, or a dangling link
	}
	if !st.regular {
		f.noteOnce("kind "+name, "not a regular file; left out", name)
		return true
	}
	f.mu.Lock()
	g := f.known[st.id]
	switch {
	case g != nil && g.retired && !sameBirth(g.birth, st.birth):
		f.forgetLocked(g) // another file with the same number
		g = nil
	case g != nil && g.retired && !g.skip && st.size != g.acked:
		f.mu.Unlock()
		f.reopen(g, name, round)
		return true
	case g != nil:
		f.seeAgainLocked(g, name, st, round)
	}
	awaited := f.awaitedLocked(st)
	f.mu.Unlock()
	if g == nil && !awaited {
		f.discover(name, src, round)
	}
	return true
}

func (f *Follower) seeAgainLocked(g *generation, name string, st fileState, round int64) {
	// Of several names (links), the path of its queue is best, then the present one.
	if g.look != round || name == g.q.path || name == g.name && g.seenAs != g.q.path {
		g.seenAs = name
	}
	g.look = round
	if st.size != g.seenSize || st.mtime != g.seenMtime {
		g.seenSize, g.seenMtime = st.size, st.mtime
		if !g.retired {
			f.markLocked(g.q)
		}
	}
}

func (f *Follower) renameLocked(g *generation, name string) {
	if g.name == name && f.names[name] == g {
		return
	}
	if f.names[g.name] == g {
		delete(f.names, g.name)
	}
	g.name = name
	f.names[name] = g
	f.structure++
}

// discover opens the file at name as a new generation of that path.
func (f *Follower) discover(name string, src *Source, round int64) {
	fd, st, err := open(name)
	if err != nil {
		f.unopened(name, "opened", err, closed{src, 0})
		return
	}
	g := &generation{
		id: st.id, birth: st.birth, src: src, fd: fd, name: name, look: round,
		size: -1, seenSize: st.size, seenMtime: st.mtime, grewAt: f.now(),
	}
	f.place(g, name, st)
	missed := f.between(g, name)

	f.mu.Lock()
	defer f.mu.Unlock()
	// The loop takes from the queue at once: the older ones go in first.
	for _, m := range append(missed, g) {
		if f.known[m.id] == nil {
			f.enterLocked(m, f.queueLocked(name))
		} else {
			m.close() // a second name of it, or found by the loop in this moment
		}
	}
}

// enterLocked adds an open generation.
func (f *Follower) enterLocked(g *generation, q *queue) {
	if g.age == 0 {
		f.age += ageStep
		g.age = f.age
	}
	if g.age >= q.newest {
		q.newest, q.birth = g.age, g.birth
	}
	f.known[g.id] = g
	q.insert(g)
	delete(f.said, "open "+g.name)
	delete(f.closed, g.name)
	f.renameLocked(g, g.name)
	f.counts.Generations++
	f.counts.Open++
	f.structure++
	f.markLocked(q)
}

// ageStep leaves room to put a found generation between two others.
const ageStep = 1 << 16

// detach notes which generations are no longer at their path.
func (f *Follower) detach(round int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, g := range f.known {
		gone := g.look != round
		if !gone && g.seenAs != "" {
			f.renameLocked(g, g.seenAs)
		}
		away := gone || g.name != g.q.path
		if away && !g.detached {
			g.detached = true
			if !g.retired {
				f.counts.Rotations++
				f.markLocked(g.q)
			}
		} else if !away {
			g.detached = false
		}
		if gone && f.names[g.name] == g {
			delete(f.names, g.name)
		}
		if gone && g.retired {
			f.forgetLocked(g)
		}
	}
}

// reopen takes up a retired generation whose file has changed.
func (f *Follower) reopen(g *generation, name string, round int64) {
	fd, st, err := open(name)
	if err != nil {
		return // the next look tries again
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if st.id != g.id || !sameBirth(st.birth, g.birth) {
		unix.Close(fd)
		return
	}
	g.fd, g.retired, g.size, g.grewAt = fd, false, -1, f.now()
	g.seenSize, g.seenMtime, g.look = st.size, st.mtime, round
	g.seenAs = name
	if f.queues[g.q.path] != g.q {
		g.q = f.queueLocked(g.q.path)
	}
	g.q.insert(g)
	f.counts.Open++
	f.structure++
	f.markLocked(g.q)
}

// open opens a regular file for reading, whatever else stands there now.
func open(name string) (int, fileState, error) {
	fd, err := unix.Open(name, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
	if err != nil {
		return -1, fileState{}, err
	}
	st, err := statFD(fd)
	if err == nil && !st.regular {
		err = unix.ENOENT
	}
	if err != nil {
		unix.Close(fd)
		return -1, st, err
	}
	return fd, st, nil
}

func (f *Follower) noteOnce(key, message, file string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.onceLocked(key) {
		f.log.Warn(message, "file", file)
	}
}

// sayAbsent says once which patterns have not stood for any file, when that
// has lasted a while or the end has come: at first, most programs have not
// written yet.
func (f *Follower) sayAbsent(now time.Time) {
	if len(f.absent) == 0 || now.Before(f.absentAt) && !f.last.Load() {
		return
	}
	for i := range f.opt.Sources {
		for _, pattern := range f.opt.Sources[i].Patterns {
			if f.absent[pattern] {
				f.log.Warn("no such file so far; waiting for it", "path", pattern)
			}
		}
	}
	clear(f.absent)
}

// sayFaults says once which folders cannot be listed, and once that they can be again.
func (f *Follower) sayFaults(faults map[string]error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for dir, err := range faults {
		if f.onceLocked("list "+dir) && err != unix.EMFILE {
			f.log.Warn("a folder cannot be listed; trying again", "folder", dir, "error", err)
		}
	}
}

// siblings are the other names in the folder of name, sorted, and then those
// beside the files for which it stands, where it is a symbolic link.
func siblings(name string) (all []string) {
	e := expansion{dirs: map[string]bool{}, faults: map[string]error{}}
	for _, n := range chain(name) {
		dir, _ := splitName(n)
		for _, sibling := range e.list(dir, true) {
			all = append(all, join(dir, sibling))
		}
	}
	return slices.DeleteFunc(all, func(n string) bool { return n == name })
}
