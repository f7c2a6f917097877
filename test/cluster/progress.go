//go:build linux

package main

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// A progress tells a person that something long is going on: in one line that
// changes where they look at a terminal, else in a new line now and then.
type progress struct {
	out      io.Writer
	terminal bool
	every    time.Duration

	mu    sync.Mutex // guards what follows
	what  string
	state string
	begun time.Time
	stop  chan struct{}
	done  chan struct{}
}

func newProgress(out *os.File) *progress {
	_, err := unix.IoctlGetTermios(int(out.Fd()), unix.TCGETS)
	p := &progress{out: out, terminal: err == nil, every: 15 * time.Second}
	if p.terminal {
		p.every = 200 * time.Millisecond
	}
	return p
}

// begin starts to tell about something; end ends it.
func (p *progress) begin(what string) {
	p.what, p.state, p.begun = what, "", time.Now()
	p.stop, p.done = make(chan struct{}), make(chan struct{})
	go func() {
		defer close(p.done)
		ticks := time.NewTicker(p.every)
		defer ticks.Stop()
		for {
			select {
			case <-ticks.C:
				p.print()
			case <-p.stop:
				return
			}
		}
	}()
}

// step says how far it is.
func (p *progress) step(state string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.state = state
}

// end tells how long it took, unless that was too short to be told.
func (p *progress) end() {
	close(p.stop)
	<-p.done
	if time.Since(p.begun) > time.Second || p.terminal {
		p.print()
	}
	if p.terminal {
		fmt.Fprintln(p.out)
	}
}

func (p *progress) print() {
	p.mu.Lock()
	defer p.mu.Unlock()
	line := p.what + ": "
	if p.state != "" {
		line += p.state + ", "
	}
	line += time.Since(p.begun).Round(time.Second).String()
	if p.terminal {
		fmt.Fprintf(p.out, "\r%s\x1b[K", line)
	} else {
		fmt.Fprintln(p.out, line)
	}
}
