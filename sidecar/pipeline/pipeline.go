// Package pipeline is the agent's one loop: it collects ranges from the
// follower, has the sink deliver them, and commits where each file stands.
//
// Delivery is synchronous, so the acknowledged offset is the end of the last
// range: nothing is buffered, and a slow output holds the loop back, not
// memory. Discovery goes on beside it.
package pipeline

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
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

	written   uint64 // the follower's structure that the checkpoint has
	retryAt   time.Time
	failing   bool
	positions []follow.Position
}

// Metrics receives what happened; all of it from the loop.
type Metrics interface {
	Delivered(source int, bytes int64)
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
)

// Run delivers until ctx ends, then what is left, and returns nil when all is
// delivered. An error is the sink's.
func (p *Pipeline) Run(ctx context.Context) error {
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
	}
	return nil
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

// step delivers one range. False: there is none now.
func (p *Pipeline) step() (bool, error) {
	r, ok := p.Follower.Collect()
	if p.Checkpoint != nil && p.Follower.Structure() != p.written {
		p.commitAll()
	}
	if !ok {
		return false, nil
	}
	if err := p.Sink.Deliver(&r); err != nil {
		p.Follower.Release(&r)
		if !errors.Is(err, sink.ErrStale) {
			return false, fmt.Errorf("deliver %s from offset %d: %w", r.Path, r.Offset, err)
		}
		p.Metrics.Stale()
		p.Follower.Wait(context.Background(), staleBackoff)
		return true, nil
	}
	p.Follower.Ack(&r)
	p.Metrics.Delivered(r.Source, r.Length)
	p.commit(&r)
	return true, nil
}

// commit writes where the range's generation stands.
func (p *Pipeline) commit(r *follow.Range) {
	if p.Checkpoint == nil {
		return
	}
	pos := r.Position()
	known, err := p.Checkpoint.Update(&pos)
	if !known && err == nil {
		p.written = 0
		p.commitAll()
		return
	}
	p.wrote(err)
}

// commitAll writes the whole checkpoint, unless an attempt has just failed.
func (p *Pipeline) commitAll() {
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
	if p.failing {
		return stateRetry
	}
	return idleWait
}
