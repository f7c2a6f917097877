package byname

import (
	"os"
	"time"

	"logging.taco/sidecar/follow"
)

// A file is a name with what it stands for, and what it stood for as far as
// that is not delivered.
type file struct {
	path   string
	source int

	// Its run's own.

	fd   *os.File // what the name stood for when reading of the content began; not the library's; nil: gone
	seen sighting

	// Guarded by Engine.mu.

	contents []*content // never empty, the oldest first; what is read goes to the last
	pos      follow.Position
	due      time.Time     // an unfinished record goes out; zero: there is none
	room     int           // bytes that may be held
	taken    chan struct{} // holds one token when there may be room again
	flying   bool          // a range of it is handed out
	gone     bool          // nothing more will be read
}

// content is what a name stood for between two replacements or truncations.
type content struct {
	pos    follow.Position // all bytes before it are delivered
	before []byte          // those just before it, as follow.Position.Advance wants them
	data   []byte          // read, from there on, and not delivered
	grewAt time.Time
	over   bool // nothing will be added
}

func (f *file) current() *content { return f.contents[len(f.contents)-1] }

// read is the offset up to which the content was read.
func (c *content) read() int64 { return c.pos.Offset + int64(len(c.data)) }

// after is the position once the first n bytes are delivered.
func (c *content) after(n int, mid bool) follow.Position {
	p := c.pos.Advance(c.before, c.data[:n])
	p.Mid = mid
	return p
}

// drop removes the first n bytes, which are delivered.
func (c *content) drop(n int, pos follow.Position) {
	c.before = append([]byte(nil), follow.LastBytes(c.before, c.data[:n])...)
	c.data = append(c.data[:0], c.data[n:]...)
	if cap(c.data) > 2*usualRoom && len(c.data) <= usualRoom {
		c.data = append([]byte(nil), c.data...) // a long record has gone
	}
	c.pos = pos
}

// read is up to where the run's file was read.
func (e *Engine) read(f *file) int64 {
	e.mu.Lock()
	defer e.mu.Unlock()
	return f.current().read()
}

// continues tells whether an open file holds what was read under the name.
func (e *Engine) continues(f *file, fd *os.File) bool {
	e.mu.Lock()
	c := f.current()
	p := c.after(len(c.data), false)
	e.mu.Unlock()
	return p.Continues(fd)
}

// anew begins another content.
func (e *Engine) anew(f *file, count *int64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	f.current().over = true
	f.contents = append(f.contents, &content{pos: follow.Position{Path: f.path, Name: f.path}})
	*count++
	e.wakeUp()
}

// add appends bytes that were read, as soon as there is room. False: the engine is closed.
func add[T string | []byte](e *Engine, f *file, b T, end string) bool {
	e.mu.Lock()
	for f.held() >= f.room {
		e.mu.Unlock()
		select {
		case <-f.taken:
		case <-e.done:
			return false
		}
		e.mu.Lock()
	}
	defer e.mu.Unlock()
	c := f.current()
	c.data = append(append(c.data, b...), end...)
	c.grewAt = e.opt.Now()
	e.wakeUp()
	return true
}

// held is how many bytes of the file are in memory.
func (f *file) held() (n int) {
	for _, c := range f.contents {
		n += len(c.data)
	}
	return n
}
