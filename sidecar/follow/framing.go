package follow

import "bytes"

// Framing tells where records end.
type Framing interface {
	// LastEnd is the index just after the last record in b that is known to
	// be whole, or 0. b begins at the start of a line where lineStart is true,
	// somewhere else otherwise.
	LastEnd(b []byte, lineStart bool) int
}

// Lines frames records that end with a newline byte.
type Lines struct{}

// LastEnd implements Framing.
func (Lines) LastEnd(b []byte, _ bool) int { return bytes.LastIndexByte(b, '\n') + 1 }
