package backend

import (
	"io"
	"math/rand/v2"
	"net"
	"net/url"
	"sync"
	"testing"
	"time"
)

// A Proxy stands between a client and a backend and spoils exchanges as a bad
// network does. It knows nothing of HTTP: an exchange begins when the client
// speaks after the backend has spoken, which holds for HTTP/1.1 without TLS.
type Proxy struct {
	listener net.Listener
	target   *url.URL

	mu     sync.Mutex
	random *rand.Rand
	fate   func(*rand.Rand) Fate
	open   map[net.Conn]bool
	closed bool
	counts ProxyCounts
	wg     sync.WaitGroup
}

// ProxyCounts says what a proxy has done so far.
type ProxyCounts struct{ Connections, Exchanges, Ended int }

// A Fate is what happens to one exchange; the zero Fate lets it pass.
type Fate struct {
	Delay time.Duration // before the request and before the answer
	End   End
	In    Direction // what ends
	After int       // so many bytes of it pass before; all of it, if it is no longer
}

// An End is how a connection ends.
type End int

const (
	NoEnd End = iota
	// Reset resets both sides, as a router does that has lost its table.
	Reset
	// Close closes both sides, as a proxy does that is stopped.
	Close
	// Stall lets nothing pass any more and says nothing, as a firewall does.
	Stall
)

// A Direction is one of an exchange's two halves.
type Direction int

const (
	Request Direction = iota
	Answer
)

// ResetSome resets that share of all exchanges, half of them within the first
// 64 KiB of the request and half within the first 512 bytes of the answer.
// What is shorter ends with the first byte of what comes next: a request that
// was executed and has no answer, or a connection that was idle.
func ResetSome(share float64) func(*rand.Rand) Fate {
	return func(r *rand.Rand) Fate {
		switch {
		case r.Float64() >= share:
			return Fate{}
		case r.IntN(2) == 0:
			return Fate{End: Reset, In: Request, After: r.IntN(64 << 10)}
		default:
			return Fate{End: Reset, In: Answer, After: r.IntN(512)}
		}
	}
}

// NewProxy starts a proxy before the backend with this URL, until the test ends.
// What is drawn by lot is drawn from the seed, which the test's log has.
func NewProxy(t testing.TB, backend string, seed uint64) *Proxy {
	t.Helper()
	target, err := url.Parse(backend)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("the proxy's seed: %d", seed)
	p := &Proxy{
		listener: listener, target: target, open: map[net.Conn]bool{},
		random: rand.New(rand.NewPCG(seed, 0)), fate: func(*rand.Rand) Fate { return Fate{} },
	}
	p.wg.Go(p.accept)
	t.Cleanup(p.close)
	return p
}

// URL is the backend's, but for the address.
func (p *Proxy) URL() string {
	u := *p.target
	u.Host = p.listener.Addr().String()
	return u.String()
}

// Spoil sets who decides on each exchange that begins from now on.
func (p *Proxy) Spoil(fate func(*rand.Rand) Fate) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fate = fate
}

// Counts returns what has happened so far.
func (p *Proxy) Counts() ProxyCounts {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.counts
}

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return // closed
		}
		p.wg.Go(func() { p.serve(client) })
	}
}

func (p *Proxy) serve(client net.Conn) {
	if !p.keep(client) {
		return
	}
	defer p.drop(client)
	server, err := net.Dial("tcp", p.target.Host)
	if err != nil || !p.keep(server) {
		return // the client sees that its connection is closed
	}
	defer p.drop(server)
	p.mu.Lock()
	p.counts.Connections++
	p.mu.Unlock()
	e := &exchange{proxy: p, phase: Answer}
	var both sync.WaitGroup
	both.Go(func() { e.copy(Request, server, client) })
	both.Go(func() { e.copy(Answer, client, server) })
	both.Wait()
}

// keep notes a connection so that it can be closed; false if all are closed already.
func (p *Proxy) keep(c net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		c.Close()
		return false
	}
	p.open[c] = true
	return true
}

func (p *Proxy) drop(c net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	c.Close()
	delete(p.open, c)
}

func (p *Proxy) close() {
	p.listener.Close()
	p.mu.Lock()
	p.closed = true
	for c := range p.open {
		c.Close()
	}
	p.mu.Unlock()
	p.wg.Wait()
}

// draw decides on an exchange that begins.
func (p *Proxy) draw() Fate {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.counts.Exchanges++
	return p.fate(p.random)
}

// An exchange is the one that a connection is in.
type exchange struct {
	proxy *Proxy

	mu     sync.Mutex
	phase  Direction // who spoke last
	passed int       // bytes in this phase
	fate   Fate
	ended  bool
}

// copy passes on what comes from one side.
func (e *exchange) copy(d Direction, to, from net.Conn) {
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		if n > 0 {
			pass, delay, end := e.decide(d, n)
			time.Sleep(delay)
			if pass > 0 {
				if _, err := to.Write(buf[:pass]); err != nil {
					from.Close()
					to.Close()
					return
				}
			}
			switch end {
			case Stall:
				io.Copy(io.Discard, from)
				if d == Request {
					to.Close() // the client gave up; it must not see that the backend did
				}
				return
			case Reset:
				to.(*net.TCPConn).SetLinger(0)
				from.(*net.TCPConn).SetLinger(0)
				fallthrough
			case Close:
				from.Close()
				to.Close()
				return
			}
		}
		if err != nil {
			to.(*net.TCPConn).CloseWrite()
			return
		}
	}
}

// decide says how many of n bytes pass, after which delay, and how the
// connection ends then, if it does.
func (e *exchange) decide(d Direction, n int) (pass int, delay time.Duration, end End) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.ended {
		return 0, 0, Stall
	}
	if d != e.phase {
		// What was to end is complete: then it ends now, without what follows.
		overdue := e.fate.End != NoEnd && e.fate.In == e.phase
		if d == Request && !overdue {
			e.fate = e.proxy.draw()
		}
		e.phase, e.passed = d, 0
		if overdue {
			return 0, 0, e.end()
		}
		delay = e.fate.Delay
	}
	if e.fate.End != NoEnd && e.fate.In == d && e.passed+n >= e.fate.After {
		return e.fate.After - e.passed, delay, e.end()
	}
	e.passed += n
	return n, delay, NoEnd
}

func (e *exchange) end() End {
	e.ended = true
	e.proxy.mu.Lock()
	e.proxy.counts.Ended++
	e.proxy.mu.Unlock()
	return e.fate.End
}
