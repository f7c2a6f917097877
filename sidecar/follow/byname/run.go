package byname

import (
	"errors"
	"io"
	"io/fs"
	"log"
	"strings"
	"time"

	"github.com/hpcloud/tail"
)

// run reads a file until the end, or until its name has stood for nothing for a while.
func (e *Engine) run(f *file) {
	defer e.runs.Done()
	for {
		if !e.ending() {
			e.tail(f)
		}
		e.rest(f)
		if !e.enter(f) {
			break
		}
	}
	e.rest(f) // it may have been written to all the same
	f.fd.Close()
	e.mu.Lock()
	f.current().over = true
	f.gone = true
	e.reading--
	e.counts.Open--
	e.mu.Unlock()
	e.wakeUp()
}

// tail has the library read until it stops by itself, as it does when the name
// stands for another file, or misses something, or the end is near.
func (e *Engine) tail(f *file) {
	l := listener{log.New(io.Discard, "", 0), make(chan struct{}), make(chan struct{})}
	t, err := tail.TailFile(f.path, tail.Config{
		Location: &tail.SeekInfo{Offset: e.read(f), Whence: io.SeekStart},
		// Not ReOpen: it would not say between which lines, and lose the last ones.
		Follow: true, MustExist: true, Poll: true, Logger: l,
	})
	if err != nil {
		return // enter says why
	}
	defer func() {
		close(l.deaf)
		t.Kill(nil)
		for range t.Lines { // it does not notice its end while it has a line to give
		}
	}()
	if !e.same(f) {
		return // replaced between our opening and its
	}
	f.seen = sighting{}
	ticks := time.NewTicker(lookEvery)
	defer ticks.Stop()
	for {
		select {
		case line, ok := <-t.Lines:
			if !ok || !add(e, f, line.Text, "\n") {
				return
			}
		case <-l.truncated:
			// It says so of a smaller file that has replaced a larger one, too.
			e.rest(f)
			e.anew(f, &e.counts.Truncations)
			f.fd.Close()
			if f.fd, err = open(f.path); err != nil {
				return
			}
		case <-ticks.C:
			if e.stuck(f) {
				return
			}
		case <-e.last:
			return
		case <-e.done:
			return
		}
	}
}

// listener is the library's logger. The one thing of interest that it says is
// that it begins anew with a truncated file; it says so between two lines, and
// waits until that is heard.
type listener struct {
	*log.Logger // discards the rest
	truncated   chan struct{}
	deaf        chan struct{} // closed when nobody listens any more
}

// Printf implements the library's interface.
func (l listener) Printf(format string, _ ...any) {
	if strings.HasPrefix(format, "Successfully reopened truncated") {
		select {
		case l.truncated <- struct{}{}:
		case <-l.deaf:
		}
	}
}

// rest reads on to the end of the file by itself.
func (e *Engine) rest(f *file) {
	if f.fd == nil || !e.continues(f, f.fd) {
		return // truncated
	}
	var buf [16 << 10]byte
	for at := e.read(f); ; {
		n, err := f.fd.ReadAt(buf[:], at)
		if n > 0 && !add(e, f, buf[:n], "") {
			return
		}
		at += int64(n)
		if err != nil {
			if err != io.EOF {
				e.mu.Lock()
				e.counts.ReadErrors++
				e.mu.Unlock()
				e.sayOnce("a file cannot be read; trying again", f.path, err)
			}
			return
		}
	}
}

// enter waits until there is a file at the name again, and takes up the one that
// is there. False: nothing more is to be read.
func (e *Engine) enter(f *file) bool {
	wait := time.After(pace)
	for began := time.Now(); ; {
		if !e.ending() {
			select {
			case <-wait:
			case <-e.last:
			case <-e.done:
				return false
			}
		}
		fd, err := open(f.path)
		if err == nil {
			same := e.continues(f, fd)
			if !same {
				e.rest(f)
				e.anew(f, &e.counts.Rotations)
			}
			f.fd.Close()
			f.fd = fd
			return !same || !e.ending()
		}
		if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, errKind) {
			e.sayOnce("a file cannot be opened; trying again", f.path, err)
		}
		gone := time.Since(began)
		if e.ending() || gone > goneFor {
			return false
		}
		wait = time.After(gonePoll)
		if gone > time.Second {
			wait = time.After(goneSlowly)
		}
	}
}
