package stdout

import (
	"errors"

	"golang.org/x/sys/unix"
	"logging.taco/sidecar/follow"
	"logging.taco/sidecar/sink"
)

// spliced moves bytes from files to a pipe without copying them. They pass a
// pipe of our own, so that a file's truncation in mid-way is noticed before
// its bytes are let go.
type spliced struct {
	out  int
	r, w int // the pipe of our own
}

// pipeSize is asked for both pipes; a smaller one works as well. It stays far
// below what a user may have in all pipes of a node.
const pipeSize = 256 << 10

// errTorn: the file was truncated when a part of the range was out already.
var errTorn = errors.New("torn")

// newSpliced returns nil where out is not a pipe.
func newSpliced(out int) *spliced {
	var st unix.Stat_t
	if unix.Fstat(out, &st) != nil || st.Mode&unix.S_IFMT != unix.S_IFIFO {
		return nil
	}
	var p [2]int
	if unix.Pipe2(p[:], unix.O_CLOEXEC) != nil {
		return nil
	}
	for _, fd := range []int{p[1], out} {
		if n, err := unix.FcntlInt(uintptr(fd), unix.F_GETPIPE_SZ, 0); err == nil && n < pipeSize {
			unix.FcntlInt(uintptr(fd), unix.F_SETPIPE_SZ, pipeSize)
		}
	}
	return &spliced{out: out, r: p[0], w: p[1]}
}

func (s *spliced) close() {
	unix.Close(s.r)
	unix.Close(s.w)
}

// move delivers a range. False without an error: splicing does not work here,
// and nothing was written.
func (s *spliced) move(r *follow.Range, stats *stats) (bool, error) {
	off, left := r.Offset, r.Length
	for left > 0 {
		n, err := s.fill(r.FD(), &off, left)
		first := left == r.Length
		if err == unix.EINVAL && first && n == 0 {
			return false, nil
		}
		if err != nil && err != errShort {
			r.Fault = err
		}
		if err != nil || !r.Intact() {
			if e := s.discard(int(n)); e != nil {
				return false, e
			}
			if first {
				return false, sink.ErrStale
			}
			// Part of a long record is out; its line ends here.
			return true, errTorn
		}
		left -= n
		if err := s.forward(int(n), stats); err != nil {
			return false, err
		}
	}
	stats.spliced.Add(r.Length)
	return true, nil
}

// errShort: the file has become shorter.
var errShort = errors.New("short")

// fill moves bytes of a file to the pipe of our own until it is full or has all
// that is wanted: what cannot be read is so found out before a byte is let go.
func (s *spliced) fill(fd int, off *int64, want int64) (n int64, err error) {
	for n < want {
		flags := unix.SPLICE_F_MOVE
		if n > 0 {
			flags |= unix.SPLICE_F_NONBLOCK
		}
		m, err := unix.Splice(fd, off, s.w, nil, int(want-n), flags)
		switch {
		case err == unix.EINTR:
		case err == unix.EAGAIN && n > 0:
			return n, nil
		case err != nil:
			return n, err
		case m == 0:
			return n, errShort
		}
		n += max(m, 0)
	}
	return n, nil
}

// forward moves n bytes from the pipe of our own to the output.
func (s *spliced) forward(n int, stats *stats) error {
	for n > 0 {
		m, err := unix.Splice(s.r, nil, s.out, nil, n, unix.SPLICE_F_MOVE|unix.SPLICE_F_NONBLOCK)
		switch err {
		case nil:
			n -= int(m)
		case unix.EINTR:
		case unix.EAGAIN:
			stats.blocked.begin(0)
			err := waitWritable(s.out)
			stats.blocked.end()
			if err != nil {
				return err
			}
		default:
			return outputError(err)
		}
	}
	return nil
}

// discard empties the pipe of our own.
func (s *spliced) discard(n int) error {
	var b [4096]byte
	for n > 0 {
		m, err := unix.Read(s.r, b[:min(n, len(b))])
		if err != nil && err != unix.EINTR {
			return err
		}
		n -= max(m, 0)
	}
	return nil
}
