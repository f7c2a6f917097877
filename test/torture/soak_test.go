package torture

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestSoak rotates and deletes under a slow reader: memory and descriptors
// stay flat. $TACO_TORTURE, a duration, makes it as long.
func TestSoak(t *testing.T) {
	long := 12 * time.Second
	if s := os.Getenv("TACO_TORTURE"); s != "" {
		d, err := time.ParseDuration(s)
		must(t, err)
		long = d
	}
	if testing.Short() {
		t.Skip("takes ", long)
	}
	dir := t.TempDir()
	name := filepath.Join(dir, "a.log")
	l := create(t, name)
	a := streamWith(t, []option{slowReader(5 * time.Millisecond)}, "--state", filepath.Join(dir, "state"), filepath.Join(dir, "a.log*"))
	eventually(t, "the file is open", func() bool { return opened(a, name) })
	written := 0
	round := func(i int) {
		const each = 2000
		l.write(text(numbered("a", written, each)))
		written += each
		// No program can read what is deleted before it has opened it.
		eventually(t, "the file is open", func() bool { return opened(a, name) })
		l.rotate(fmt.Sprintf("%s.%d", name, i))
		if i >= 3 {
			must(t, os.Remove(fmt.Sprintf("%s.%d", name, i-3)))
		}
		a.untilLines(written - 4*each) // the reader sets the pace
	}
	usage := func() (rss int64, fds int) {
		b, _ := os.ReadDir(fmt.Sprintf("/proc/%d/fd", a.cmd.Process.Pid))
		return status(a, "VmRSS:"), len(b)
	}
	i := 0
	for end := time.Now().Add(long / 3); time.Now().Before(end); i++ {
		round(i)
	}
	rss, fds := usage()
	for end := time.Now().Add(long * 2 / 3); time.Now().Before(end); i++ {
		round(i)
	}
	rss2, fds2 := usage()
	t.Logf("%d rotations; RSS %d, then %d KiB; descriptors %d, then %d", i, rss, rss2, fds, fds2)
	if rss2 > rss+2048 && os.Getenv("TACO_BUILD_FLAGS") == "" {
		t.Errorf("RSS grew from %d to %d KiB", rss, rss2)
	}
	// Deleted files are closed after 10 s: a steady rotation has a steady number of them.
	if i > 1000 && fds2 > 2*fds || fds2 > 4000 {
		t.Errorf("descriptors grew from %d to %d", fds, fds2)
	}
	a.fast()
	last := fmt.Sprintf("a %06d\n", written-1)
	a.until("the last line", func(out string) bool { return strings.HasSuffix(out, last) })
	equal(t, a.stop(), text(numbered("a", 0, written)))
}
