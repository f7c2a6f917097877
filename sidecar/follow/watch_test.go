package follow

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// byEvents starts a follower whose slow look is as good as never: what is
// noticed is noticed by events.
func byEvents(t *testing.T, patterns ...string) *Follower {
	t.Helper()
	f := New(Options{Sources: []Source{{Patterns: patterns}}})
	f.Start()
	t.Cleanup(f.Close)
	f.mu.Lock()
	f.watch.slow = time.Hour
	f.mu.Unlock()
	// The looks that were planned before pass; then there is nothing but events.
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		f.watch.mu.Lock()
		every := f.watch.every
		f.watch.mu.Unlock()
		if every == time.Hour {
			return f
		}
		if time.Now().After(end) {
			t.Fatal("the slow look goes on")
		}
	}
}

// idle waits until what happened before asks for no more looks, so that they
// do not find what is to come. If it comes back too early a fault may be missed.
func idle(f *Follower) {
	for was := int64(-1); was != f.Counts().Looks; time.Sleep(30 * time.Millisecond) {
		was = f.Counts().Looks
	}
}

func mkdir(t *testing.T, name string) {
	t.Helper()
	if err := os.MkdirAll(name, 0o755); err != nil {
		t.Fatal(err)
	}
}

func appendTo(t *testing.T, name, content string) {
	t.Helper()
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o644)
	if err == nil {
		_, err = f.WriteString(content)
		f.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestEverythingIsNoticedByEvents(t *testing.T) {
	dir := t.TempDir()
	f := byEvents(t, filepath.Join(dir, "*.log"), filepath.Join(dir, "late", "of", "all.log"),
		filepath.Join(dir, "any", "**", "deep.log"), filepath.Join(dir, "*", "one", "x.log"))
	one := filepath.Join(dir, "a.log")
	far := t.TempDir()
	for _, c := range []struct {
		title string
		do    func()
	}{
		{"a file appears", func() { appendTo(t, one, "12345\n") }},
		{"it grows", func() { appendTo(t, one, "12345\n") }},
		{"it is renamed and another one appears", func() {
			if err := os.Rename(one, one+".1"); err != nil {
				t.Fatal(err)
			}
			appendTo(t, one, "12345\n")
		}},
		{"it is replaced by a rename", func() {
			appendTo(t, filepath.Join(dir, "new"), "12345\n")
			if err := os.Rename(filepath.Join(dir, "new"), one); err != nil {
				t.Fatal(err)
			}
		}},
		{"the folder of a plain path appears", func() { mkdir(t, filepath.Join(dir, "late")) }},
		{"the folder in it, and the file", func() {
			mkdir(t, filepath.Join(dir, "late", "of"))
			appendTo(t, filepath.Join(dir, "late", "of", "all.log"), "12345\n")
		}},
		{"the folder of ** appears", func() { mkdir(t, filepath.Join(dir, "any")) }},
		{"folders in it", func() { mkdir(t, filepath.Join(dir, "any", "x", "y")) }},
		{"a file there", func() { appendTo(t, filepath.Join(dir, "any", "x", "y", "deep.log"), "12345\n") }},
		{"it grows", func() { appendTo(t, filepath.Join(dir, "any", "x", "y", "deep.log"), "12345\n") }},
		{"a folder between", func() { mkdir(t, filepath.Join(dir, "p")) }},
		{"a folder below", func() { mkdir(t, filepath.Join(dir, "p", "one")) }},
		{"a file in it", func() { appendTo(t, filepath.Join(dir, "p", "one", "x.log"), "12345\n") }},
		{"all of that at once", func() {
			mkdir(t, filepath.Join(dir, "q", "one"))
			appendTo(t, filepath.Join(dir, "q", "one", "x.log"), "12345\n")
		}},
		{"a folder goes, and comes again", func() {
			if err := os.RemoveAll(filepath.Join(dir, "late")); err != nil {
				t.Fatal(err)
			}
			mkdir(t, filepath.Join(dir, "late", "of"))
			appendTo(t, filepath.Join(dir, "late", "of", "all.log"), "12345\n")
		}},
		{"a link to a folder that is not there", func() {
			if err := os.Symlink(filepath.Join(far, "x", "y", "far.log"), filepath.Join(dir, "link.log")); err != nil {
				t.Fatal(err)
			}
		}},
		{"that folder", func() { mkdir(t, filepath.Join(far, "x")) }},
		{"and one in that folder", func() { mkdir(t, filepath.Join(far, "x", "y")) }},
		{"the link's file", func() { appendTo(t, filepath.Join(far, "x", "y", "far.log"), "12345\n") }},
		{"it grows", func() { appendTo(t, filepath.Join(far, "x", "y", "far.log"), "12345\n") }},
		{"a file that is done with grows", func() {
			f.mu.Lock()
			g := f.names[filepath.Join(dir, "q", "one", "x.log")]
			f.mu.Unlock()
			f.retire(g)
			appendTo(t, filepath.Join(dir, "q", "one", "x.log"), "12345\n")
		}},
	} {
		idle(f)
		c.do()
		n := 6
		if strings.Contains(c.title, "folder") && !strings.Contains(c.title, "file") && !strings.Contains(c.title, "again") {
			n = 0
		}
		if got := collected(t, f, n); got != strings.Repeat("12345\n", n/6) {
			t.Errorf("%s: got %q", c.title, got)
		}
	}
}

// TestFoldersThatFillAtOnce: what is made in a folder before it is watched is found.
func TestFoldersThatFillAtOnce(t *testing.T) {
	dir := t.TempDir()
	f := byEvents(t, filepath.Join(dir, "*", "one", "*.log"))
	for i := range 300 {
		below := filepath.Join(dir, fmt.Sprint(i), "one")
		mkdir(t, below)
		write(t, filepath.Join(below, "a.log"), "12345\n")
		if got := collected(t, f, 6); got != "12345\n" {
			t.Fatalf("folder %d: got %q", i, got)
		}
	}
}

// TestOverflow has so many events that the kernel drops some.
func TestOverflow(t *testing.T) {
	dir := t.TempDir()
	grown := filepath.Join(dir, "grown.log")
	appendTo(t, grown, "1\n")
	f := byEvents(t, filepath.Join(dir, "*.log"))
	if got := collected(t, f, 2); got != "1\n" {
		t.Fatalf("got %q", got)
	}
	b, err := os.ReadFile("/proc/sys/fs/inotify/max_queued_events")
	if err != nil {
		t.Fatal(err)
	}
	var most int
	fmt.Sscan(string(b), &most)
	f.mu.Lock() // nobody takes events meanwhile
	for i := range most/2 + 1000 {
		// Two events each, of a name that does not matter.
		name := filepath.Join(dir, fmt.Sprint(i))
		write(t, name, "")
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
	}
	appendTo(t, grown, "2\n")
	appendTo(t, filepath.Join(dir, "new.log"), "3\n")
	f.mu.Unlock()
	got := collected(t, f, 4)
	if got != "2\n3\n" && got != "3\n2\n" {
		t.Errorf("got %q", got)
	}
	if n := f.Counts().Overflows; n < 1 {
		t.Errorf("%d overflows are counted", n)
	}
}
