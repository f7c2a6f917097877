package follow

import (
	"os"
	"path"
)

// What follows is for another engine, one that knows files by their names
// alone and has their bytes in memory.

// Carry returns the range with its bytes, valid until Ack or Release, and with
// the position of its file once they are delivered.
func (r Range) Carry(b []byte, end Position) Range {
	r.Offset, r.Length = end.Offset-int64(len(b)), int64(len(b))
	r.held, r.pos = b, end
	return r
}

// Advance is the position after b, the bytes that come next. before are those
// in front of p.Offset: MarkerSize of them, or all.
func (p Position) Advance(before, b []byte) Position {
	if n := prefixMax - int(p.Prefix.Len); n > 0 {
		p.Prefix = p.Prefix.grow(b[:min(n, len(b))])
	}
	p.Offset += int64(len(b))
	p.Marker = sumOf(LastBytes(before, b))
	return p
}

// MarkerSize is how many bytes before an offset identify it.
const MarkerSize = markerMax

// LastBytes are the last MarkerSize bytes of two stretches, one after the other.
func LastBytes(a, b []byte) []byte {
	if len(b) >= MarkerSize {
		return b[len(b)-MarkerSize:]
	}
	a = a[max(0, len(a)+len(b)-MarkerSize):]
	return append(a[:len(a):len(a)], b...)
}

// PositionAt is the position at an offset of an open file, and the bytes before
// it that Advance wants.
func PositionAt(file *os.File, off int64) (Position, []byte, error) {
	var first [prefixMax]byte
	n, err := pread(int(file.Fd()), first[:min(off, prefixMax)], 0)
	before := make([]byte, min(off, markerMax))
	if err == nil {
		_, err = pread(int(file.Fd()), before, off-int64(len(before)))
	}
	return Position{Offset: off, Prefix: sumOf(first[:n]), Marker: sumOf(before)}, before, err
}

// Continues tells whether the file holds what was delivered up to p.Offset.
func (p *Position) Continues(file *os.File) bool {
	ok, _ := p.continues(int(file.Fd()))
	return ok
}

// Expand lists the names that an absolute pattern stands for now, and why
// folders could not be listed.
func Expand(pattern string) (names []string, faults map[string]error) {
	e := expansion{dirs: map[string]bool{}, faults: map[string]error{}}
	e.expand(pattern)
	return e.paths, e.faults
}

// Packed tells whether the name is that of a compressed file.
func Packed(name string) bool {
	_, ok := magics[path.Ext(name)]
	return ok
}
