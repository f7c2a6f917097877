//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

func TestLock(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	c, err := locate("x")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.lockExisting(t.Context()); !errors.Is(err, os.ErrNotExist) {
		t.Fatalf("lock what is not there: %v", err)
	}
	first, err := c.lock(t.Context())
	if err != nil {
		t.Fatal(err)
	}

	// Who is told to stop waiting stops.
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("^C")
	cancel(why)
	if _, err := c.lock(ctx); !errors.Is(err, why) {
		t.Errorf("lock a second time: %v, want %v", err, why)
	}

	// Who waits while the folder is removed gets the next one.
	second := make(chan error)
	go func() {
		d, err := c.lock(t.Context())
		if err == nil {
			var info os.FileInfo
			if info, err = d.Stat(); err == nil {
				var now os.FileInfo
				if now, err = os.Lstat(c.Data); err == nil && !os.SameFile(info, now) {
					err = errors.New("locked what is no longer there")
				}
			}
			d.Close()
		}
		second <- err
	}()
	waiting := func() error {
		fds, err := filepath.Glob("/proc/self/fd/*")
		var n int
		for _, fd := range fds {
			if to, _ := os.Readlink(fd); to == c.Data {
				n++
			}
		}
		if n < 2 {
			return fmt.Errorf("%d open the folder, want 2 (%v)", n, err)
		}
		return nil
	}
	if err := poll(t.Context(), waiting); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(c.Data); err != nil {
		t.Fatal(err)
	}
	first.Close()
	if err := <-second; err != nil {
		t.Error(err)
	}
}
