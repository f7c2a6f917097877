package torture

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// TestHeldBytesAreBounded deletes files while the reader of stdout stands still.
func TestHeldBytesAreBounded(t *testing.T) {
	name := filepath.Join(t.TempDir(), "a.log")
	const each = 20_000 // lines a file, 9 bytes a line
	l := create(t, name)
	a := streamWith(t, []option{slowReader(400 * time.Millisecond)}, "--max-held=700KiB", name)
	const files = 10
	for i := range files {
		l.write(text(numbered("a", i*each, each)))
		eventually(t, "the file is open", func() bool { return opened(a, name) })
		must(t, os.Remove(name))
		l.f.Close()
		l.f = create(t, name).f
	}
	deleted := func() int64 {
		var sum int64
		dir := fmt.Sprintf("/proc/%d/fd", a.cmd.Process.Pid)
		fds, _ := os.ReadDir(dir)
		for _, fd := range fds {
			p := filepath.Join(dir, fd.Name())
			if to, _ := os.Readlink(p); strings.HasSuffix(to, "a.log (deleted)") {
				if st, err := os.Stat(p); err == nil {
					sum += st.Size()
				}
			}
		}
		return sum
	}
	eventually(t, "the oldest are given up", func() bool { return deleted() <= 700<<10 })
	l.write("a end\n")
	a.fast()
	a.until("the last line", func(out string) bool { return strings.HasSuffix(out, "a end\n") })
	out := a.stop()
	var given int
	for _, m := range regexp.MustCompile(`given up before it was delivered.* bytes=(\d+)`).FindAllStringSubmatch(a.said(), -1) {
		var n int
		fmt.Sscan(m[1], &n)
		given += n
	}
	if want := files*each*9 + len("a end\n") - given; len(out) != want || given == 0 {
		t.Errorf("%d bytes delivered, %d said to be given up; together they should be %d", len(out), given, want+given)
	}
	// The oldest go first: what is missing stands together, before the newest.
	there := map[string]bool{}
	for line := range strings.Lines(out) {
		there[line] = true
	}
	var missing []int
	for i := range files * each {
		if !there[fmt.Sprintf("a %06d\n", i)] {
			missing = append(missing, i)
		}
	}
	if first, last := missing[0], missing[len(missing)-1]; last-first+1 != len(missing) || last >= (files-1)*each {
		t.Errorf("of %d lines %d are missing, from %d to %d", files*each, len(missing), first, last)
	}
	if n := strings.Count(a.said(), "fill the disk"); n != 1 {
		t.Errorf("the alarm was raised %d times, want once:\n%s", n, a.said())
	}
}
