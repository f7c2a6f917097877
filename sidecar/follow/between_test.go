package follow

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// collected is what a follower hands out until it is n bytes.
func collected(t *testing.T, f *Follower, n int) (all string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	for ctx.Err() == nil {
		r, ok := f.Collect()
		if !ok {
			if len(all) >= n {
				return all
			}
			f.Wait(ctx, time.Minute)
			continue
		}
		b := make([]byte, r.Length)
		if intact, err := r.Read(b); err != nil || !intact {
			t.Fatal(intact, err)
		}
		all += string(b)
		f.Ack(&r)
	}
	t.Fatalf("waited in vain for %d bytes; there are %q", n, all)
	return ""
}

func write(t *testing.T, name, content string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestBornInAnOtherOrder has the clock jump back by a day between two files of
// a path, as far as anybody can see.
func TestBornInAnOtherOrder(t *testing.T) {
	name := filepath.Join(t.TempDir(), "a.log")
	write(t, name, "a 1\n")
	f := New(Options{Sources: []Source{{Patterns: []string{name}}}})
	f.Start()
	defer f.Close()
	if got := collected(t, f, 4); got != "a 1\n" {
		t.Fatalf("got %q", got)
	}
	f.mu.Lock()
	f.queues[name].birth += int64(24 * time.Hour)
	f.mu.Unlock()

	f.watch.mu.Lock() // no look meanwhile
	for i, content := range []string{"a 2\n", "a 3\n", "a 4\n"} {
		if err := os.Rename(name, name+"."+string(rune('1'+i))); err != nil {
			t.Fatal(err)
		}
		write(t, name, content)
	}
	f.watch.mu.Unlock()
	if got := collected(t, f, 12); got != "a 2\na 3\na 4\n" {
		t.Errorf("got %q", got)
	}
}

// TestRotatedWhileItIsOpened: what comes after a file that was just opened, and
// is rotated away too before anybody has asked, is no predecessor of it.
func TestRotatedWhileItIsOpened(t *testing.T) {
	name := filepath.Join(t.TempDir(), "a.log")
	write(t, name, "a 1\n")
	f := New(Options{Sources: []Source{{Patterns: []string{name}}}})
	f.Start()
	defer f.Close()
	collected(t, f, 4)
	f.watch.mu.Lock() // nobody looks
	rotate := func(n, content string) {
		if err := os.Rename(name, name+"."+n); err != nil {
			t.Fatal(err)
		}
		write(t, name, content)
	}
	rotate("1", "a 2\n")
	rotate("2", "a 3\n")
	fd, st, err := open(name)
	if err != nil {
		t.Fatal(err)
	}
	g := &generation{id: st.id, birth: st.birth, src: &f.opt.Sources[0], fd: fd, name: name}
	defer g.close()
	rotate("3", "a 4\n")
	rotate("4", "a 5\n")
	var before []string
	for _, m := range f.between(g, name) {
		before = append(before, filepath.Base(m.name))
		m.close()
	}
	f.watch.mu.Unlock()
	if len(before) != 1 || before[0] != "a.log.2" {
		t.Errorf("before the third file there was %q", before)
	}
	if got := collected(t, f, 16); got != "a 2\na 3\na 4\na 5\n" {
		t.Errorf("got %q", got)
	}
}
