package stdout

import (
	"io"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestBlockedGrows while nobody reads, and is not less when that is over.
func TestBlockedGrows(t *testing.T) {
	for _, way := range []string{"write", "splice"} {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		s := New(int(w.Fd()), nil)
		full := make([]byte, 2*pipeSize)
		done := make(chan error)
		go func() {
			if way == "write" {
				done <- s.write(full)
				return
			}
			if err := s.write(full[:pipeSize]); err != nil {
				done <- err
				return
			}
			own, err := unix.Write(s.pipe.w, full[:1])
			if err == nil {
				err = s.pipe.forward(own, &s.stats)
			}
			done <- err
		}()
		for more, end := time.Duration(0), time.Now().Add(20*time.Second); more < 20*time.Millisecond; {
			if now := s.stats.blocked.total(); now > more {
				more = now
			}
			if time.Now().After(end) {
				t.Fatalf("%s: blocked for %v, it says", way, more)
			}
		}
		before := s.stats.blocked.total()
		go io.Copy(io.Discard, r)
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		after := s.stats.blocked.total()
		if after < before || after != s.stats.blocked.total() {
			t.Errorf("%s: blocked for %v, then %v, and now %v", way, before, after, s.stats.blocked.total())
		}
		w.Close()
	}
}
