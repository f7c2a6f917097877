package follow

// End tells how the last record of a range ends.
type End uint8

const (
	EndRecord End = iota // by what its framing says, newline included
	EndSplit             // by the limit: the record goes on in the next range
	EndFlush             // by time, rotation or shutdown: no newline came
)

// Range names bytes of one generation; it does not hold them. It starts and
// ends at record boundaries, and stays valid until Ack or Release.
type Range struct {
	Path   string // where the file was found
	Source int    // index in Options.Sources
	Offset int64
	Length int64
	End    End
	Mid    bool // begins inside a record that was split
	More   bool // the file has more than one range may hold
	Stale  bool // set by an output that could not have the bytes, and delivered none of them
	// Fault is why they could not be read, set by Read, Intact or the output; nil: they are gone.
	Fault error
	// Suspect: the last attempt to read failed. To be read as a whole before any of it is let go.
	Suspect bool
	// Records is set by an output that has looked inside: how many there are.
	Records int

	gen    *generation
	marker Sum // at its end
	prefix Sum

	held []byte   // the bytes, where there is no generation; see Carry
	pos  Position // then: at its end
}

// FD is the descriptor to read the bytes from, by pread, splice or sendfile
// with an explicit offset; the caller must not move its file position. It is
// -1 where the range carries its bytes: only Read gives them.
func (r *Range) FD() int {
	if r.gen == nil {
		return -1
	}
	return r.gen.fd
}

// Read fills p, which must have room for Length bytes, and tells whether the
// bytes are the range's: false where the file was truncated meanwhile.
func (r *Range) Read(p []byte) (bool, error) {
	if r.gen == nil {
		return copy(p, r.held) == len(r.held), nil
	}
	n, err := pread(r.gen.fd, p[:r.Length], r.Offset)
	if err != nil {
		r.Fault = err
		return false, err
	}
	return int64(n) == r.Length && r.Intact(), nil
}

// Intact tells, after bytes were taken and before they are let go, whether
// they are the range's. A file that is truncated, or truncated and refilled,
// between Collect and the taking is so found out.
func (r *Range) Intact() bool {
	if r.gen == nil {
		return true
	}
	ok, err := holds(r.gen.fd, r.marker, r.Offset+r.Length-int64(r.marker.Len))
	if err != nil {
		r.Fault = err
	}
	return ok
}
