// Package sink says what an output is. Each output has a folder of its own.
package sink

import (
	"errors"
	"time"

	"logging.taco/sidecar/follow"
)

// Sink delivers batches of ranges, one after the other, from one goroutine.
type Sink interface {
	// Deliver returns nil once every record of the batch has its final
	// outcome. A range whose bytes were no longer there gets Stale set: none
	// of its records was delivered. An error ends the program; no range of
	// the batch counts as delivered.
	Deliver(batch []follow.Range) error
	// Limits says what a batch should be.
	Limits() Limits
	// Metrics are the output's own; any goroutine may ask.
	Metrics() []Metric
}

// Limits of a batch. Zero: each range is a batch, at once.
type Limits struct {
	Bytes int64         // a batch is full with so many bytes of ranges
	Every time.Duration // batches that are not full begin no more often
}

// ErrStale: the file was truncated between the finding of a range and the
// taking of its bytes.
var ErrStale = errors.New("the file was truncated meanwhile")
