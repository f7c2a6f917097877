package follow

import (
	"cmp"
	"slices"
)

// Files that are deleted keep their space on the disk as long as they are
// open. MaxHeld bounds that: it is the one case in which bytes that could be
// read are given up, the oldest first, and it is counted and said. With HoldAll
// it is only said.

// Parts of MaxHeld, in percent: at the first it is said, below the second it
// may be said again.
const (
	heldAlarm = 80
	heldCalm  = 50
)

// limitHeld sums up what deleted files hold, and gives up what is too much.
func (f *Follower) limitHeld() {
	f.mu.Lock()
	defer f.mu.Unlock()
	type held struct {
		g     *generation
		bytes int64
	}
	var all []held
	var sum int64
	for _, g := range f.known {
		if !g.detached || g.retired || g.fd < 0 {
			continue
		}
		if st, err := statFD(g.fd); err == nil && st.links == 0 {
			all = append(all, held{g, st.size})
			sum += st.size
		}
	}
	f.counts.HeldBytes = sum
	limit := f.opt.MaxHeld
	if sum*100 < limit*heldCalm {
		delete(f.said, "held")
	}
	if limit <= 0 || sum*100 < limit*heldAlarm {
		return
	}
	if f.onceLocked("held") {
		what := "deleted files with undelivered lines fill the disk; the oldest are given up at the limit"
		if f.opt.HoldAll {
			what = "deleted files with undelivered lines fill the disk; none is given up"
		}
		f.log.Warn(what, "bytes", sum, "limit", limit)
	}
	if f.opt.HoldAll {
		return
	}
	slices.SortFunc(all, func(a, b held) int { return cmp.Compare(a.g.age, b.g.age) })
	for _, h := range all {
		if sum <= limit {
			break
		}
		if h.g.taken {
			continue // the output holds on to it; the next oldest frees space at once
		}
		if lost := h.bytes - h.g.acked; lost > 0 {
			f.counts.GivenUpBytes += lost
			f.log.Error("a deleted file is given up before it was delivered", "file", h.g.name, "bytes", lost)
		}
		sum -= h.bytes
		f.dropLocked(h.g)
	}
	f.counts.HeldBytes = sum
}

// dropLocked closes a generation that is given up.
func (f *Follower) dropLocked(g *generation) {
	g.close()
	g.retired = true
	g.q.remove(g)
	delete(f.idle, g)
	f.counts.Retired++
	f.counts.Open--
	f.forgetLocked(g)
}
