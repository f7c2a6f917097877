package elastic

import (
	"net/http"
	"strings"
	"time"
)

// Attempts at a record that may itself be at fault, before it is refused.
const (
	triesOfItem  = 3
	triesOfRace  = 2
	triesOfAlone = 5
)

// sayRefusedEvery is how often, at most, refused records are said.
const sayRefusedEvery = time.Minute

// judge decides from the answer to the first n items which of them are done,
// and waits where there has to be another attempt.
func (b *bulk) judge(n int, r result) {
	s := b.sink
	length := b.items[n-1].end - b.items[0].start
	switch {
	case r.err != nil:
		s.pace.ill("unreachable", "the backend does not answer; records wait in their files", "error", r.err)
		s.pace.wait(later, 0, b.version)
	case r.status == http.StatusOK:
		b.judgeItems(n, r)
	case r.status == http.StatusRequestEntityTooLarge:
		s.pace.smaller(length, n > 1)
		if n == 1 {
			b.refuseFirst(r.status, &fault{Type: "request_entity_too_large", Reason: "the document is longer than a request may be"})
		}
	case r.status == http.StatusBadRequest:
		b.takeApart(n, r)
	default:
		b.complain(r)
		if r.status == http.StatusTooManyRequests {
			s.pace.smaller(length, false)
		}
		if r.status == http.StatusUnauthorized {
			s.client.forget() // perhaps the credentials have changed
		}
		s.pace.wait(requestFate(r.status), r.retryAfter, b.version)
	}
}

// judgeItems reads the outcome of each of n items.
func (b *bulk) judgeItems(n int, r result) {
	s := b.sink
	b.fates = append(b.fates[:0], make([]fate, n)...)
	var worst outcome // of those that are to be tried again
	again, worstIndex := 0, ""
	var worstFate fate
	var unwritten error // why the dead letter file could not be written
	err := readOutcomes(r.body, n, func(i int, o outcome) {
		f := itemFate(o.status, o.fault)
		it := &b.items[i]
		if f == suspect {
			it.tries++
			if it.tries >= triesOfItem || it.tries >= triesOfRace && o.fault != nil && raced(o.fault.Reason) {
				f = refused
			}
		}
		if f == hold && s.index.fields && o.fault != nil && o.fault.Type == "invalid_index_name_exception" {
			f = refused // the record's own field made that name
		}
		if f == refused && o.status != http.StatusRequestEntityTooLarge && b.leaveOut(it) {
			f = bare
			s.stats.bare.Add(1)
			s.sayBare(o.status, o.fault)
		}
		switch f {
		case already:
			s.stats.already.Add(1)
		case refused:
			if err := b.refuse(i, o.status, o.fault); err != nil {
				f, unwritten = hold, err
			}
		}
		b.fates[i] = f
		if f.again() {
			again++
		}
		if f.again() && f != bare && f >= worstFate {
			worstFate, worst, worstIndex = f, o, it.index
		}
	})
	if err != nil {
		s.stats.badAnswers.Add(1)
		s.pace.ill("bad_answer", "the backend's answer cannot be used; all its records are sent again", "error", err)
		s.pace.wait(later, 0, b.version)
		return
	}
	s.stats.documents.Add(int64(n - again))
	if again < n {
		s.stats.reached.Store(true)
	}
	if again == 0 {
		b.keep(n, func(int) bool { return false })
		s.pace.well()
		return
	}
	length := b.items[n-1].end - b.items[0].start
	b.keep(n, func(i int) bool { return b.fates[i].again() })
	if worstFate == stored { // only such as can go at once
		s.pace.well()
		return
	}
	if unwritten != nil {
		b.complainOfLetters(unwritten)
	} else {
		b.complainOfItem(worst, worstIndex, again)
	}
	if worstFate == later && worst.status == http.StatusTooManyRequests {
		s.pace.smaller(length, false)
	}
	s.pace.wait(worstFate, r.retryAfter, b.version)
}

// takeApart handles a 400 for a whole request: it should not happen, since no
// action line of ours is wrong. The document at fault, if there is one, is
// found by halving. One alone is refused only where the backend has shown that
// it takes others: a wrong address must not empty the files.
func (b *bulk) takeApart(n int, r result) {
	s := b.sink
	if n > 1 {
		s.pace.smaller(b.items[n-1].end-b.items[0].start, false)
		b.complain(r)
		return
	}
	b.complain(r)
	f := readRequestFault(r.body)
	if b.items[0].tries++; b.items[0].tries >= triesOfAlone && s.stats.reached.Load() {
		b.refuseFirst(r.status, f)
		return
	}
	s.pace.wait(hold, 0, b.version)
}

// refuseFirst refuses the first item for the answer to a request of it alone.
// Where it cannot be put aside, it waits.
func (b *bulk) refuseFirst(status int, f *fault) {
	if err := b.refuse(0, status, f); err != nil {
		b.complainOfLetters(err)
		b.sink.pace.wait(hold, 0, b.version)
		return
	}
	b.sink.stats.documents.Add(1)
	b.keep(1, func(int) bool { return false })
}

// complain says what is wrong with a whole request.
func (b *bulk) complain(r result) {
	p := b.sink.pace
	args := []any{"status", r.status}
	if f := readRequestFault(r.body); f != nil {
		args = append(args, "error", f.Type)
		// The reason of others may quote what was sent.
		if r.status != http.StatusBadRequest && r.status != http.StatusInternalServerError {
			args = append(args, "reason", f.Reason)
		}
	}
	switch {
	case r.location != "":
		p.ill("redirected", "the backend sends us elsewhere; ship to that address instead", "status", r.status, "location", r.location)
	case r.status == http.StatusUnauthorized:
		p.ill("unauthorized", "the backend does not know these credentials; records wait in their files until the Secret is right", args...)
	case r.status == http.StatusForbidden:
		p.ill("forbidden", "the backend forbids writing; records wait in their files until the role or the block is changed", args...)
	case r.status == http.StatusTooManyRequests:
		p.ill("busy", "the backend has too much to do; records wait in their files", args...)
	case r.status >= 500:
		p.ill("unavailable", "the backend cannot serve; records wait in their files", args...)
	default:
		p.ill("misdirected", "this is not how Elasticsearch or OpenSearch answers a bulk; look at the address, and at proxies in between", args...)
	}
}

// complainOfItem says what is wrong with items that are sent again: the worst
// outcome, of a record for index. The reason of a fault in a document may quote
// it, and is not said.
func (b *bulk) complainOfItem(o outcome, index string, items int) {
	p := b.sink.pace
	args := []any{"status", o.status, "records", items, "index", index}
	f := itemFate(o.status, o.fault)
	if o.fault != nil {
		args = append(args, "error", o.fault.Type)
		// A 500 may be of anything, an ingest pipeline included.
		if (f == hold || f == later) && o.status != http.StatusInternalServerError {
			args = append(args, "reason", o.fault.Reason)
		}
	}
	switch {
	case f == suspect:
		p.ill("refused", "the backend refuses records for a reason that may pass; trying again", args...)
	case f == hold && o.fault != nil && strings.Contains(o.fault.Type, "security"):
		p.ill("forbidden", "the backend forbids writing to this index; records wait in their files until the role is changed", args...)
	case f == hold:
		p.ill("index_blocked", "the backend cannot write to this index; records wait in their files until somebody acts", args...)
	default:
		p.ill("busy", "the backend does not take all records now; the rest is sent again", args...)
	}
}

// complainOfLetters says why records that the backend refuses cannot be put aside.
func (b *bulk) complainOfLetters(err error) {
	b.sink.pace.ill("dead_letter", "the backend refuses records, and the dead letter file cannot be written; they wait in their files", "error", err)
}

// refuse puts an item into the dead letter file.
func (b *bulk) refuse(i, status int, f *fault) error {
	it := &b.items[i]
	s := b.sink
	if f == nil {
		f = &fault{}
	}
	err := s.letters.write(letter{
		Time: s.opt.Now().UTC(), Index: it.index, Status: status, Error: f,
	}, b.body[it.start:it.document], b.body[it.document:it.end])
	if err != nil {
		s.stats.letterFailures.Add(1)
		return err
	}
	s.stats.refused.Add(1)
	s.sayRefused(status, f.Type)
	return nil
}

// timeToSay tells whether what was said last at some time is to be said again, and
// notes that it is.
func (s *Sink) timeToSay(said *time.Time) bool {
	s.refusals.Lock()
	defer s.refusals.Unlock()
	now := time.Now()
	if now.Sub(*said) < sayRefusedEvery {
		return false
	}
	*said = now
	return true
}

// sayBare says, not more often than once in a while, that records are stored
// without what was parsed.
func (s *Sink) sayBare(status int, f *fault) {
	if !s.timeToSay(&s.refusals.saidBare) {
		return
	}
	kind := ""
	if f != nil {
		kind = f.Type
	}
	s.opt.Log.Warn("the backend refuses records with the fields that their format gives; they are sent again without these, as text alone",
		"status", status, "error", kind, "so_far", s.stats.bare.Load())
}

// sayRefused says, not more often than once in a while, that records are put aside.
func (s *Sink) sayRefused(status int, kind string) {
	if !s.timeToSay(&s.refusals.said) {
		return
	}
	if s.letters.name == "" {
		s.opt.Log.Error("the backend refuses records for good, and there is no dead letter file: they are lost; set --dead-letter or --state",
			"status", status, "error", kind, "so_far", s.stats.refused.Load())
		return
	}
	s.opt.Log.Warn("the backend refuses records for good; they are put aside",
		"file", s.letters.name, "status", status, "error", kind, "so_far", s.stats.refused.Load())
}
