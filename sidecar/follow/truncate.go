package follow

import (
	"bytes"
	"path"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// truncated begins a new epoch of a generation whose content is no longer what
// was delivered. What was not delivered may stand in a copy (copytruncate).
// Loop only.
func (f *Follower) truncated(g *generation) {
	f.mu.Lock()
	old := g.position()
	unreadBytes := max(0, g.size-g.acked)
	g.restart()
	f.counts.Truncations++
	f.structure++
	f.mu.Unlock()
	if !f.recover(g, old) && unreadBytes > 0 {
		f.mu.Lock()
		f.counts.LostBytes += unreadBytes
		f.mu.Unlock()
		f.log.Warn("a file was truncated before it was read to its end, and no copy of it is there",
			"file", old.Name, "bytes", unreadBytes)
	}
}

// recover looks for a copy of what g held before its truncation and queues
// the undelivered rest of it before g. Loop only.
func (f *Follower) recover(g *generation, old Position) bool {
	if old.Offset == 0 {
		return false // nothing tells what a copy would look like
	}
	if f.adoptShadow(g, old) {
		return true
	}
	if f.copyOf(old, g.q.path, g.age-1, g.src) != nil {
		return true
	}
	return f.adoptShadow(g, old) // found in this very moment, by the look
}

// copyOf opens a not yet known file beside old.Name that begins with what was
// delivered of it, as a generation that stands where old stood.
func (f *Follower) copyOf(old Position, queuePath string, age int64, src *Source) *generation {
	originals := append(chain(old.Name), queuePath)
	for _, name := range siblings(old.Name) {
		if !derivedFrom(name, originals) {
			continue
		}
		st, err := statPath(name)
		if err != nil || !st.regular || st.size < old.Offset {
			continue
		}
		if g, _ := f.enterAt(name, queuePath, old, age, src); g != nil {
			return g
		}
	}
	return nil
}

// adoptShadow turns a file that was held back as a likely copy of g into the
// rest of what g held.
func (f *Follower) adoptShadow(g *generation, old Position) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	originals := append(chain(old.Name), g.q.path) // it may have been renamed since the copy was made
	for _, s := range f.known {
		likely := s.shadowOf == g || !s.checked && derivedFrom(s.name, originals)
		if s == g || !likely || s.fd < 0 || s.acked > 0 || s.taken {
			continue
		}
		if same, _ := old.continues(s.fd); !same {
			continue
		}
		s.q.remove(s)
		s.adopt(old)
		s.checked, s.shadowOf, s.size = true, nil, -1
		s.age, s.detached = g.age-1, true
		g.q.insert(s)
		delete(f.idle, s)
		f.structure++
		f.markLocked(g.q)
		return true
	}
	return false
}

// checkFirst looks at the first bytes of an epoch. unread: go on and read.
func (f *Follower) checkFirst(g *generation, st fileState, now time.Time) state {
	if g.shadowOf == nil && f.compressed(g) {
		f.noteOnce("compressed "+g.name, "a compressed file; left out", g.name)
		f.mu.Lock()
		g.skip = true
		f.mu.Unlock()
		f.retire(g)
		return atEnd
	}
	if s := f.skipHole(g); s != unread {
		return f.ended(g, st, now)
	}
	if !g.original && f.shadowing(g, st) {
		if now.Sub(g.grewAt) < shadowFor {
			f.mu.Lock()
			f.idleLocked(g, now.Add(retryFor))
			f.mu.Unlock()
			return atEnd // its original may stand behind it in the same queue
		}
	}
	f.mu.Lock()
	g.shadowOf, g.checked = nil, true
	f.mu.Unlock()
	return unread
}

var magics = map[string][]byte{
	".gz": {0x1f, 0x8b}, ".bz2": []byte("BZh"), ".xz": {0xfd, '7', 'z', 'X', 'Z'}, ".zst": {0x28, 0xb5, 0x2f, 0xfd}, ".zip": []byte("PK"),
}

// compressed tells rotated files that are no longer text from those that are.
func (f *Follower) compressed(g *generation) bool {
	magic, ok := magics[path.Ext(g.name)]
	if !ok {
		return false
	}
	var b [8]byte
	n, err := pread(g.fd, b[:], 0)
	return err == nil && bytes.HasPrefix(b[:n], magic)
}

// skipHole moves past leading NULs, which a writer without O_APPEND leaves
// when its file was truncated under it.
func (f *Follower) skipHole(g *generation) state {
	var b [4]byte
	if n, err := pread(g.fd, b[:], 0); err != nil || n < len(b) || b != [4]byte{} {
		return unread
	}
	off, err := unix.Seek(g.fd, 0, unix.SEEK_DATA)
	if err == unix.ENXIO {
		return unfinished // nothing but a hole, so far
	}
	if err != nil {
		off = 0
	}
	for off < g.size {
		n, err := pread(g.fd, f.buf[:min(window, g.size-off)], off)
		if err != nil || n == 0 {
			break
		}
		text := bytes.IndexFunc(f.buf[:n], func(r rune) bool { return r != 0 })
		if text >= 0 {
			off += int64(text)
			break
		}
		off += int64(n)
	}
	off -= off % int64(g.src.Framing.Unit())
	f.mu.Lock()
	g.startAt(off)
	g.checked = false
	f.counts.HoleBytes += off
	f.mu.Unlock()
	if off == g.size {
		return unfinished
	}
	return unread
}

// shadowing tells whether g is, byte for byte so far, a copy of a followed
// file after which it is named: copytruncate may be at work.
func (f *Follower) shadowing(g *generation, st fileState) bool {
	f.mu.Lock()
	var originals []*generation
	for _, name := range origins(g.name) {
		if q := f.queues[name]; q != nil {
			for _, o := range q.gens {
				if o != g && o.fd >= 0 && o.shadowOf == nil {
					originals = append(originals, o)
				}
			}
		}
	}
	f.mu.Unlock()
	for _, o := range originals {
		if g.shadowOf != nil && (o != g.shadowOf || o.epoch != g.shadowAt) {
			continue
		}
		same := sameBytes(g.fd, o.fd, st.size)
		if !same && o.acked > 0 && f.replaced(o) {
			p := Position{Offset: o.acked, Prefix: o.prefix, Marker: o.marker}
			if st.size >= o.acked {
				same, _ = p.continues(g.fd)
			}
			f.mu.Lock()
			f.markLocked(o.q) // its truncation is there to be noticed
			f.mu.Unlock()
		}
		if same {
			f.mu.Lock()
			g.shadowOf, g.shadowAt = o, o.epoch
			f.mu.Unlock()
			return true
		}
	}
	return false
}

// sameBytes compares the first and the last bytes of copy with what stands at
// the same places of original.
func sameBytes(copy, original int, size int64) bool {
	var a, b [prefixMax]byte
	for _, at := range []int64{0, max(0, size-prefixMax)} {
		n := min(size-at, prefixMax)
		an, aerr := pread(copy, a[:n], at)
		bn, berr := pread(original, b[:n], at)
		if aerr != nil || berr != nil || an != bn || int64(an) != n || a != b {
			return false
		}
	}
	return true
}

// origins are the names after which a rotated or copied file may be named:
// app.log.1, app.log-20260101, app-20260101.log → app.log among others.
func origins(name string) []string {
	dir, base := path.Split(name)
	var all []string
	ext := path.Ext(base)
	for i := 1; i < len(base); i++ {
		if strings.IndexByte(".-_", base[i]) < 0 {
			continue
		}
		all = append(all, dir+base[:i])
		if with := base[:i] + ext; with != base && ext != base[i:] {
			all = append(all, dir+with)
		}
	}
	return all
}

// derivedFrom tells whether name may be a rotated or copied one of the originals.
func derivedFrom(name string, originals []string) bool {
	all := origins(name)
	return slices.ContainsFunc(originals, func(o string) bool { return slices.Contains(all, o) })
}
