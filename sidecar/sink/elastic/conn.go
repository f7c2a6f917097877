package elastic

import (
	"io"
	"net"
)

// wholeConn writes a request's body, which is in memory as a whole, at once.
// net/http would copy it through a buffer of 32 KiB, with a write for each.
type wholeConn struct{ net.Conn }

// ReadFrom implements io.ReaderFrom, which net/http looks for. The body comes
// behind a limit, which is its own length.
func (c wholeConn) ReadFrom(r io.Reader) (int64, error) {
	if limited, ok := r.(*io.LimitedReader); ok {
		if body, ok := limited.R.(io.WriterTo); ok {
			n, err := body.WriteTo(c.Conn)
			limited.N -= n
			return n, err
		}
	}
	return io.Copy(c.Conn, r)
}
