package follow

import "bytes"

// Framing tells where records end. b are bytes of a file, which stand there at
// offset at.
type Framing interface {
	// LastEnd is the index just after the last record in b that is known to
	// be whole, or 0. lineStart: b begins where a line begins.
	LastEnd(b []byte, at int64, lineStart bool) int
	// EndsLine tells whether b ends with a newline.
	EndsLine(b []byte, at int64) bool
	// Unit is the length of a code unit in bytes; records are never split inside one.
	Unit() int
}

// Lines frames records that end with a newline byte.
type Lines struct{}

// LastEnd implements Framing.
func (Lines) LastEnd(b []byte, _ int64, _ bool) int { return bytes.LastIndexByte(b, '\n') + 1 }

// EndsLine implements Framing.
func (Lines) EndsLine(b []byte, _ int64) bool { return len(b) > 0 && b[len(b)-1] == '\n' }

// Unit implements Framing.
func (Lines) Unit() int { return 1 }
