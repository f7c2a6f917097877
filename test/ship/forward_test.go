package ship

import (
	"net"
	"net/url"
	"sync"
	"testing"
)

// forward passes connections on to a backend, from an address of a test's
// choice, until it is closed.
type forward struct {
	address  string
	listener net.Listener

	mu     sync.Mutex
	open   []net.Conn
	closed bool
}

func newForward(t testing.TB, address, to string) *forward {
	t.Helper()
	target, err := url.Parse(to)
	must(t, err)
	l, err := net.Listen("tcp", address)
	must(t, err)
	f := &forward{address: l.Addr().String(), listener: l}
	t.Cleanup(f.close)
	go f.serve(target.Host)
	return f
}

func (f *forward) serve(to string) {
	for {
		client, err := f.listener.Accept()
		if err != nil {
			return // closed
		}
		server, err := net.Dial("tcp", to)
		if err != nil {
			client.Close()
			continue
		}
		f.mu.Lock()
		f.open = append(f.open, client, server)
		if f.closed {
			f.closeAll()
		}
		f.mu.Unlock()
		go pass(server, client)
		go pass(client, server)
	}
}

func pass(to, from net.Conn) {
	defer to.Close()
	to.(*net.TCPConn).ReadFrom(from)
}

// close ends the connections too.
func (f *forward) close() {
	f.listener.Close()
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = true
	f.closeAll()
}

func (f *forward) closeAll() {
	for _, c := range f.open {
		c.Close()
	}
	f.open = nil
}
