package torture

import (
	"bytes"
	"fmt"
	"io"
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
		{"renamed while down to a name of another kind", func(w world) {
			w.l.write("b 1\n")
			w.l.rotate(filepath.Join(filepath.Dir(w.name), "the old one"))
			w.l.write("b 2\n")
		}, []string{"b 1", "b 2"}},
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
		{"made anew while down with the same first lines, perhaps with the same inode", func(w world) {
			w.l.f.Close()
			must(w.T, os.Remove(w.name))
			w.l.f = create(w.T, w.name).f
			w.l.write(text(numbered("a", 0, 20)) + "b 1\n")
		}, append(numbered("a", 0, 20), "b 1")},
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

// TestGoneWhileDown: what was in a file that nobody finds any more is lost, and
// that is said, once.
func TestGoneWhileDown(t *testing.T) {
	dir := t.TempDir()
	name, state := filepath.Join(dir, "a.log"), filepath.Join(dir, "state")
	l := create(t, name)
	l.write("a 1\n")
	a := stream(t, "--state", state, filepath.Join(dir, "*.log"))
	a.untilLines(1)
	a.stop()
	l.write("a 2\n")
	must(t, os.Remove(name))
	b := create(t, filepath.Join(dir, "b.log"))
	said := ""
	for i := range 2 {
		b.write(fmt.Sprintf("b %d\n", i))
		a = stream(t, "--state", state, filepath.Join(dir, "*.log"))
		a.untilLines(1)
		equal(t, a.stop(), fmt.Sprintf("b %d\n", i))
		said += a.said()
	}
	if n := strings.Count(said, "is gone; what it held after the offset is unknown\" file="+name+" offset=4"); n != 1 {
		t.Errorf("said %d times, want once:\n%s", n, said)
	}
}

func TestSinkThatNeverTakesAnything(t *testing.T) {
	dir := t.TempDir()
	name, state := filepath.Join(dir, "a.log"), filepath.Join(dir, "state")
	want := text(numbered("a", 0, 200_000)) // more than both pipes hold
	create(t, name).write(want)
	cmd := command("stream", "--state", state, name)
	r := unread(t, cmd)
	eventually(t, "the checkpoint", func() bool {
		_, err := os.Stat(filepath.Join(state, "checkpoint"))
		return err == nil
	})
	eventually(t, "the pipe is full", func() bool { return inPipe(t, r) >= 64<<10 })
	for was := -1; was != inPipe(t, r); time.Sleep(20 * time.Millisecond) {
		was = inPipe(t, r)
	}
	cmd.Process.Kill()
	cmd.Wait()
	if got, taken := offsetOf(t, state, name), inPipe(t, r); got > int64(taken) {
		t.Fatalf("offset %d says more is delivered than the %d bytes in the pipe", got, taken)
	}
	a := stream(t, "--state", state, name)
	at := offsetOf(t, state, name)
	a.until("the end", func(out string) bool { return strings.HasSuffix(out, want[len(want)-14:]) })
	if got := a.stop(); !strings.HasSuffix(want, got) || int64(len(want)-len(got)) > at {
		t.Errorf("the second start delivered %d of %d bytes", len(got), len(want))
	}
}

// TestRotatedWhileTheOutputIsBlocked: what was found meanwhile is in the
// checkpoint, so that the next agent finds it under any name.
func TestRotatedWhileTheOutputIsBlocked(t *testing.T) {
	dir := t.TempDir()
	name, state := filepath.Join(dir, "a.log"), filepath.Join(dir, "state")
	lines := numbered("a", 0, 200_000) // more than both pipes hold
	l := create(t, name)
	l.write(text(lines))
	cmd := command("stream", "--state", state, name)
	r := unread(t, cmd)
	eventually(t, "the pipe has something", func() bool { return inPipe(t, r) > 0 })
	l.rotate(filepath.Join(dir, "first"))
	l.write("a second\n")
	eventually(t, "both are in the checkpoint", func() bool { return len(positions(t, state)) == 2 })
	cmd.Process.Kill()
	cmd.Wait()
	l.rotate(filepath.Join(dir, "then"))
	l.write("a third\n")
	a := stream(t, "--state", state, name)
	a.until("the end", func(out string) bool { return strings.HasSuffix(out, "a third\n") })
	if all, got := text(lines)+"a second\na third\n", a.stop(); !strings.HasSuffix(all, got) || len(got) < len(all)-1<<20 {
		t.Errorf("%d bytes; they end with %q", len(got), tail([]byte(got)))
	}
}

// TestKillRepeatsOneDelivery writes a line at a time, each of them a delivery.
func TestKillRepeatsOneDelivery(t *testing.T) {
	dir := t.TempDir()
	name, state := filepath.Join(dir, "a.log"), filepath.Join(dir, "state")
	l := create(t, name)
	n := 0
	for range 10 {
		a := stream(t, "--state", state, name)
		eventually(t, "the file is open", func() bool { return opened(a, name) })
		for range 5 {
			l.write(fmt.Sprintf("a %06d\n", n))
			n++
			a.until("the line", func(out string) bool { return strings.HasSuffix(out, fmt.Sprintf("a %06d\n", n-1)) })
		}
		if out := a.kill(); strings.Count(out, "\n") > 5+1 {
			t.Fatalf("after the kill before, more than one line came again:\n%s", out)
		}
	}
}

// TestGraceEndsABlockedDelivery: the next start sends the delivery again that
// was under way, and nothing before it.
func TestGraceEndsABlockedDelivery(t *testing.T) {
	dir := t.TempDir()
	name, state := filepath.Join(dir, "a.log"), filepath.Join(dir, "state")
	all := text(numbered("a", 0, 200_000))
	create(t, name).write(all)
	cmd := command("stream", "--grace=100ms", "--state", state, name)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	r := unread(t, cmd)
	_, err := r.Read(make([]byte, 1)) // it runs
	must(t, err)
	eventually(t, "the pipe is full", func() bool { return inPipe(t, r) >= 60<<10 })
	must(t, cmd.Process.Signal(os.Interrupt))
	late := time.AfterFunc(deadline, func() { cmd.Process.Kill() })
	defer late.Stop()
	cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != 3 {
		t.Errorf("exit status %d, want 3", code)
	}
	if !strings.Contains(stderr.String(), "undelivered") || !strings.Contains(stderr.String(), name) {
		t.Errorf("stderr does not tell what is undelivered: %s", stderr.String())
	}
	taken, err := io.ReadAll(r)
	must(t, err)
	out := all[:1] + string(taken)
	a := stream(t, "--state", state, name)
	a.until("the end", func(out string) bool { return strings.HasSuffix(out, all[len(all)-9:]) })
	rest := a.stop()
	twice := len(out) + len(rest) - len(all)
	if !strings.HasPrefix(all, out) || !strings.HasSuffix(all, rest) || twice < 0 || twice > 1<<20 {
		t.Errorf("%d bytes of %d, and then %d", len(out), len(all), len(rest))
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
	asRoot(t, "mount a small disk")
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
	address := freeAddress(t)
	a := stream(t, "--state", state, "--metrics", address, filepath.Join(dir, "*.log"))
	a.untilLines(1)
	l.write("a 2\n")
	a.untilLines(2)
	if n := strings.Count(a.said(), "without its checkpoint"); n != 1 {
		t.Errorf("said %d times, want once:\n%s", n, a.said())
	}
	if failures, at := metric(t, address, "taco_checkpoint_failures_total"), metric(t, address, "taco_checkpoint_timestamp_seconds"); failures == 0 || at != 0 {
		t.Errorf("%v failures, and it was last written at %v", failures, at)
	}
	must(t, os.Remove(filler))
	eventually(t, "the checkpoint", func() bool {
		b, err := os.ReadFile(filepath.Join(state, "checkpoint"))
		return err == nil && len(b) > 0
	})
	eventually(t, "the offset", func() bool { return offsetOf(t, state, name) == 8 })
	written := time.Unix(int64(metric(t, address, "taco_checkpoint_timestamp_seconds")), 0)
	if ago := time.Since(written); ago < 0 || ago > deadline {
		t.Errorf("the checkpoint was last written at %v", written)
	}

	// Full again when it has to grow: the one that is there stays.
	if err := os.WriteFile(filler, make([]byte, 128<<10), 0o644); err == nil {
		t.Fatal("the disk is not full")
	}
	want := map[string][]string{"a": {"a 1", "a 2"}}
	for i := range 300 {
		n := fmt.Sprintf("more%03d", i)
		create(t, filepath.Join(dir, n+".log")).write(n + " 1\n")
		want[n] = []string{n + " 1"}
	}
	a.untilLines(302)
	inOrder(t, a.kill(), want)
	if got := offsetOf(t, state, name); got != 8 {
		t.Errorf("offset %d, want 8", got)
	}
}
