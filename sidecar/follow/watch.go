package follow

import (
	"errors"
	"os"
	"path"
	"slices"
	"strings"
	"sync"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// watcher runs the look when a folder changes, and slowly otherwise, and tells
// the loop which files have grown.
type watcher struct {
	f    *Follower
	file *os.File // of inotify; nil: polling alone
	fd   int

	mu    sync.Mutex    // orders looks
	every time.Duration // until the next look
	slow  time.Duration // between looks that nothing asks for
	dirs  map[string]int32
	wds   map[int32][]string // the names of a watched folder: links may give it several
	links map[string]link    // by joined folder and name
	from  map[uint32]string  // names that were moved, until their new ones are told; by cookie
	late  bool               // drain has read events that ask for a look
	full  bool               // the limit of watches is reached: polling for the rest

	stop chan struct{}
	done chan struct{}
}

// Events of a folder; those of its files matter only where some can match.
const (
	dirEvents = unix.IN_CREATE | unix.IN_MOVED_TO | unix.IN_MOVED_FROM | unix.IN_DELETE |
		unix.IN_DELETE_SELF | unix.IN_MOVE_SELF | unix.IN_ONLYDIR
	fileEvents = unix.IN_MODIFY | unix.IN_ATTRIB
)

func newWatcher(f *Follower) *watcher {
	w := &watcher{
		f: f, every: lookEvery, slow: lookEvery, dirs: map[string]int32{}, wds: map[int32][]string{},
		from: map[uint32]string{},
		stop: make(chan struct{}), done: make(chan struct{}),
	}
	if f.opt.Poll {
		return w
	}
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		f.log.Warn("no inotify; polling instead", "error", err)
		return w
	}
	w.fd = fd
	w.file = os.NewFile(uintptr(fd), "inotify")
	return w
}

// polling is true where some folder is not watched.
func (w *watcher) polling() bool { return w.file == nil || w.full }

func (w *watcher) run() {
	defer close(w.done)
	buf := make([]byte, 16<<10)
	w.mu.Lock()
	next := time.Now().Add(w.every)
	w.mu.Unlock()
	for {
		n, err := w.wait(buf, time.Until(next))
		select {
		case <-w.stop:
			return
		default:
		}
		look := err != nil
		if n > 0 {
			look = w.events(buf[:n])
		}
		if look || !time.Now().Before(next) {
			next = time.Now().Add(w.lookNow())
		}
	}
}

// wait reads events; an error, a time-out included, asks for a look.
func (w *watcher) wait(buf []byte, atMost time.Duration) (int, error) {
	if w.file == nil {
		select {
		case <-w.stop:
		case <-time.After(atMost):
		}
		return 0, os.ErrDeadlineExceeded
	}
	w.file.SetReadDeadline(time.Now().Add(max(atMost, time.Millisecond)))
	n, err := w.file.Read(buf)
	if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) && !errors.Is(err, os.ErrClosed) {
		w.f.mu.Lock()
		if w.f.onceLocked("inotify") {
			w.f.log.Warn("inotify failed; looking slowly", "error", err)
		}
		w.f.mu.Unlock()
		time.Sleep(lookEvery) // never spin on a descriptor that keeps failing
	}
	return n, err
}

// events marks what has grown, and tells whether names have changed.
func (w *watcher) events(buf []byte) (look bool) {
	const header = unix.SizeofInotifyEvent
	f := w.f
	f.mu.Lock()
	defer f.mu.Unlock()
	for len(buf) >= header {
		ev := (*unix.InotifyEvent)(unsafe.Pointer(&buf[0]))
		end := header + int(ev.Len)
		if end > len(buf) {
			break
		}
		name := strings.TrimRight(string(buf[header:end]), "\x00")
		buf = buf[end:]
		switch {
		case ev.Mask&unix.IN_Q_OVERFLOW != 0:
			f.counts.Overflows++
			for _, q := range f.queues {
				f.markLocked(q)
			}
			look = true
		case ev.Mask&unix.IN_MODIFY != 0:
			if g := w.known(ev, name); g != nil {
				if g.retired {
					look = true
				} else {
					f.markLocked(g.q)
				}
			}
		case ev.Mask&unix.IN_IGNORED != 0:
			for _, dir := range w.wds[ev.Wd] {
				delete(w.dirs, dir)
			}
			delete(w.wds, ev.Wd)
			look = true
		default:
			if ev.Mask&(unix.IN_MOVED_FROM|unix.IN_MOVED_TO) != 0 {
				w.move(ev, name)
			}
			look = look || w.matters(ev, name)
		}
	}
	return look
}

// known is the generation that has grown; nil: none that is followed.
func (w *watcher) known(ev *unix.InotifyEvent, name string) *generation {
	for _, dir := range w.wds[ev.Wd] {
		name := join(dir, name)
		if g := w.f.names[name]; g != nil {
			return g
		}
		if l, ok := w.links[name]; ok {
			return w.f.known[l.id]
		}
	}
	return nil
}

// followed is the matching name that a name stands for, itself or through a
// link; "": none.
func (w *watcher) followed(name string) string {
	if l, ok := w.links[name]; ok {
		return l.name
	}
	if w.f.sourceFor(name) != nil {
		return name
	}
	return ""
}

// move notes which names come from a followed path, and in which order.
func (w *watcher) move(ev *unix.InotifyEvent, name string) {
	f := w.f
	dirs := w.wds[ev.Wd]
	if len(dirs) == 0 {
		return
	}
	if ev.Mask&unix.IN_MOVED_FROM != 0 {
		if len(w.from) > 1000 {
			clear(w.from) // moves out of every watched folder
		}
		from := join(dirs[0], name)
		for _, dir := range dirs[1:] {
			n := join(dir, name)
			if _, again := f.moved[n]; again || w.followed(n) != "" {
				from = n
			}
		}
		w.from[ev.Cookie] = from
		return
	}
	from, ok := w.from[ev.Cookie]
	if !ok {
		return
	}
	delete(w.from, ev.Cookie)
	m, again := f.moved[from]
	delete(f.moved, from)
	if !again {
		of := w.followed(from)
		if of == "" {
			return
		}
		f.moves++
		m = moved{path: of, seq: f.moves}
	}
	m.look = f.counts.Looks
	f.moved[join(dirs[0], name)] = m
}

// drain takes in the events that are there.
func (w *watcher) drain() {
	if w.file == nil {
		return
	}
	buf := make([]byte, 16<<10)
	for {
		n, err := unix.Read(w.fd, buf)
		if err == unix.EINTR {
			continue
		}
		if n <= 0 || err != nil {
			return
		}
		if w.events(buf[:n]) {
			w.f.mu.Lock()
			w.late = true
			w.f.mu.Unlock()
		}
	}
}

// matters tells whether an event about a name can change what is followed.
func (w *watcher) matters(ev *unix.InotifyEvent, name string) bool {
	if name == "" {
		return ev.Mask&unix.IN_ATTRIB == 0 || ev.Mask&unix.IN_ISDIR == 0
	}
	return slices.ContainsFunc(w.wds[ev.Wd], func(dir string) bool {
		name := join(dir, name)
		if ev.Mask&unix.IN_ISDIR != 0 {
			return w.f.leadsTo(name) || w.leadsToLink(name)
		}
		return w.f.names[name] != nil || w.followed(name) != ""
	})
}

// leadsToLink tells whether a file behind a link may come to be in the folder.
func (w *watcher) leadsToLink(dir string) bool {
	for name := range w.links {
		if strings.HasPrefix(name, dir+"/") {
			return true
		}
	}
	return false
}

// lookNow looks in whatever goroutine calls, and tells when to look again.
func (w *watcher) lookNow() time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.f.look()
	return w.every
}

// cover watches the folders that a look has passed, and the parents of those
// that are missing; it drops the rest.
func (w *watcher) cover(e *expansion) {
	f := w.f
	f.mu.Lock()
	w.links = e.links
	f.mu.Unlock()
	if w.file == nil {
		return
	}
	want := map[string]bool{}
	for dir, files := range e.dirs {
		for !isDir(dir) && dir != "/" {
			dir, files = path.Dir(dir), false
		}
		want[dir] = want[dir] || files
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	w.full = false
	dirs, wds := map[string]int32{}, map[int32][]string{}
	added := false
	for dir, files := range want {
		mask := uint32(dirEvents | unix.IN_MASK_ADD) // it may be wanted under another name as well
		if files {
			mask |= fileEvents
		}
		old, watched := w.dirs[dir]
		// Adding again is how a folder that was replaced under its name is noticed.
		n, err := unix.InotifyAddWatch(w.fd, dir, mask)
		wd := int32(n)
		if err != nil {
			if err != unix.ENOENT {
				w.full = true
				if f.onceLocked("watch " + dir) {
					f.log.Warn("a folder cannot be watched; polling it", "folder", dir, "error", err)
				}
			}
			if !watched || err == unix.ENOENT {
				continue
			}
			wd = old
		}
		added = added || !watched || old != wd
		dirs[dir], wds[wd] = wd, append(wds[wd], dir)
	}
	for wd := range w.wds {
		if wds[wd] == nil {
			unix.InotifyRmWatch(w.fd, uint32(wd))
		}
	}
	w.dirs, w.wds = dirs, wds
	if added {
		w.again()
	}
}

// again has one more look soon: a folder that has just come under watch may
// have changed before it was.
func (w *watcher) again() { w.every = 0 }

// looked sets the pace of the slow look by what it costs.
func (w *watcher) looked(took time.Duration) {
	w.f.mu.Lock()
	defer w.f.mu.Unlock()
	if w.every == 0 || w.late {
		w.every, w.late = time.Millisecond, false
		return
	}
	if w.polling() {
		w.every = max(pollEvery, took*pollCostCap)
	} else {
		w.every = max(w.slow, took*lookCostCap)
	}
}

func (w *watcher) close() {
	close(w.stop)
	if w.file != nil {
		w.file.Close()
	}
	<-w.done
}
