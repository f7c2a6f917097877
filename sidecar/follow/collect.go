package follow

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"time"
)

// window is how many bytes are looked at in one go for the end of a range.
const (
	window      = 64 << 10
	firstWindow = 4 << 10
)

// Collect returns the next range, of the path whose turn it is. Ack or Release
// ends it; until then there is no other of its path. False: there is nothing
// now; Wait.
func (f *Follower) Collect() (Range, bool) {
	var gens [8]*generation
	for {
		f.mu.Lock()
		if len(f.ready) == 0 {
			f.mu.Unlock()
			return Range{}, false
		}
		q := f.ready[0]
		f.ready = f.ready[1:]
		q.ready = false
		of := append(gens[:0], q.gens...)
		f.mu.Unlock()

		for _, g := range of {
			r, state := f.take(g)
			if state == unread {
				f.mu.Lock()
				r.Path = g.name
				f.markLocked(q) // there may be more
				f.mu.Unlock()
				return r, true
			}
			if state == unfinished {
				break // a successor must not overtake the rest of this record
			}
		}
	}
}

// what is to be had of a generation
type state int

const (
	atEnd      state = iota // nothing more now
	unfinished              // bytes that are not to be handed out yet
	unread                  // a range
)

// take finds the next range of one generation, which is the loop's until that
// range is acknowledged.
func (f *Follower) take(g *generation) (Range, state) {
	f.mu.Lock()
	if g.fd < 0 || g.taken {
		defer f.mu.Unlock()
		if g.taken {
			return Range{}, unfinished // its range is not acknowledged; Ack marks the queue
		}
		return Range{}, atEnd
	}
	g.taken = true
	f.mu.Unlock()
	r, state := f.next(g)
	f.mu.Lock()
	g.taken = state == unread
	f.mu.Unlock()
	return r, state
}

// next finds the next range of one generation that is taken.
func (f *Follower) next(g *generation) (Range, state) {
	now := f.now()
	if g.faulty && now.Before(g.retryAt) {
		return Range{}, atEnd
	}
	st, err := statFD(g.fd)
	if err != nil {
		return f.fault(g, err)
	}
	if st.size < g.acked {
		f.truncated(g)
		return f.again(g)
	}
	changed := st.size != g.size || st.mtime != g.mtime
	if st.size != g.size {
		g.grewAt = now
	}
	g.size, g.mtime = st.size, st.mtime
	if st.size == g.acked {
		if changed {
			if same, err := f.sameContent(g); err != nil {
				g.size = -1 // look closely again
				return f.fault(g, err)
			} else if !same {
				f.truncated(g)
				return f.again(g)
			}
		}
		return Range{}, f.ended(g, st, now)
	}
	if !g.checked {
		if _, err := pread(g.fd, f.buf[:1], 0); err != nil {
			return f.fault(g, err)
		}
		if s := f.checkFirst(g, st, now); s != unread {
			return Range{}, s
		}
		if g.size == g.acked {
			return Range{}, f.ended(g, st, now)
		}
	}
	r, state, err := f.cut(g, now)
	if err != nil {
		return f.fault(g, err)
	}
	// Only now, with the range's own end seen, is the marker before it
	// compared: a truncation between the two looks cannot hide.
	if state != atEnd {
		if same, err := f.sameContent(g); err != nil {
			return f.fault(g, err)
		} else if !same {
			f.truncated(g)
			return f.again(g)
		}
	}
	r.Suspect = g.faulty
	if state == unread {
		f.mu.Lock()
		delete(f.idle, g)
		f.mu.Unlock()
	}
	return r, state
}

// again puts the queue back among the ready ones, with what changed.
func (f *Follower) again(g *generation) (Range, state) {
	f.mu.Lock()
	f.markLocked(g.q)
	f.mu.Unlock()
	return Range{}, unfinished
}

func (f *Follower) sameContent(g *generation) (bool, error) {
	return holds(g.fd, g.marker, g.acked-int64(g.marker.Len))
}

// replaced tells whether g certainly has other content than was delivered.
func (f *Follower) replaced(g *generation) bool {
	same, err := f.sameContent(g)
	return !same && err == nil
}

// ended handles a generation without unread bytes: where it was replaced or
// unlinked, it is retired after a quiet while. One that was renamed may still
// have its writer, and costs but a descriptor: it stays longer.
func (f *Follower) ended(g *generation, st fileState, now time.Time) state {
	f.mu.Lock()
	f.mendedLocked(g)
	detached := g.detached || st.links == 0
	if !detached {
		delete(f.idle, g)
		f.mu.Unlock()
		return atEnd
	}
	settle := settleFor
	if st.links > 0 && len(g.q.gens)-slices.Index(g.q.gens, g) <= renamedMost {
		settle = renamedFor
	}
	if now.Sub(g.grewAt) < settle {
		// No directory watch covers it any more: look again in a while.
		f.idleLocked(g, now.Add(retryFor))
		f.mu.Unlock()
		return atEnd
	}
	f.mu.Unlock()
	f.retire(g)
	return atEnd
}

// cut finds the end of the next range by looking at the end of what is there.
func (f *Follower) cut(g *generation, now time.Time) (Range, state, error) {
	whole := int64(f.opt.MaxRecord) + 1
	limit := min(int64(f.opt.MaxRange), whole)
	there := g.size - g.acked
	r := Range{gen: g, Source: f.indexOf(g.src), Offset: g.acked, Mid: g.mid, More: there > limit, Length: min(there, limit)}

	n, err := f.lastEnd(g, g.acked, g.acked+r.Length)
	if err != nil {
		return r, atEnd, err
	}
	if n == 0 && r.Length < min(there, whole) {
		// The first record alone is longer than a usual range.
		r.Length = min(there, whole)
		if n, err = f.lastEnd(g, g.acked, g.acked+r.Length); err != nil {
			return r, atEnd, err
		}
	}
	switch {
	case n > 0:
		r.Length = n - g.acked
	case there >= whole:
		r.Length, r.End = int64(f.opt.MaxRecord-f.opt.MaxRecord%g.src.Framing.Unit()), EndSplit
	default:
		if due, flush := f.flushDue(g, now); !flush {
			f.mu.Lock()
			f.idleLocked(g, due)
			f.mu.Unlock()
			return r, unfinished, nil
		}
		r.End = EndFlush
	}
	return r, unread, f.sums(g, &r)
}

// lastEnd is the offset just after the last whole record in [from, to), or 0.
func (f *Follower) lastEnd(g *generation, from, to int64) (int64, error) {
	size := int64(firstWindow)
	for to > from {
		at := max(from, to-size)
		w := f.buf[:to-at]
		n, err := pread(g.fd, w, at)
		if err != nil {
			return 0, err
		}
		if n < len(w) {
			return 0, fmt.Errorf("read at %d: the file became shorter", at)
		}
		if end := g.src.Framing.LastEnd(w, at, at == g.acked && !g.mid); end > 0 {
			return at + int64(end), nil
		}
		if at == from {
			break
		}
		// The line that this window cuts off is seen as a whole by the next.
		to, size = at+1, window
		if end := bytes.IndexByte(w, '\n'); end >= 0 && end < len(w)/2 {
			to = at + int64(end) + int64(g.src.Framing.Unit())
		}
	}
	return 0, nil
}

// sums computes what will identify the content once the range is delivered.
func (f *Follower) sums(g *generation, r *Range) error {
	end := r.Offset + r.Length
	if n := min(end, prefixMax) - int64(g.prefix.Len); n > 0 {
		if _, err := pread(g.fd, f.buf[:n], int64(g.prefix.Len)); err != nil {
			return err
		}
		r.prefix = g.prefix.grow(f.buf[:n])
	} else {
		r.prefix = g.prefix
	}
	n := min(end, markerMax)
	if _, err := pread(g.fd, f.buf[:n], end-n); err != nil {
		return err
	}
	r.marker = sumOf(f.buf[:n])
	if r.End == EndFlush && g.src.Framing.EndsLine(f.buf[:n], end-n) {
		r.End = EndRecord // it waited for a line that could have continued it
	}
	return nil
}

// flushDue tells when an unfinished record goes out, and whether that is now.
func (f *Follower) flushDue(g *generation, now time.Time) (time.Time, bool) {
	due := g.grewAt.Add(f.opt.FlushTimeout)
	f.mu.Lock()
	defer f.mu.Unlock()
	return due, f.flushing || !now.Before(due)
}

func (f *Follower) indexOf(src *Source) int {
	for i := range f.opt.Sources {
		if &f.opt.Sources[i] == src {
			return i
		}
	}
	return -1
}

// Ack says that the range's bytes are delivered for good.
func (f *Follower) Ack(r *Range) {
	g := r.gen
	f.mu.Lock()
	defer f.mu.Unlock()
	g.acked = r.Offset + r.Length
	g.mid = r.End == EndSplit
	g.marker, g.prefix = r.marker, r.prefix
	g.taken = false
	f.mendedLocked(g)
	f.markLocked(g.q)
}

// Release gives a range back undelivered: its bytes were not intact or could
// not be read, or the output failed. It is collected again, if it is still there.
func (f *Follower) Release(r *Range) {
	r.gen.size = -1 // look closely
	f.mu.Lock()
	r.gen.taken = false
	f.markLocked(r.gen.q)
	f.mu.Unlock()
	if r.Fault != nil {
		f.fault(r.gen, r.Fault)
	}
}

// Position is where the range's generation stands, without its names. Its
// numbers (device, inode, birth, epoch) name the generation.
func (r *Range) Position() Position {
	if r.gen == nil {
		return r.pos
	}
	g := r.gen
	return Position{
		Dev: g.id.dev, Ino: g.id.ino, Birth: g.birth, Epoch: g.epoch,
		Offset: g.acked, Mid: g.mid, Prefix: g.prefix, Marker: g.marker,
	}
}

// Wait returns when there may be something to collect, at the latest after
// atMost, or when ctx ends.
func (f *Follower) Wait(ctx context.Context, atMost time.Duration) {
	now := f.now()
	wait := atMost
	f.mu.Lock()
	for g := range f.idle {
		wait = min(wait, g.due.Sub(now))
	}
	f.mu.Unlock()
	if wait > 0 {
		t := time.NewTimer(wait)
		defer t.Stop()
		select {
		case <-ctx.Done():
		case <-f.wake:
		case <-t.C:
		}
	}
	now = f.now()
	f.mu.Lock()
	defer f.mu.Unlock()
	for g := range f.idle {
		if !now.Before(g.due) {
			delete(f.idle, g)
			f.markLocked(g.q)
		}
	}
}
