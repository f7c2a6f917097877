package byname

import (
	"context"
	"time"

	"logging.taco/sidecar/follow"
)

// Collect returns the next range, of the file whose turn it is. Ack or Release
// ends it. False: there is nothing now; Wait.
func (e *Engine) Collect() (follow.Range, bool) {
	for {
		now := e.opt.Now()
		flying := false
		e.mu.Lock()
		for range e.turn {
			f := e.turn[0]
			copy(e.turn, e.turn[1:])
			e.turn[len(e.turn)-1] = f
			flying = flying || f.flying
			if r, ok := e.cutLocked(f, now); ok {
				e.mu.Unlock()
				return r, true
			}
		}
		toCome := e.reading > 0 && !e.closed && !flying && e.ending()
		e.mu.Unlock()
		if !toCome {
			return follow.Range{}, false
		}
		<-e.wake
	}
}

// cutLocked finds the end of the next range of a file.
func (e *Engine) cutLocked(f *file, now time.Time) (follow.Range, bool) {
	f.due = time.Time{}
	for len(f.contents) > 1 && len(f.contents[0].data) == 0 {
		f.contents = f.contents[1:]
	}
	c := f.contents[0]
	there := len(c.data)
	if f.flying || there == 0 {
		return follow.Range{}, false
	}
	framing := e.opt.Sources[f.source].Framing
	r := follow.Range{Path: f.path, Source: f.source, Mid: c.pos.Mid, More: there >= f.room}
	whole := e.opt.MaxRecord + 1
	n := framing.LastEnd(c.data[:min(there, whole)], c.pos.Offset, !c.pos.Mid)
	switch {
	case n > 0:
	case there >= whole:
		n, r.End = e.opt.MaxRecord-e.opt.MaxRecord%framing.Unit(), follow.EndSplit
	case there >= f.room && !c.over:
		f.room = whole // a long record
		f.roomy()
		return r, false
	case c.over || e.flushing || f.whole(framing) && !now.Before(c.grewAt.Add(e.opt.FlushTimeout)):
		n, r.End = there, follow.EndFlush
		if framing.EndsLine(c.data, c.pos.Offset) {
			r.End = follow.EndRecord // it waited for a line that could have continued it
		}
	default:
		f.due = c.grewAt.Add(e.opt.FlushTimeout)
		if !f.whole(framing) {
			f.due = time.Time{} // its run will find the missing byte
		}
		return r, false
	}
	f.flying = true
	return r.Carry(c.data[:n], c.after(n, r.End == follow.EndSplit)), true
}

// whole tells whether the bytes end with a whole code unit. The library gives
// those of UTF-16 only up to the byte 0x0A, the first half of a newline.
func (f *file) whole(framing follow.Framing) bool {
	return f.contents[0].read()%int64(framing.Unit()) == 0
}

// roomy lets the file's run go on.
func (f *file) roomy() {
	select {
	case f.taken <- struct{}{}:
	default:
	}
}

// Ack says that the range's bytes are delivered for good.
func (e *Engine) Ack(r *follow.Range) {
	e.mu.Lock()
	defer e.mu.Unlock()
	f := e.files[r.Path]
	f.pos = r.Position()
	f.contents[0].drop(int(r.Length), f.pos)
	f.room, f.flying = usualRoom, false
	f.roomy()
}

// Release gives a range back undelivered; it is collected again.
func (e *Engine) Release(r *follow.Range) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.files[r.Path].flying = false
	e.wakeUp()
}

// Wait returns when there may be something to collect, at the latest after
// atMost, or when ctx ends.
func (e *Engine) Wait(ctx context.Context, atMost time.Duration) {
	wait := atMost
	now := e.opt.Now()
	e.mu.Lock()
	for _, f := range e.files {
		if !f.due.IsZero() {
			wait = min(wait, f.due.Sub(now))
		}
	}
	e.mu.Unlock()
	if wait <= 0 {
		return
	}
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-e.wake:
	case <-t.C:
	}
}
