// Package byname follows files by their names, with github.com/hpcloud/tail,
// for file systems on which package follow cannot work: where the inode number
// of a file changes while it is open, as on some network and union file
// systems. It polls every 250 ms and needs no inotify.
//
// An Engine has the methods of a follow.Follower and is used in the same way.
// Its ranges carry their bytes, since the library reads them itself; so they are
// copied several times, and each line costs a hop between goroutines: between 30
// and 150 times the CPU of the default engine, and memory for every file. It is
// made for some files, not for thousands.
//
// The package counts offsets by the lengths of the lines, and keeps a checksum
// of the bytes before them. With these it makes up for much of what the library
// gets wrong: it reads on itself, from a descriptor of its own, where a file was
// replaced, where nothing comes though there is something, at the end, and for
// an unfinished last line. It also tells the library to begin anew where a name
// stands for other content than it reads.
//
// What it cannot promise:
//
//   - What a program writes to a file that was renamed or unlinked is lost once
//     that was noticed and another file has taken the name, or 10 s have passed.
//   - Of two rotations between two looks the file in the middle is lost.
//   - A file that was truncated and has grown beyond its old size before the next
//     look is read on from the middle of its new content, until the next second's
//     look at its checksum. What it held before the truncation is lost where
//     nobody had read it, copytruncate included.
//   - What was rotated or truncated while nothing ran is not read to its end.
//     After a kill -9 the same is true of what was read of a file that has been
//     rotated since, and not delivered.
//   - A rotated name that matches a pattern counts as another file: its lines come
//     twice. Patterns have to leave rotated files out.
//   - A line is held in memory as a whole before it is split, however long.
//   - The library ends the process, with status 1, when a file cannot be looked at
//     for any other reason than that it is not there. The next process goes on
//     from the checkpoint.
//   - Holes are delivered as the NULs that they read as.
//
// The library's limiter, which throws away what comes too fast, is not used.
package byname

import (
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/hpcloud/tail/util"
	"logging.taco/sidecar/follow"
)

// Timers of the engine.
const (
	lookEvery  = time.Second           // at the patterns, and at each file beside what the library sees
	gonePoll   = 20 * time.Millisecond // for a file that was there until now
	goneSlowly = 250 * time.Millisecond
	goneFor    = 10 * time.Second // then a file is forgotten
	pace       = 50 * time.Millisecond
)

// usualRoom bounds the bytes of one file in memory, unless a record is longer.
const usualRoom = 64 << 10

// Engine follows the files of its sources by name.
//
// Collect, Ack, Release and Wait belong to one goroutine.
type Engine struct {
	opt  follow.Options
	log  *slog.Logger
	wake chan struct{} // holds one token when the loop has something to look at
	last chan struct{} // closed by Look: read to the end, then stop
	done chan struct{} // closed by Close
	runs sync.WaitGroup

	mu        sync.Mutex
	files     map[string]*file
	turn      []*file // those of files; the first one's turn is next
	resume    map[string][]follow.Position
	said      map[string]bool
	counts    follow.Counts
	structure uint64
	reading   int // files that something may still be read from
	flushing  bool
	closed    bool
}

// New prepares an Engine; Start begins to read.
func New(o follow.Options) *Engine {
	if o.MaxRecord <= 0 {
		o.MaxRecord = 1 << 20
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	o.Sources = append([]follow.Source(nil), o.Sources...)
	for i := range o.Sources {
		if o.Sources[i].Framing == nil {
			o.Sources[i].Framing = follow.Lines{}
		}
	}
	e := &Engine{
		opt: o, log: o.Log,
		wake: make(chan struct{}, 1), last: make(chan struct{}), done: make(chan struct{}),
		files: map[string]*file{}, resume: map[string][]follow.Position{}, said: map[string]bool{},
	}
	for _, p := range o.Resume {
		e.resume[p.Path] = append(e.resume[p.Path], p)
	}
	// Its last words before it ends the process.
	util.LOGGER.SetFlags(0)
	util.LOGGER.SetOutput(lastWords{o.Log})
	return e
}

// lastWords says a fatal error of the library in one line, its stack left out.
type lastWords struct{ log *slog.Logger }

func (w lastWords) Write(b []byte) (int, error) {
	line, _, _ := strings.Cut(string(b), "\n")
	w.log.Error("hpcloud/tail gives up; stopped", "error", strings.TrimPrefix(line, "FATAL -- "))
	return len(b), nil
}

// Start looks once, so that what is there is found, and goes on in the background.
func (e *Engine) Start() {
	e.look()
	e.mu.Lock()
	for path, all := range e.resume {
		p := all[len(all)-1]
		if p.Offset > 0 {
			e.log.Warn("a file that was followed is gone; what it held after the offset is unknown",
				"file", path, "offset", p.Offset)
		}
		delete(e.resume, path)
	}
	e.mu.Unlock()
	e.runs.Add(1)
	go func() {
		defer e.runs.Done()
		t := time.NewTicker(lookEvery)
		defer t.Stop()
		for {
			select {
			case <-t.C:
				e.look()
			case <-e.last:
				return
			case <-e.done:
				return
			}
		}
	}()
}

// Look looks a last time, and has every file read to its end: from now on
// Collect waits for what is to come, until there is no more.
func (e *Engine) Look() {
	if !e.ending() {
		close(e.last)
	}
	e.look()
}

// Flush makes unfinished records go out without waiting: the end is near.
func (e *Engine) Flush() {
	e.mu.Lock()
	e.flushing = true
	e.mu.Unlock()
}

// Close ends the background work and closes the files.
func (e *Engine) Close() {
	e.mu.Lock()
	if !e.closed {
		e.closed = true
		close(e.done)
	}
	e.mu.Unlock()
	e.runs.Wait()
}

func (e *Engine) ending() bool {
	select {
	case <-e.last:
		return true
	case <-e.done:
		return true
	default:
		return false
	}
}

// wakeUp has the loop look for something to collect.
func (e *Engine) wakeUp() {
	select {
	case e.wake <- struct{}{}:
	default:
	}
}

// sayOnce warns, unless the same was said of this file before.
func (e *Engine) sayOnce(what, name string, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	key := fmt.Sprint(what, name)
	if e.said[key] {
		return
	}
	e.said[key] = true
	args := []any{"file", name}
	if err != nil {
		args = append(args, "error", err)
	}
	e.log.Warn(what, args...)
}
