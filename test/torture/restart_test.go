package torture

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

func TestRestart(t *testing.T) {
	type world struct {
		*testing.T
		name string
		l    *log
	}
	for _, c := range []struct {
		title string
		down  func(w world) // while no agent runs; 20 lines a 000000… were delivered
		want  []string      // what the second agent delivers
	}{
		{"nothing new", func(w world) {}, nil},
		{"lines while down", func(w world) { w.l.write("b 1\n") }, []string{"b 1"}},
		{"rotated while down", func(w world) {
			w.l.write("b 1\n")
			w.l.rotate(w.name + ".1")
			w.l.write("b 2\n")
		}, []string{"b 1", "b 2"}},
		{"rotated twice while down", func(w world) {
			w.l.write("b 1\n")
			w.l.rotate(w.name + ".1")
			w.l.write("b 2\n")
			must(w.T, os.Rename(w.name+".1", w.name+".2"))
			w.l.rotate(w.name + ".1")
			w.l.write("b 3\n")
		}, []string{"b 1", "b 2", "b 3"}},
		{"truncated while down", func(w world) {
			must(w.T, os.Truncate(w.name, 0))
			w.l.write("b 1\n")
		}, []string{"b 1"}},
		{"copied and truncated while down", func(w world) {
			w.l.write("b 1\n")
			w.l.copytruncate(w.name + ".1")
			w.l.write("b 2\n")
		}, []string{"b 1", "b 2"}},
		{"refilled while down to a larger size", func(w world) {
			must(w.T, os.Truncate(w.name, 0))
			w.l.write(text(numbered("b", 0, 40)))
		}, numbered("b", 0, 40)},
		{"removed and made anew while down, perhaps with the same inode", func(w world) {
			w.l.f.Close()
			must(w.T, os.Remove(w.name))
			w.l.f = create(w.T, w.name).f
			w.l.write(text(numbered("b", 0, 40)))
		}, numbered("b", 0, 40)},
	} {
		for _, end := range []string{"stop", "kill"} {
			t.Run(c.title+"/"+end, func(t *testing.T) {
				dir := t.TempDir()
				name, state := filepath.Join(dir, "a.log"), filepath.Join(dir, "state")
				w := world{t, name, create(t, name)}
				before := text(numbered("a", 0, 20))
				w.l.write(before)
				a := stream(t, "--state", state, name)
				a.untilLines(20)
				if end == "stop" {
					equal(t, a.stop(), before)
				} else {
					// The last delivery's slot may be a moment behind its output.
					eventually(t, "the checkpoint", func() bool {
						return len(positions(t, state)) == 1 && positions(t, state)[0].Offset == int64(len(before))
					})
					equal(t, a.kill(), before)
				}
				c.down(w)
				a = stream(t, "--state", state, name)
				a.untilLines(len(c.want))
				w.l.write("c end\n")
				a.untilLines(len(c.want) + 1)
				equal(t, a.stop(), text(append(append([]string(nil), c.want...), "c end")))
			})
		}
	}
}

func TestSinkThatNeverTakesAnything(t *testing.T) {
	dir := t.TempDir()
	name, state := filepath.Join(dir, "a.log"), filepath.Join(dir, "state")
	want := text(numbered("a", 0, 200_000)) // more than both pipes hold
	create(t, name).write(want)
	r, w, err := os.Pipe()
	must(t, err)
	defer r.Close()
	cmd := command("stream", "--state", state, name)
	cmd.Stdout = w
	must(t, cmd.Start())
	w.Close()
	eventually(t, "the checkpoint", func() bool {
		_, err := os.Stat(filepath.Join(state, "checkpoint"))
		return err == nil
	})
	cmd.Process.Kill()
	cmd.Wait()
	if got := offsetOf(t, state, name); got >= int64(len(want)) {
		t.Fatalf("offset %d says that all is delivered", got)
	}
	a := stream(t, "--state", state, name)
	at := offsetOf(t, state, name)
	a.until("the end", func(out string) bool { return strings.HasSuffix(out, want[len(want)-14:]) })
	if got := a.stop(); !strings.HasSuffix(want, got) || int64(len(want)-len(got)) > at {
		t.Errorf("the second start delivered %d of %d bytes", len(got), len(want))
	}
}

func TestGraceEndsABlockedDelivery(t *testing.T) {
	name := filepath.Join(t.TempDir(), "a.log")
	create(t, name).write(text(numbered("a", 0, 200_000)))
	r, w, err := os.Pipe()
	must(t, err)
	defer r.Close()
	cmd := command("stream", "--grace=100ms", name)
	var stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = w, &stderr
	must(t, cmd.Start())
	w.Close()
	_, err = r.Read(make([]byte, 1)) // it runs
	must(t, err)
	must(t, cmd.Process.Signal(os.Interrupt))
	cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != 3 {
		t.Errorf("exit status %d, want 3", code)
	}
	if !strings.Contains(stderr.String(), "undelivered") || !strings.Contains(stderr.String(), name) {
		t.Errorf("stderr does not tell what is undelivered: %s", stderr.String())
	}
}

func TestCorruptCheckpoint(t *testing.T) {
	dir := t.TempDir()
	name, state := filepath.Join(dir, "a.log"), filepath.Join(dir, "state")
	create(t, name).write("one\n")
	must(t, os.Mkdir(state, 0o755))
	must(t, os.WriteFile(filepath.Join(state, "checkpoint"), []byte("rubbish"), 0o644))
	a := stream(t, "--state", state, name)
	a.untilLines(1)
	equal(t, a.stop(), "one\n")
	if n := strings.Count(a.said(), "\n"); n != 1 || !strings.Contains(a.said(), "checkpoint.bad") {
		t.Errorf("want one message that names checkpoint.bad, got: %s", a.said())
	}
	if b, _ := os.ReadFile(filepath.Join(state, "checkpoint.bad")); string(b) != "rubbish" {
		t.Errorf("the bad checkpoint was not kept: %q", b)
	}
}

// TestKilledAtRandomPoints kills the agent again and again under load and
// rotation: no line may be missing, and each kill may repeat one delivery.
func TestKilledAtRandomPoints(t *testing.T) {
	kills := 30
	if testing.Short() {
		kills = 5
	}
	seed := uint64(time.Now().UnixNano())
	t.Log("seed", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	dir := t.TempDir()
	name, state := filepath.Join(dir, "a.log"), filepath.Join(dir, "state")
	l := create(t, name)
	l.write("a 000000\n")

	stop := make(chan bool)
	var wg sync.WaitGroup
	var written int
	wg.Go(func() {
		size := 0
		for written = 1; ; written++ {
			line := fmt.Sprintf("a %06d\n", written)
			l.write(line)
			if size += len(line); size > 40_000 {
				size = 0
				l.rotate(fmt.Sprintf("%s.%d", name, written))
			}
			select {
			case <-stop:
				return
			case <-time.After(20 * time.Microsecond):
			}
		}
	})
	var all []string
	for range kills {
		a := stream(t, "--state", state, name)
		a.untilLines(1)
		time.Sleep(time.Duration(rnd.IntN(60)) * time.Millisecond)
		lines := strings.SplitAfter(a.kill(), "\n")
		all = append(all, lines[:len(lines)-1]...) // the last may be torn
	}
	close(stop)
	wg.Wait()
	a := stream(t, "--state", state, name)
	last := fmt.Sprintf("a %06d\n", written)
	a.until("the last line", func(out string) bool { return strings.HasSuffix(out, last) })
	all = append(all, strings.SplitAfter(strings.TrimSuffix(a.stop(), "\n"), "\n")...)

	next, repeated, backs := 0, 0, 0
	for _, line := range all {
		var n int
		if _, err := fmt.Sscanf(line, "a %06d", &n); err != nil {
			t.Fatalf("a line that nobody wrote: %q", line)
		}
		switch {
		case n == next:
			next++
		case n < next:
			if n != next-1 {
				backs++
			}
			repeated += next - n
			next = n + 1
		default:
			t.Fatalf("lines %d to %d are missing", next, n-1)
		}
	}
	if next != written+1 {
		t.Errorf("%d lines of %d", next, written+1)
	}
	t.Logf("%d lines, %d kills, %d lines repeated in %d places", written+1, kills, repeated, backs)
	if backs > kills {
		t.Errorf("repeated in %d places by %d kills", backs, kills)
	}
}

// TestFullStateFolder has the checkpoint on a disk without space.
func TestFullStateFolder(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can mount a small disk; run as root")
	}
	dir := t.TempDir()
	name, state := filepath.Join(dir, "a.log"), filepath.Join(dir, "state")
	must(t, os.Mkdir(state, 0o755))
	must(t, syscall.Mount("tmpfs", state, "tmpfs", 0, "size=64k"))
	t.Cleanup(func() { syscall.Unmount(state, syscall.MNT_DETACH) })
	filler := filepath.Join(state, "filler")
	if err := os.WriteFile(filler, make([]byte, 128<<10), 0o644); err == nil {
		t.Fatal("the disk is not full")
	}
	l := create(t, name)
	l.write("a 1\n")
	a := stream(t, "--state", state, name)
	a.untilLines(1)
	l.write("a 2\n")
	a.untilLines(2)
	if n := strings.Count(a.said(), "without its checkpoint"); n != 1 {
		t.Errorf("said %d times, want once:\n%s", n, a.said())
	}
	must(t, os.Remove(filler))
	eventually(t, "the checkpoint", func() bool {
		b, err := os.ReadFile(filepath.Join(state, "checkpoint"))
		return err == nil && len(b) > 0
	})
	equal(t, a.stop(), "a 1\na 2\n")
	if got := offsetOf(t, state, name); got != 8 {
		t.Errorf("offset %d, want 8", got)
	}
}
