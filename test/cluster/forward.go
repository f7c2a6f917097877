//go:build linux

package main

import (
	"errors"
	"io"
	"log"
	"net"
	"sync"
)

// forward passes every connection that arrives on to a connection that dial
// makes, until the listener is closed. That is how the API server, whose
// network has no way out, is reached from the machine.
func forward(l net.Listener, dial func() (net.Conn, error)) error {
	for {
		from, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			return err
		}
		go func() {
			defer from.Close()
			to, err := dial()
			if err != nil {
				log.Printf("pass on a connection: %v", err)
				return
			}
			defer to.Close()
			join(from, to)
		}()
	}
}

// join copies in both directions until both have ended. The end of one
// direction is passed on and leaves the other open: a client may say all it
// has to say before the answer begins.
func join(a, b net.Conn) {
	var both sync.WaitGroup
	copyTo := func(to, from net.Conn) {
		if _, err := io.Copy(to, from); err != nil {
			// One side is gone: no use in waiting for the other.
			to.Close()
			from.Close()
			return
		}
		if half, ok := to.(interface{ CloseWrite() error }); ok {
			half.CloseWrite()
		}
	}
	both.Go(func() { copyTo(a, b) })
	both.Go(func() { copyTo(b, a) })
	both.Wait()
}
