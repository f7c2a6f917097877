package follow

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// started follows the files in a folder.
func started(t *testing.T, o Options, patterns ...string) *Follower {
	t.Helper()
	o.Sources = []Source{{Patterns: patterns}}
	f := New(o)
	f.Start()
	t.Cleanup(f.Close)
	return f
}

func TestOneRangeOfAPathAtATime(t *testing.T) {
	dir := t.TempDir()
	a, b := filepath.Join(dir, "a.log"), filepath.Join(dir, "b.log")
	write(t, a, strings.Repeat("a line\n", 100))
	write(t, b, "b\n")
	f := started(t, Options{MaxRange: 70}, a, b)
	first, ok := f.Collect()
	other, ok2 := f.Collect()
	if !ok || !ok2 || first.Path != a || other.Path != b {
		t.Fatalf("%v %q, %v %q", ok, first.Path, ok2, other.Path)
	}
	if err := os.Rename(a, a+".1"); err != nil {
		t.Fatal(err)
	}
	write(t, a, "its successor\n")
	f.Look()
	if r, ok := f.Collect(); ok {
		t.Fatalf("%q from %d, though %d is not acknowledged", r.Path, r.Offset, first.Offset)
	}
	f.Ack(&first)
	if r, ok := f.Collect(); !ok || r.Offset != 70 {
		t.Errorf("%v: %q from %d, want the next range", ok, r.Path, r.Offset)
	}
}

// TestEveryPathHasItsTurn: a file with a long backlog does not hold back others.
func TestEveryPathHasItsTurn(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "a.log"), strings.Repeat("a line\n", 1000))
	write(t, filepath.Join(dir, "b.log"), strings.Repeat("a line\n", 1000))
	f := started(t, Options{MaxRange: 70}, filepath.Join(dir, "*.log"))
	last := ""
	for i := range 10 {
		r, ok := f.Collect()
		if !ok || r.Path == last {
			t.Fatalf("range %d is of %q, as the one before", i, r.Path)
		}
		last = r.Path
		f.Ack(&r)
	}
	c := filepath.Join(dir, "c.log")
	write(t, c, "c\n")
	f.Look()
	for range 3 {
		r, _ := f.Collect()
		f.Ack(&r)
		if r.Path == c {
			return
		}
	}
	t.Error("the new file waits for the others' backlog")
}

// TestIntactOrNot truncates files between the finding of a range and the
// taking of its bytes.
func TestIntactOrNot(t *testing.T) {
	for _, c := range []struct {
		title  string
		do     func(name string)
		intact bool
	}{
		{"nothing", func(string) {}, true},
		{"grown", func(name string) { appendTo(t, name, "more\n") }, true},
		{"cut", func(name string) { os.Truncate(name, 4) }, false},
		{"truncated", func(name string) { os.Truncate(name, 0) }, false},
		{"refilled", func(name string) { write(t, name, "one\nTWO\nthree\n") }, false},
	} {
		name := filepath.Join(t.TempDir(), "a.log")
		write(t, name, "one\ntwo\n")
		f := started(t, Options{}, name)
		r, ok := f.Collect()
		if !ok {
			t.Fatal("there is nothing")
		}
		c.do(name)
		intact, err := r.Read(make([]byte, r.Length))
		if err != nil || intact != c.intact || r.Intact() != c.intact {
			t.Errorf("%s: read %v, intact %v, %v; want %v", c.title, intact, r.Intact(), err, c.intact)
		}
	}
}
