package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
)

// receiver is a bulk endpoint at work.
type receiver struct {
	process *subject
	told    *bufio.Reader
	url     string
	tally
}

// receive starts a bulk endpoint, on a free port or at an address.
func receive(address string) (*receiver, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	p, err := start(nil, self, "bulk", address)
	if err != nil {
		return nil, err
	}
	r := &receiver{process: p, told: bufio.NewReader(p.out)}
	url, err := r.told.ReadString('\n')
	if err != nil {
		p.stop()
		return nil, fmt.Errorf("start the bulk endpoint: %w", err)
	}
	r.url = strings.TrimSpace(url)
	return r, nil
}

// until waits for so many documents; each bulk is told, if told is not nil.
func (r *receiver) until(documents int, told func(tally)) error {
	for r.Documents < documents {
		line, err := r.told.ReadBytes('\n')
		if err == io.EOF {
			return fmt.Errorf("it ended after %d of %d documents", r.Documents, documents)
		}
		if err != nil {
			return err
		}
		if err := json.Unmarshal(line, &r.tally); err != nil {
			return fmt.Errorf("the bulk endpoint said %q: %w", line, err)
		}
		if told != nil {
			told(r.tally)
		}
	}
	return nil
}

// shipping is a shipper at work, and the endpoint that it sends to.
type shipping struct {
	*subject
	*receiver
	began time.Time
}

// start starts an endpoint and a shipper.
func (s shipper) start(dir, file string) (*shipping, error) {
	to, err := receive(anyPort)
	if err != nil {
		return nil, err
	}
	began := time.Now()
	from, err := s.shipTo(dir, to.url, file)
	if err != nil {
		to.process.stop()
		return nil, err
	}
	to.endWith(from)
	return &shipping{from, to, began}, nil
}

// endWith ends the endpoint with a shipper, which prints nothing: when that ends
// before its time, there is nothing to wait for.
func (r *receiver) endWith(from *subject) {
	go func() {
		io.Copy(io.Discard, from.out)
		r.process.cmd.Process.Kill()
	}()
}

// shipTo starts the shipper alone.
func (s shipper) shipTo(dir, url, file string) (*subject, error) {
	args, err := s.command(dir, url, file)
	if err != nil {
		return nil, err
	}
	return start(s.env, args[0], args[1:]...)
}

// end stops both.
func (r *shipping) end() {
	r.subject.stop()
	r.process.stop()
}
