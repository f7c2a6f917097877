// Package sink says what an output is. Each output has a folder of its own.
package sink

import (
	"errors"

	"logging.taco/sidecar/follow"
)

// Sink delivers ranges, one after the other, from one goroutine.
type Sink interface {
	// Deliver returns nil once every record of the range has its final
	// outcome. ErrStale: the range's bytes were no longer there, and none of
	// them was delivered. Any other error ends the program; the range counts
	// as not delivered.
	Deliver(r *follow.Range) error
}

// ErrStale: the file was truncated between the finding of a range and the
// taking of its bytes.
var ErrStale = errors.New("the file was truncated meanwhile")
