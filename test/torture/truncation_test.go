package torture

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestTruncateThenAppend(t *testing.T) {
	dir := t.TempDir()
	name, state := filepath.Join(dir, "a.log"), filepath.Join(dir, "state")
	l := create(t, name)
	a := stream(t, "--state", state, name)
	l.write("before 1\nbefore 2\n")
	a.untilLines(2)
	for i := range 2 {
		must(t, os.Truncate(name, 0))
		l.write(fmt.Sprintf("after %d\n", i))
		a.untilLines(3 + i)
	}
	equal(t, a.stop(), "before 1\nbefore 2\nafter 0\nafter 1\n")
	if p := positions(t, state); len(p) != 1 || p[0].Epoch != 2 || p[0].Offset != 8 {
		t.Errorf("the checkpoint has %+v, want offset 8 of epoch 2", p)
	}
}

func TestTruncateToALengthThatIsNotZero(t *testing.T) {
	name := filepath.Join(t.TempDir(), "a.log")
	l := create(t, name)
	a := stream(t, name)
	l.write("keep\ncut 1\ncut 2\n")
	a.untilLines(3)
	must(t, os.Truncate(name, int64(len("keep\n"))))
	a.untilLines(4) // what is there is a new epoch: it goes out from its start
	l.write("new\n")
	a.untilLines(5)
	equal(t, a.stop(), "keep\ncut 1\ncut 2\nkeep\nnew\n")
}

// copytruncate does what logrotate's option of that name does.
func (l *log) copytruncate(to string) {
	l.t.Helper()
	b, err := os.ReadFile(l.name)
	must(l.t, err)
	must(l.t, os.WriteFile(to, b, 0o644))
	must(l.t, os.Truncate(l.name, 0))
}

func TestCopytruncateInsideTheGlob(t *testing.T) {
	for _, unread := range []bool{false, true} {
		t.Run(fmt.Sprintf("unread=%v", unread), func(t *testing.T) {
			dir := t.TempDir()
			name := filepath.Join(dir, "a.log")
			l := create(t, name)
			a := stream(t, filepath.Join(dir, "a.log*"))
			var want []string
			for round := range 2 {
				lines := numbered("a", 100*round, 100)
				want = append(want, lines...)
				l.write(text(lines[:60]))
				a.untilLines(100*round + 60)
				if unread {
					a.freeze()
				}
				l.write(text(lines[60:]))
				if !unread {
					a.untilLines(100*round + 100)
				}
				if round > 0 {
					must(t, os.Rename(name+".1", name+".2"))
				}
				l.copytruncate(name + ".1")
				if unread {
					a.thaw()
				}
			}
			l.write("a end\n")
			a.untilLines(len(want) + 1)
			equal(t, a.stop(), text(append(want, "a end")))
		})
	}
}

// TestCopyBesideTheGlob: lines that were not read before the truncation are
// taken from a copy that no path names, as logrotate calls it.
func TestCopyBesideTheGlob(t *testing.T) {
	for _, copied := range []string{"app.log.1", "app.log-20260101", "app-20260101.log"} {
		t.Run(copied, func(t *testing.T) {
			dir := t.TempDir()
			name := filepath.Join(dir, "app.log")
			l := create(t, name)
			a := stream(t, name)
			l.write("a 1\n")
			a.untilLines(1)
			a.freeze()
			l.write("a 2\na 3\n")
			l.copytruncate(filepath.Join(dir, copied))
			l.write("a 4\n")
			a.thaw()
			a.untilLines(4)
			equal(t, a.stop(), "a 1\na 2\na 3\na 4\n")
			if a.said() != "" {
				t.Errorf("nothing was lost, and it says:\n%s", a.said())
			}
		})
	}
}

// TestCopyThatIsOverwritten uses the same name for both copies.
func TestCopyThatIsOverwritten(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "a.log")
	l := create(t, name)
	a := stream(t, filepath.Join(dir, "a.log*"))
	var want []string
	for round := range 3 {
		lines := numbered("a", 50*round, 50)
		want = append(want, lines...)
		l.write(text(lines))
		a.untilLines(50 * (round + 1))
		l.copytruncate(name + ".1")
	}
	l.write("a end\n")
	a.untilLines(len(want) + 1)
	equal(t, a.stop(), text(append(want, "a end")))
}

// TestFileThatBeginsLikeAnother is no copy, though it looks like one at first.
func TestFileThatBeginsLikeAnother(t *testing.T) {
	dir := t.TempDir()
	a := stream(t, filepath.Join(dir, "*.log"))
	one := create(t, filepath.Join(dir, "app.log"))
	one.write("start\none 1\n")
	a.untilLines(2)
	two := create(t, filepath.Join(dir, "app-access.log"))
	two.write("start\n")
	two.write("two 1\n")
	a.untilLines(4)
	equal(t, a.stop(), "start\none 1\nstart\ntwo 1\n")
}

func TestEqualFilesAreBothDelivered(t *testing.T) {
	dir := t.TempDir()
	a := stream(t, filepath.Join(dir, "*.log"))
	create(t, filepath.Join(dir, "app.log")).write("start\n")
	a.untilLines(1)
	create(t, filepath.Join(dir, "app.copy.log")).write("start\n")
	a.untilLines(2) // after the time in which a truncation would have come
	equal(t, a.stop(), "start\nstart\n")
}

// TestRefilledBetweenTwoLooks: `: > f` and the same or a larger size again.
func TestRefilledBetweenTwoLooks(t *testing.T) {
	for _, lines := range []int{20, 35} {
		name := filepath.Join(t.TempDir(), "a.log")
		l := create(t, name)
		a := stream(t, name)
		l.write(text(numbered("a", 0, 20)))
		a.untilLines(20)
		a.freeze()
		must(t, os.Truncate(name, 0))
		l.write(text(numbered("b", 0, lines)))
		a.thaw()
		a.untilLines(20 + lines)
		equal(t, a.stop(), text(numbered("a", 0, 20))+text(numbered("b", 0, lines)))
	}
}

// TestWriterWithoutAppend leaves a hole when its file is truncated under it.
func TestWriterWithoutAppend(t *testing.T) {
	name := filepath.Join(t.TempDir(), "a.log")
	f, err := os.Create(name)
	must(t, err)
	defer f.Close()
	const before = 50_000
	want := text(numbered("a", 0, before))
	_, err = f.WriteString(want)
	must(t, err)
	address := freeAddress(t)
	a := stream(t, "--metrics", address, name)
	a.untilLines(before)
	must(t, os.Truncate(name, 0))
	_, err = f.WriteString("a after\n")
	must(t, err)
	a.untilLines(before + 1)
	if n := metric(t, address, `taco_skipped_bytes_total{reason="hole"}`); int(n) != len(want) {
		t.Errorf("%v bytes are counted as skipped, want %d", n, len(want))
	}
	equal(t, a.stop(), want+"a after\n")
}

// TestHoleIsNotRead: what a writer without O_APPEND leaves after a truncation
// may be large; reading a hole of a TiB would take minutes.
func TestHoleIsNotRead(t *testing.T) {
	name := filepath.Join(t.TempDir(), "a.log")
	f, err := os.Create(name)
	must(t, err)
	defer f.Close()
	if _, err = f.WriteAt([]byte("a after\n"), 1<<40); err != nil {
		t.Skip("no files so large here: ", err)
	}
	a := stream(t, name)
	a.untilLines(1)
	equal(t, a.stop(), "a after\n")
}

func TestCompressedFilesAreLeftOut(t *testing.T) {
	for ending, begins := range map[string]string{
		".gz": "\x1f\x8b\x08", ".bz2": "BZh9", ".xz": "\xfd7zXZ\x00", ".zst": "\x28\xb5\x2f\xfd", ".zip": "PK\x03\x04",
	} {
		t.Run(ending, func(t *testing.T) {
			dir := t.TempDir()
			create(t, filepath.Join(dir, "a.log.1"+ending)).write(begins + " not text\n")
			create(t, filepath.Join(dir, "a.log")).write("a 1\n")
			// Neither a name alone makes a compressed file, nor do first bytes alone.
			create(t, filepath.Join(dir, "a.log.text"+ending)).write("text 1\n")
			create(t, filepath.Join(dir, "a.log.2")).write(begins + " 1\n")
			a := stream(t, "--once", filepath.Join(dir, "a.log*"))
			a.exit()
			inOrder(t, a.output(), map[string][]string{"a": {"a 1"}, "text": {"text 1"}, begins: {begins + " 1"}})
			if n := strings.Count(a.said(), "compressed"); n != 1 {
				t.Errorf("said %d times, want once: %s", n, a.said())
			}
		})
	}
}

func TestTruncationWithoutACopyIsCounted(t *testing.T) {
	name := filepath.Join(t.TempDir(), "a.log")
	l := create(t, name)
	address := freeAddress(t)
	a := stream(t, "--flush-timeout=1m", "--metrics", address, name)
	l.write("whole\nhalf")
	a.untilLines(1)
	must(t, os.Truncate(name, 0))
	l.write("new\n")
	a.untilLines(2)
	if n := metric(t, address, `taco_discarded_bytes_total{reason="truncated"}`); n != 4 {
		t.Errorf("%v bytes are counted as lost, want 4", n)
	}
	equal(t, a.stop(), "whole\nnew\n")
	if !strings.Contains(a.said(), "truncated before it was read to its end") || !strings.Contains(a.said(), "bytes=4") {
		t.Errorf("the lost bytes are not told: %s", a.said())
	}
}
