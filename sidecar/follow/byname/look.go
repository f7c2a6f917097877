package byname

import (
	"errors"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"logging.taco/sidecar/follow"
)

// look begins to read what is new among the names that match, and forgets what
// is gone. It runs in one goroutine at a time, but for the very last.
func (e *Engine) look() {
	e.mu.Lock()
	e.counts.Looks++
	first := e.counts.Looks == 1
	e.forgetLocked()
	e.mu.Unlock()
	for i := range e.opt.Sources {
		for _, pattern := range e.opt.Sources[i].Patterns {
			names, faults := follow.Expand(pattern)
			for dir, err := range faults {
				e.sayOnce("a folder cannot be listed; trying again", dir, err)
			}
			for _, name := range names {
				e.discover(name, i, first)
			}
		}
	}
}

// forgetLocked drops the files that are gone and delivered.
func (e *Engine) forgetLocked() {
	for name, f := range e.files {
		if f.gone && !f.flying && !slices.ContainsFunc(f.contents, func(c *content) bool { return len(c.data) > 0 }) {
			delete(e.files, name)
			e.turn = slices.DeleteFunc(e.turn, func(o *file) bool { return o == f })
			e.counts.Retired++
			e.structure++
		}
	}
}

// discover begins to read a file whose name is new.
func (e *Engine) discover(name string, source int, first bool) {
	e.mu.Lock()
	known := e.files[name] != nil
	positions := e.resume[name]
	e.mu.Unlock()
	if known {
		return
	}
	if follow.Packed(name) {
		e.sayOnce("a compressed file; left out", name, nil)
		return
	}
	fd, err := open(name)
	if errors.Is(err, errKind) {
		e.sayOnce("not a regular file; left out", name, nil)
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		e.sayOnce("a file cannot be opened; trying again", name, err)
	}
	if err != nil {
		return
	}
	f := &file{path: name, source: source, fd: fd, room: usualRoom, taken: make(chan struct{}, 1)}
	f.contents = []*content{e.begin(f, positions, first)}
	f.pos = f.contents[0].pos

	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed || e.files[name] != nil {
		fd.Close()
		return
	}
	e.files[name] = f
	e.turn = append(e.turn, f)
	delete(e.resume, name)
	e.counts.Generations++
	e.counts.Open++
	e.structure++
	e.reading++
	e.runs.Add(1)
	go e.run(f)
}

// begin decides where a file that was just opened goes on.
func (e *Engine) begin(f *file, positions []follow.Position, first bool) *content {
	fresh := &content{pos: follow.Position{Path: f.path, Name: f.path}}
	from := int64(-1)
	mid := false
	for _, p := range slices.Backward(positions) {
		if p.Continues(f.fd) {
			from, mid = p.Offset, p.Mid
			break
		}
	}
	switch {
	case from >= 0:
	case len(positions) > 0:
		e.log.Warn("a file was replaced or truncated meanwhile; what it held after the offset is unknown",
			"file", f.path, "offset", positions[len(positions)-1].Offset)
	case first && e.opt.FromEnd:
		if st, err := f.fd.Stat(); err == nil {
			from = st.Size()
		}
	}
	if from <= 0 {
		return fresh
	}
	pos, before, err := follow.PositionAt(f.fd, from)
	if err != nil {
		return fresh
	}
	pos.Path, pos.Name, pos.Mid = f.path, f.path, mid
	return &content{pos: pos, before: before}
}

var errKind = errors.New("not a regular file")

// open opens a regular file, whatever else stands at its name.
func open(name string) (*os.File, error) {
	st, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if !st.Mode().IsRegular() {
		return nil, errKind
	}
	return os.Open(name)
}

// Counts returns the totals.
func (e *Engine) Counts() follow.Counts {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.counts
}

// Structure changes whenever the set of files changes.
func (e *Engine) Structure() uint64 {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.structure
}

// Positions appends where each file stands, and the resumed ones that were not
// found yet.
func (e *Engine) Positions(to []follow.Position) []follow.Position {
	from := len(to)
	e.mu.Lock()
	for _, f := range e.files {
		to = append(to, f.pos)
	}
	for _, p := range e.resume {
		to = append(to, p...)
	}
	e.mu.Unlock()
	slices.SortStableFunc(to[from:], func(a, b follow.Position) int { return strings.Compare(a.Path, b.Path) })
	return to
}

// Unread sums up the bytes that are there and not delivered, with the paths that have any.
func (e *Engine) Unread() (bytes int64, paths []string) {
	e.undelivered(func(f *file, n int64) {
		bytes += n
		paths = append(paths, f.path)
	})
	return bytes, paths
}

// Backlogs has what is there and not delivered, one entry a source.
func (e *Engine) Backlogs() []follow.Backlog {
	all := make([]follow.Backlog, len(e.opt.Sources))
	e.undelivered(func(f *file, n int64) {
		all[f.source].Bytes += n
		all[f.source].Files++
	})
	return all
}

// undelivered calls add for each file with undelivered bytes.
func (e *Engine) undelivered(add func(f *file, bytes int64)) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, f := range e.files {
		var n int64
		for _, c := range f.contents {
			n += int64(len(c.data))
		}
		if st, err := os.Stat(f.path); err == nil {
			n += max(0, st.Size()-f.current().read())
		}
		if n > 0 {
			add(f, n)
		}
	}
}

// sighting is what a look at a name tells.
type sighting struct {
	read, size int64
	changed    time.Time
	absent     bool
}

// stuck tells, once a second, whether the library misses something: it stands
// still though the file has another size, or the name stands for other content.
func (e *Engine) stuck(f *file) bool {
	was := f.seen
	f.seen = sighting{read: e.read(f)}
	st, err := os.Stat(f.path)
	if err != nil {
		f.seen.absent = true
		return was.absent
	}
	f.seen.size, f.seen.changed = st.Size(), st.ModTime()
	if f.seen != was && !e.same(f) {
		return true
	}
	behind := func(s sighting) bool { return s.size != s.read }
	return f.seen.read == was.read && behind(f.seen) && behind(was)
}

// same tells whether the name still stands for what was read of it.
func (e *Engine) same(f *file) bool {
	fd, err := open(f.path)
	if err != nil {
		return false
	}
	defer fd.Close()
	return e.continues(f, fd)
}
