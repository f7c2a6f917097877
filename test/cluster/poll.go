//go:build linux

package main

import (
	"context"
	"fmt"
	"time"
)

// poll tries until it works, several times a second, or until the context is
// done. Then it returns why it was done and the error of the last try.
func poll(ctx context.Context, try func() error) error {
	every := time.NewTicker(50 * time.Millisecond)
	defer every.Stop()
	for {
		err := try()
		if err == nil {
			return nil
		}
		select {
		case <-every.C:
		case <-ctx.Done():
			return fmt.Errorf("%w; the last try: %w", context.Cause(ctx), err)
		}
	}
}
