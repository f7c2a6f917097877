// Package pipeline is the agent's one loop: it collects ranges from the
// follower, has the sink deliver them, and commits where each file stands.
//
// Delivery is synchronous, so the acknowledged offset is the end of the last
// range: nothing is buffered, and a slow output holds the loop back, not
// memory. Discovery goes on beside it, and so do checkpoints of what it found.
//
// Where the sink wants batches, the files are the buffer: after a batch that
// was not full the loop lets them grow for a while before it collects again. A
// line that comes after a quiet time goes out at once.
package pipeline

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"logging.taco/sidecar/checkpoint"
	"logging.taco/sidecar/follow"
	"logging.taco/sidecar/sink"
)

// Follower turns files into ranges. *follow.Follower is the usual one and says
// what the methods do; its own loop calls them all from one goroutine.
type Follower interface {
	Collect() (follow.Range, bool)
	Ack(*follow.Range)
	Release(*follow.Range)
	Wait(ctx context.Context, atMost time.Duration)
	Look()
	Flush()
	Structure() uint64
	Positions(to []follow.Position) []follow.Position
}

// Pipeline holds the parts; all but Checkpoint are needed.
type Pipeline struct {
	Follower   Follower
	Sink       sink.Sink
	Checkpoint *checkpoint.Checkpoint // nil: nothing is remembered
	Log        *slog.Logger
	Metrics    Metrics

	// Once ends when all that is there is delivered.
	Once bool
	// Linger is how long, at most, to go on after the context's end until the files are quiet.
	Linger time.Duration

	batch []follow.Range
	due   time.Time // not before it does the next batch begin

	beside     *time.Timer // runs besideDelivery
	delivering atomic.Bool

	mu        sync.Mutex // for the checkpoint and what follows
	written   uint64     // the follower's structure that the checkpoint has
	retryAt   time.Time
	failing   bool
	positions []follow.Position
}

// Metrics receives what happened; all of it from the loop.
type Metrics interface {
	Delivered(source int, bytes int64, records int) // records: 0 where nobody has counted
	Stale()
	CheckpointWritten(at time.Time)
	CheckpointFailed()
}

// Timers of the loop.
const (
	idleWait     = time.Minute     // the follower wakes the loop; this only bounds a mistake
	quiet        = 5 * time.Second // files without a new byte for so long are quiet, for Linger
	stateRetry   = time.Second     // between attempts to write a checkpoint that fails
	staleBackoff = 10 * time.Millisecond
	// structureEvery is how far behind the files the checkpoint may be while the output is slow.
	structureEvery = time.Second
)

// Run delivers until ctx ends, then what is left, and returns nil when all is
// delivered. An error is the sink's.
func (p *Pipeline) Run(ctx context.Context) error {
	p.beside = time.AfterFunc(structureEvery, p.besideDelivery)
	defer p.beside.Stop()
	defer p.commitAll()
	p.commitAll()
	if !p.Once {
		if err := p.follow(ctx); err != nil {
			return err
		}
		if err := p.linger(); err != nil {
			return err
		}
	}
	for _, last := range []func(){p.Follower.Look, p.Follower.Flush} {
		last()
		if _, err := p.drain(); err != nil {
			return err
		}
	}
	return nil
}

func (p *Pipeline) follow(ctx context.Context) error {
	for ctx.Err() == nil {
		any, err := p.step()
		if err != nil {
			return err
		}
		if !any {
			p.Follower.Wait(ctx, p.untilRetry())
		}
		p.pace(ctx)
	}
	return nil
}

// pace waits until the next batch may begin, or until ctx ends.
func (p *Pipeline) pace(ctx context.Context) {
	if wait := time.Until(p.due); wait > 0 && !p.due.IsZero() {
		t := time.NewTimer(wait)
		defer t.Stop()
		select {
		case <-ctx.Done():
		case <-t.C:
		}
	}
}

// linger goes on until no byte has come for a while.
func (p *Pipeline) linger() error {
	end := time.Now().Add(p.Linger)
	last := time.Now()
	for now := last; now.Before(end) && now.Sub(last) < quiet; now = time.Now() {
		any, err := p.drain()
		if err != nil {
			return err
		}
		if any {
			last = time.Now()
		}
		p.Follower.Wait(context.Background(), min(time.Until(end), quiet-time.Since(last)))
	}
	return nil
}

// drain delivers until there is nothing more now, and tells whether there was anything.
func (p *Pipeline) drain() (any bool, err error) {
	for {
		more, err := p.step()
		if err != nil || !more {
			return any, err
		}
		any = true
	}
}

// step delivers one batch. False: there is nothing now.
func (p *Pipeline) step() (bool, error) {
	limits := p.Sink.Limits()
	full := p.collect(limits.Bytes)
	p.commitStructure()
	if len(p.batch) == 0 {
		return false, nil
	}
	if limits.Every > 0 && !full {
		p.due = time.Now().Add(limits.Every)
	}
	if err := p.deliver(); err != nil {
		for i := range p.batch {
			p.Follower.Release(&p.batch[i])
		}
		return false, err
	}
	stale := false
	for i := range p.batch {
		r := &p.batch[i]
		if r.Stale {
			p.Follower.Release(r)
			if r.Fault == nil { // else the follower tries again in a while
				stale = true
				p.Metrics.Stale()
			}
			continue
		}
		p.Follower.Ack(r)
		p.Metrics.Delivered(r.Source, r.Length, r.Records)
		p.commit(r)
	}
	if stale {
		p.Follower.Wait(context.Background(), staleBackoff)
	}
	return true, nil
}

// collect fills the batch, and tells whether it is full.
func (p *Pipeline) collect(atLeast int64) bool {
	p.batch = p.batch[:0]
	for sum := int64(0); ; {
		r, ok := p.Follower.Collect()
		if !ok {
			return false
		}
		p.batch = append(p.batch, r)
		if sum += r.Length; sum >= atLeast || r.More {
			return true
		}
	}
}

// deliver has the sink deliver the batch. However long that takes, the
// checkpoint learns of files that come and go meanwhile.
func (p *Pipeline) deliver() error {
	if p.Checkpoint == nil {
		return p.Sink.Deliver(p.batch)
	}
	p.delivering.Store(true)
	defer p.delivering.Store(false)
	p.beside.Reset(structureEvery)
	return p.Sink.Deliver(p.batch)
}

// besideDelivery runs now and then while a delivery takes long.
func (p *Pipeline) besideDelivery() {
	if p.delivering.Load() {
		p.commitStructure()
		p.beside.Reset(structureEvery)
	}
}

// commitStructure writes the checkpoint if the set of files is another one than it has.
func (p *Pipeline) commitStructure() {
	if p.Checkpoint == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.Follower.Structure() != p.written {
		p.commitAllLocked()
	}
}

// commit writes where the range's generation stands.
func (p *Pipeline) commit(r *follow.Range) {
	if p.Checkpoint == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	pos := r.Position()
	known, err := p.Checkpoint.Update(&pos)
	if !known && err == nil {
		p.written = 0
		p.commitAllLocked()
		return
	}
	p.wrote(err)
}

// commitAll writes the whole checkpoint, unless an attempt has just failed.
func (p *Pipeline) commitAll() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.commitAllLocked()
}

func (p *Pipeline) commitAllLocked() {
	if p.Checkpoint == nil || p.failing && time.Now().Before(p.retryAt) {
		return
	}
	structure := p.Follower.Structure()
	p.positions = p.Follower.Positions(p.positions[:0])
	err := p.Checkpoint.Replace(p.positions)
	if err == nil {
		p.written = structure
	}
	p.wrote(err)
}

func (p *Pipeline) wrote(err error) {
	now := time.Now()
	if err == nil {
		if p.failing {
			p.Log.Info("the checkpoint is written again")
		}
		p.failing = false
		p.Metrics.CheckpointWritten(now)
		return
	}
	p.Metrics.CheckpointFailed()
	if !p.failing {
		p.Log.Warn("delivery goes on without its checkpoint: a restart will repeat lines; trying again", "error", err)
	}
	p.failing, p.retryAt, p.written = true, now.Add(stateRetry), 0
}

func (p *Pipeline) untilRetry() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.failing {
		return stateRetry
	}
	return idleWait
}
