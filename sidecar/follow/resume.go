package follow

import (
	"errors"
	"io/fs"
	"path"
	"slices"

	"golang.org/x/sys/unix"
)

// resumed is where a generation of an earlier process stood.
type resumed struct {
	Position
	age int64
}

// place decides where a file that was just opened goes on, and in which queue.
func (f *Follower) place(g *generation, queuePath string, st fileState) {
	f.mu.Lock()
	resume := slices.Clone(f.resume)
	first := f.first
	f.mu.Unlock()
	has := func(r resumed) bool { return r.Path == queuePath }

	// A resumed one with other numbers, as on a volume that was mounted anew:
	// the content tells, unless the file was born at another time. Two files may
	// well begin with the same lines.
	for _, r := range resume {
		if !has(r) || r.Prefix.Len == 0 || st.size < r.Offset || !sameBirth(r.Birth, st.birth) {
			continue
		}
		if same, _ := r.continues(g.fd); same {
			f.found(r)
			g.age = r.age
			g.adopt(r.Position)
			return
		}
	}
	g.original = first && len(f.opt.Resume) == 0
	if f.opt.FromEnd && first && !slices.ContainsFunc(resume, has) {
		g.startAt(st.size)
	}
}

// startAt makes g begin at an offset that nobody has read up to.
func (g *generation) startAt(off int64) {
	var buf [max(prefixMax, markerMax)]byte
	n, _ := pread(g.fd, buf[:min(off, prefixMax)], 0)
	g.prefix = sumOf(buf[:n])
	m := min(off, markerMax)
	n, _ = pread(g.fd, buf[:m], off-m)
	g.marker = sumOf(buf[:n])
	g.acked, g.checked = off, off > 0
}

func (f *Follower) found(r resumed) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.resume = slices.DeleteFunc(f.resume, func(o resumed) bool { return o.age == r.age })
}

// resumeFiles opens the generations of an earlier process where they are now:
// under their old name, renamed in their folder, or copied and truncated while
// nobody looked.
func (f *Follower) resumeFiles() {
	f.mu.Lock()
	left := slices.Clone(f.resume)
	f.mu.Unlock()
	clear(f.waiting)
	for _, r := range left {
		src := f.sourceFor(r.Path)
		if src == nil {
			f.found(r) // no longer configured
			continue
		}
		g, err := f.findAgain(r, src)
		if g != nil {
			f.found(r)
		} else if err != nil {
			f.waiting[r.age] = true
		}
	}
}

// findAgain returns nil where nothing is found. An error: it may be there, but
// that cannot be told now.
func (f *Follower) findAgain(r resumed, src *Source) (*generation, error) {
	var unknown error
	is := func(name string) (same bool) {
		st, err := statPath(name)
		if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, unix.ENOTDIR) {
			unknown = err
		}
		return err == nil && st.regular && st.id == inode{r.Dev, r.Ino} && sameBirth(st.birth, r.Birth)
	}
	names := []string{r.Name, r.Path}
	at := slices.IndexFunc(names, is)
	if at < 0 {
		names = siblings(r.Path)
		at = slices.IndexFunc(names, is)
	}
	if at >= 0 {
		if g, err := f.enterAt(names[at], r.Path, r.Position, r.age, src); g != nil || err != nil {
			return g, err
		}
	}
	var rest *generation
	if r.Offset > 0 {
		rest = f.copyOf(r.Position, r.Path, r.age, src)
	}
	if at < 0 {
		return rest, unknown
	}
	// The file itself is there, with other content.
	anew := Position{Epoch: r.Epoch + 1}
	return f.enterAt(names[at], r.Path, anew, r.age+1, src)
}

// giveUpResume drops what a whole look has not found, unless the folder is not
// there yet or the file cannot be read.
func (f *Follower) giveUpResume() {
	f.mu.Lock()
	left := slices.Clone(f.resume)
	f.mu.Unlock()
	for _, r := range left {
		if !isDir(path.Dir(r.Path)) || f.waiting[r.age] {
			continue
		}
		f.found(r)
		if r.Offset > 0 {
			f.log.Warn("a file that was followed is gone; what it held after the offset is unknown",
				"file", r.Name, "offset", r.Offset)
		}
	}
}

// awaitedLocked tells whether a file is one of an earlier process whose content
// could not be compared yet.
func (f *Follower) awaitedLocked(st fileState) bool {
	return slices.ContainsFunc(f.resume, func(r resumed) bool {
		return st.id == inode{r.Dev, r.Ino} && sameBirth(st.birth, r.Birth)
	})
}

// enterAt opens the file at name as the generation that stood at p. Nil: its
// content is another one, or it is known already. An error: that cannot be told now.
func (f *Follower) enterAt(name, queuePath string, p Position, age int64, src *Source) (*generation, error) {
	fd, st, err := open(name)
	if err == unix.ENOENT {
		return nil, nil
	}
	if err != nil {
		f.unopened(name, "opened", err, closed{src, p.Offset})
		return nil, err
	}
	g := &generation{
		id: st.id, birth: st.birth, src: src, fd: fd, name: name, age: age,
		size: -1, seenSize: st.size, seenMtime: st.mtime, grewAt: f.now(), detached: true,
	}
	same, err := p.continues(fd)
	if err != nil {
		g.close()
		f.unopened(name, "read", err, closed{src, p.Offset})
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.known[st.id] != nil || st.size < p.Offset || !same {
		g.close()
		return nil, nil
	}
	g.adopt(p)
	f.enterLocked(g, f.queueLocked(queuePath))
	return g, nil
}

// leadsTo tells whether a folder of this name can be on the way to a match.
func (f *Follower) leadsTo(dir string) bool {
	for i := range f.opt.Sources {
		for _, p := range f.opt.Sources[i].Patterns {
			if leadsTo(p, dir) {
				return true
			}
		}
	}
	return false
}

// sourceFor is the source whose patterns match the path; nil: none.
func (f *Follower) sourceFor(name string) *Source {
	for i := range f.opt.Sources {
		for _, p := range f.opt.Sources[i].Patterns {
			if matches(p, name) {
				return &f.opt.Sources[i]
			}
		}
	}
	return nil
}
