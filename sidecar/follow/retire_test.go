package follow

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// clock stands still until somebody moves it.
type clock struct{ at atomic.Int64 }

func newClock() *clock {
	c := &clock{}
	c.at.Store(time.Now().UnixNano()) // files are born by the real one
	return c
}

func (c *clock) now() time.Time          { return time.Unix(0, c.at.Load()) }
func (c *clock) advance(d time.Duration) { c.at.Add(int64(d)) }

// TestRetired: how long a file stays open for the writer that may still have
// it, when it was renamed or deleted and all that is in it is delivered.
func TestRetired(t *testing.T) {
	const rotations = 20
	name := filepath.Join(t.TempDir(), "a.log")
	c := newClock()
	f := started(t, Options{Now: c.now}, name)
	write(t, name, "a 00\n")
	for i := range rotations {
		f.Look()
		collected(t, f, 5)
		if err := os.Rename(name, fmt.Sprintf("%s.%02d", name, i)); err != nil {
			t.Fatal(err)
		}
		write(t, name, fmt.Sprintf("a %02d\n", i+1))
	}
	f.Look()
	collected(t, f, 5)
	after := func(d time.Duration, what string, want int64) {
		t.Helper()
		c.advance(d)
		f.Look()
		collected(t, f, 0)
		if got := f.Counts().Open; got != want {
			t.Errorf("%s: %d files are open, want %d", what, got, want)
		}
	}
	after(9*time.Second, "nothing new for 9 s", rotations+1)
	after(2*time.Second, "for 11 s", 15+1)

	// One of them that grows has its time from then on.
	c.advance(9 * time.Minute)
	appendTo(t, fmt.Sprintf("%s.%02d", name, rotations-1), "late\n")
	f.Look()
	if got := collected(t, f, 5); got != "late\n" {
		t.Errorf("got %q", got)
	}
	after(2*time.Minute, "for 11 minutes, but for one", 2)
	after(9*time.Minute, "nor that one", 1)
}

func TestDeletedIsRetired(t *testing.T) {
	name := filepath.Join(t.TempDir(), "a.log")
	c := newClock()
	f := started(t, Options{Now: c.now}, name)
	writer, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer writer.Close()
	for _, line := range []string{"a 1\n", "a 2\n"} { // the second comes when the file is deleted
		if _, err := writer.WriteString(line); err != nil {
			t.Fatal(err)
		}
		f.Look()
		if got := collected(t, f, 4); got != line {
			t.Errorf("got %q, want %q", got, line)
		}
		os.Remove(name)
		c.advance(9 * time.Second)
		f.Look()
		if collected(t, f, 0); f.Counts().Open != 1 {
			t.Errorf("%d files are open 9 s after %q", f.Counts().Open, line)
		}
	}
	c.advance(2 * time.Second)
	f.Look()
	if collected(t, f, 0); f.Counts().Open != 0 {
		t.Errorf("%d files are open 11 s after the last line", f.Counts().Open)
	}
}

// TestAbsent: most programs have not written yet when the sidecar starts.
func TestAbsent(t *testing.T) {
	dir := t.TempDir()
	c := newClock()
	var said bytes.Buffer
	f := started(t, Options{Now: c.now, Log: slog.New(slog.NewTextHandler(&said, nil))}, filepath.Join(dir, "late.log"), filepath.Join(dir, "*.none"))
	after := func(d time.Duration) string {
		c.advance(d)
		f.watch.lookNow()
		f.watch.mu.Lock() // which whoever looks holds
		defer f.watch.mu.Unlock()
		return said.String()
	}
	if got := after(29 * time.Second); got != "" {
		t.Errorf("said before half a minute was over: %s", got)
	}
	write(t, filepath.Join(dir, "late.log"), "a 1\n")
	after(2 * time.Second)
	if got := after(time.Minute); strings.Count(got, "\n") != 1 || !strings.Contains(got, "no such file so far; waiting for it\" path="+filepath.Join(dir, "*.none")) {
		t.Errorf("it says\n%s", got)
	}
}
