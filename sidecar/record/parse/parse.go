// Package parse says what the text of a record means: which fields it has,
// when it happened, and whether it goes out at all.
//
// New makes Rules of an operator's Options, once. Read applies them to one
// record after the other: first keep and drop rules decide; then what must not
// leave the pod is redacted; then the format's scanner finds fields and time.
// What a Reading holds can be put into a JSON document as it is: no key comes
// twice, none is one that documents have themselves (see own), and none is one
// that Elasticsearch refuses.
//
// A text that is not of its format is no error of the program: it is kept as it
// is, and flagged. A time that cannot be read is flagged as well, never guessed.
// Nothing is allocated for a record, but by the format regexp.
package parse

import (
	"bytes"
	"sync/atomic"
	"time"
)

// Kind is how the value of a Field is written.
type Kind uint8

const (
	String Kind = iota // text, to be quoted and escaped; perhaps not UTF-8
	Quoted             // a JSON string as it stands, quotes included
	Number             // a JSON number as it stands, within what a long or a float holds
	Bool               // true or false
	Null               // null
	JSON               // an object or an array as it stands, without newlines
)

// Field is one thing that a record says.
type Field struct {
	Key, Value []byte
	Kind       Kind
	plain      bool // the key has nothing to be escaped
}

// Reading is what was read of one record. All of it is valid until the next
// Read into it, and its memory is used again then.
type Reading struct {
	Text   []byte  // the whole record, redacted
	Fields []Field // what was parsed, then what Options.Add adds

	Time    time.Time // when it happened, in UTC; only with HasTime
	HasTime bool

	Dropped    bool // by a drop or keep rule: it does not go out, and nothing else is known of it
	ParseError bool // the text is not of its format, or a value not of its type
	TimeError  bool // the time that it should have is missing or cannot be read

	parsed  int      // how many of Fields were parsed
	timeKey int      // which of several keys gave the time
	seen    uint64   // a bit for each hash of a key in Fields
	dotted  bool     // a key has a dot in it
	store   store    // keys and values that do not stand in the text
	clean   [2]store // redacted texts
	nested  nested
}

// Rules read records. They may be used by several goroutines at once, each with
// a Reading of its own.
type Rules struct {
	scan    func(*Rules, []byte, *Reading) bool // nil: format none
	timing  timing
	columns [][]byte // of csv and tsv
	pattern *pattern
	types   []fieldType
	keep    []matcher
	drop    []matcher
	redact  []redaction
	add     []Field

	dropped, parseErrors, timeErrors, redacted atomic.Int64
}

// Counts are records, since the start.
type Counts struct{ Dropped, ParseErrors, TimeErrors, Redacted int64 }

// Counts may be called at any time, also on nil.
func (r *Rules) Counts() Counts {
	if r == nil {
		return Counts{}
	}
	return Counts{r.dropped.Load(), r.parseErrors.Load(), r.timeErrors.Load(), r.redacted.Load()}
}

// Read reads a record without its newline. Nil rules find nothing in it.
func (r *Rules) Read(text []byte, out *Reading) {
	out.reset(text)
	if r == nil {
		return
	}
	line, ok := r.admit(out)
	if !ok {
		return
	}
	switch {
	case r.scan == nil:
		r.timing.leading(line, out)
	case len(line) == 0: // says nothing, and that is no fault
	case !r.scan(r, line, out):
		out.forget()
		out.ParseError = true
	default:
		if r.types != nil && !r.convert(out) {
			out.ParseError = true
		}
		out.TimeError = out.TimeError || r.timing.wanted && !out.HasTime
		if out.dotted {
			out.undot()
		}
	}
	r.finish(out)
}

// ReadPart reads a part of a record that was split because of its length. A
// part is not parsed: its fields may be cut in two. Keep, drop and redact rules
// see each part alone.
func (r *Rules) ReadPart(text []byte, out *Reading) {
	out.reset(text)
	if r == nil {
		return
	}
	if _, ok := r.admit(out); ok {
		out.ParseError = r.scan != nil
		r.finish(out)
	}
}

// admit tells whether the record goes out, and redacts it. What rules and
// scanners see of it is the line: without the carriage return of a CRLF, which
// stays in Text.
func (r *Rules) admit(out *Reading) (line []byte, ok bool) {
	line = bytes.TrimSuffix(out.Text, carriageReturn)
	if r.keep != nil && !matches(r.keep, line) || matches(r.drop, line) {
		out.Dropped = true
		r.dropped.Add(1)
		return nil, false
	}
	if r.redact != nil {
		if clean, any := out.redact(r.redact, line); any {
			if len(line) < len(out.Text) {
				clean = append(clean, '\r')
			}
			out.Text, line = clean, bytes.TrimSuffix(clean, carriageReturn)
			r.redacted.Add(1)
		}
	}
	return line, true
}

var carriageReturn = []byte{'\r'}

// finish adds the constant fields, and counts.
func (r *Rules) finish(out *Reading) {
	out.parsed = len(out.Fields)
	for _, f := range r.add {
		out.set(f)
	}
	if out.ParseError {
		r.parseErrors.Add(1)
	}
	if out.TimeError {
		r.timeErrors.Add(1)
	}
}

// kept bounds the memory that an unusually long record leaves behind.
const kept = 64 << 10

func (out *Reading) reset(text []byte) {
	if out.Fields == nil {
		out.Fields = make([]Field, 0, 16)
	}
	out.Text, out.Dropped, out.ParseError = text, false, false
	out.forget()
	for _, b := range [...]*store{&out.store, &out.clean[0], &out.clean[1], &out.nested.out} {
		if *b = (*b)[:0]; cap(*b) > kept {
			*b = nil
		}
	}
}

// forget takes back what a scanner found.
func (out *Reading) forget() {
	out.Fields, out.parsed = out.Fields[:0], 0
	out.Time, out.HasTime, out.TimeError = time.Time{}, false, false
	out.seen, out.dotted = 0, false
}
