// Package record knows what a record is: where it begins and ends in the bytes
// of a file, and what text it is.
//
// A Framing finds the last record end in a stretch of bytes, for the follower,
// and walks over the records of a range, for the sinks. It decides by the
// charset's newline and, where lines belong together, by a Rule.
package record

import "bytes"

// Framing is a way to see bytes as records; it satisfies the follower's interface
// of that name.
type Framing struct {
	Charset *Charset // nil: UTF-8
	Rule    Rule     // zero: every line is a record

	text []byte // a decoded line
}

// Unit is the length of a code unit in bytes.
func (f *Framing) Unit() int { return f.Charset.Unit() }

// EndsLine tells whether b, which stands at offset at of its file, ends with a newline.
func (f *Framing) EndsLine(b []byte, at int64) bool {
	return len(b) > 0 && f.lastNewline(b, at) == len(b)
}

// LastEnd is the index just after the last record in b that is known to be
// whole, or 0. lineStart: b begins where a line begins.
func (f *Framing) LastEnd(b []byte, at int64, lineStart bool) int {
	end := f.lastNewline(b, at)
	if f.Rule.continues == nil || end == 0 {
		return end
	}
	// The end of a record is where the next one begins.
	for end > 0 {
		start := f.lastNewline(b[:end-f.Unit()], at)
		if start == 0 && !lineStart {
			return 0
		}
		if !f.continues(b[start:end]) {
			return start
		}
		end = start
	}
	return 0
}

// continues tells whether a whole line, newline included, belongs to the record before it.
func (f *Framing) continues(line []byte) bool {
	if f.Rule.continues == nil {
		return false
	}
	if f.Charset != nil {
		f.text = f.Charset.Append(f.text[:0], line)
		line = f.text
	}
	return f.Rule.continues(bytes.TrimSuffix(line, []byte{'\n'}))
}

// lastNewline is the index just after the last newline of b, which stands at
// offset at of its file; 0: there is none.
func (f *Framing) lastNewline(b []byte, at int64) int {
	unit := f.Unit()
	if unit == 1 {
		return bytes.LastIndexByte(b, '\n') + 1
	}
	for end := len(b); end >= unit; {
		i := bytes.LastIndexByte(b[:end], '\n')
		if i < 0 {
			return 0
		}
		if n := f.newlineAt(b, at, i); n > 0 {
			return n
		}
		end = i
	}
	return 0
}

// nextNewline is the index just after the first newline of b; 0: there is none.
func (f *Framing) nextNewline(b []byte, at int64) int {
	if f.Unit() == 1 {
		return bytes.IndexByte(b, '\n') + 1
	}
	for from := 0; ; {
		i := bytes.IndexByte(b[from:], '\n')
		if i < 0 {
			return 0
		}
		if n := f.newlineAt(b, at, from+i); n > 0 {
			return n
		}
		from += i + 1
	}
}

// newlineAt tells whether the byte 0x0A at i is a newline of UTF-16, and where it ends.
func (f *Framing) newlineAt(b []byte, at int64, i int) int {
	first := i // of the two bytes
	if f.Charset.big {
		first = i - 1
	}
	if first < 0 || first+2 > len(b) || (at+int64(first))%2 != 0 {
		return 0
	}
	if other := b[first+first+1-i]; other != 0 {
		return 0
	}
	return first + 2
}

// Each walks over the records in a range, which stands at offset at of its
// file. fn gets a record's text in UTF-8, its last newline left out, valid until
// fn returns; its index in the range; and whether it touches an end of the
// range: the first and the last record may be parts of longer ones.
func (f *Framing) Each(in []byte, at int64, fn func(text []byte, index int, first, last bool)) {
	emit := func(from, to int) {
		text := in[from:to]
		if f.Charset != nil {
			f.text = f.Charset.Append(f.text[:0], text)
			text = f.text
			if from == 0 && at == 0 {
				text = bytes.TrimPrefix(text, bom)
			}
		}
		fn(bytes.TrimSuffix(text, []byte{'\n'}), from, from == 0, to == len(in))
	}
	start := 0
	for off := 0; off < len(in); {
		next := off + f.nextNewline(in[off:], at+int64(off))
		if next == off {
			next = len(in)
		}
		if off > start && !f.continues(in[off:next]) {
			emit(start, off)
			start = off
		}
		off = next
	}
	if start < len(in) {
		emit(start, len(in))
	}
}

// Text decodes all of a range, newlines included, as raw output shows it.
func (f *Framing) Text(out, in []byte, at int64) []byte {
	from := len(out)
	out = f.Charset.Append(out, in)
	if at == 0 && f.Charset != nil {
		if text, found := bytes.CutPrefix(out[from:], bom); found {
			out = append(out[:from], text...)
		}
	}
	return out
}

// Count is how many records there are in the text of a range.
func (f *Framing) Count(text []byte) (n int) {
	if f.Rule.continues == nil {
		n = bytes.Count(text, []byte{'\n'})
		if len(text) > 0 && text[len(text)-1] != '\n' {
			n++
		}
		return n
	}
	for line := range bytes.Lines(text) {
		if n == 0 || !f.Rule.continues(bytes.TrimSuffix(line, []byte{'\n'})) {
			n++
		}
	}
	return n
}

// bom is the byte order mark in UTF-8.
var bom = []byte("\uFEFF")
