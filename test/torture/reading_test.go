package torture

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"logging.taco/sidecar/checkpoint"
)

func TestLinesPresentBeforeTheStart(t *testing.T) {
	dir := t.TempDir()
	name, state := filepath.Join(dir, "a.log"), filepath.Join(dir, "state")
	create(t, name).write("one\n\n\ntwo\n")
	a := stream(t, "--state", state, name)
	a.untilLines(4)
	equal(t, a.stop(), "one\n\n\ntwo\n")
	if got := offsetOf(t, state, name); got != sizeOf(t, name) {
		t.Errorf("offset %d, want the file's size %d", got, sizeOf(t, name))
	}
}

func TestHalfLineThenItsRest(t *testing.T) {
	name := filepath.Join(t.TempDir(), "a.log")
	l := create(t, name)
	a := stream(t, "--flush-timeout=30s", name)
	l.write("first\nhalf")
	a.untilLines(1)
	time.Sleep(500 * time.Millisecond) // the writer's pause; a half line that goes out does so in it
	l.write(" and rest\n")
	a.untilLines(2)
	equal(t, a.stop(), "first\nhalf and rest\n")
}

func TestUnfinishedLineGoesOutAfterTheFlushTimeout(t *testing.T) {
	name := filepath.Join(t.TempDir(), "a.log")
	const flush = 700 * time.Millisecond
	a := stream(t, "--flush-timeout", flush.String(), name)
	began := time.Now()
	create(t, name).write("a\nb")
	a.untilLines(2)
	if d := time.Since(began); d < flush {
		t.Errorf("b came after %v, before the flush time-out of %v", d, flush)
	}
	equal(t, a.stop(), "a\nb\n")
}

func TestHalfLineIsNeverJoinedWithTheNextFile(t *testing.T) {
	name := filepath.Join(t.TempDir(), "a.log")
	l := create(t, name)
	a := stream(t, name)
	l.write("whole\nhalf")
	a.untilLines(1)
	l.rotate(name + ".1")
	l.write("fresh\n")
	a.untilLines(3)
	equal(t, a.stop(), "whole\nhalf\nfresh\n")
}

func TestLongLines(t *testing.T) {
	const limit = 4096
	dir := t.TempDir()
	name, state := filepath.Join(dir, "a.log"), filepath.Join(dir, "state")
	long := func(n int) string { return strings.Repeat("x", n) }
	create(t, name).write("short\n" + long(limit) + "\n" + long(limit+1) + "\n" + long(3*limit) + "\nend\n")
	a := stream(t, "--state", state, "--max-line=4KiB", name)
	want := "short\n" + long(limit) + "\n" + long(limit) + "\nx\n" + strings.Repeat(long(limit)+"\n", 3) + "end\n"
	a.untilLines(strings.Count(want, "\n"))
	equal(t, a.stop(), want)
	if got := offsetOf(t, state, name); got != sizeOf(t, name) {
		t.Errorf("offset %d, want %d", got, sizeOf(t, name))
	}
}

func TestMixedLineEndings(t *testing.T) {
	dir := t.TempDir()
	name, state := filepath.Join(dir, "a.log"), filepath.Join(dir, "state")
	content := "unix\ndos\r\n\r\nbinary \x00\xff\xfe\nend\r\n"
	create(t, name).write(content)
	a := stream(t, "--state", state, name)
	a.untilLines(5)
	equal(t, a.stop(), content)
	if got := offsetOf(t, state, name); got != int64(len(content)) {
		t.Errorf("offset %d, want %d", got, len(content))
	}
}

func TestGigabyteWithoutNewlineKeepsMemoryFlat(t *testing.T) {
	name := filepath.Join(t.TempDir(), "a.log")
	f, err := os.Create(name)
	must(t, err)
	defer f.Close()
	chunk := bytes.Repeat([]byte("#"), 1<<20)
	chunks := 1024
	if testing.Short() {
		chunks = 128
	}
	for range chunks {
		_, err := f.Write(chunk)
		must(t, err)
	}
	for _, emit := range []string{"raw", "json"} {
		cmd := command("stream", "--flush-timeout=200ms", "--emit", emit, name)
		out, err := cmd.StdoutPipe()
		must(t, err)
		must(t, cmd.Start())
		late := time.AfterFunc(3*deadline, func() { cmd.Process.Kill() })
		count, lines := 0, 0
		for count < chunks<<20 {
			n, err := out.Read(chunk)
			count += bytes.Count(chunk[:n], []byte("#"))
			lines += bytes.Count(chunk[:n], []byte("\n"))
			if err != nil {
				t.Errorf("%s: %d bytes of %d: %v", emit, count, chunks<<20, err)
				break
			}
		}
		if rss := peakRSS(&agent{cmd: cmd}); rss > 16<<10 && os.Getenv("TACO_BUILD_FLAGS") == "" {
			t.Errorf("%s: peak RSS %d KiB", emit, rss)
		}
		if lines < chunks-1 || lines > chunks {
			t.Errorf("%s: in %d lines, want one for each MiB", emit, lines)
		}
		late.Stop()
		cmd.Process.Kill()
		cmd.Wait()
	}
}

// TestBacklogBehindABlockedOutput: what nobody takes stays in its file.
func TestBacklogBehindABlockedOutput(t *testing.T) {
	name := filepath.Join(t.TempDir(), "a.log")
	line := strings.Repeat("x", 99) + "\n"
	l := create(t, name)
	for range 64 {
		l.write(strings.Repeat(line, 1<<20/len(line)))
	}
	for _, emit := range []string{"raw", "prefix", "json"} {
		t.Run(emit, func(t *testing.T) {
			cmd := command("stream", "--emit", emit, name)
			r := unread(t, cmd)
			a := &agent{cmd: cmd}
			for range 20 { // it goes on a little, and has to wait again
				_, err := io.CopyN(io.Discard, r, 128<<10)
				must(t, err)
			}
			eventually(t, "it waits for its reader", func() bool { return inPipe(t, r) >= 60<<10 })
			if rss := peakRSS(a); rss > 16<<10 && os.Getenv("TACO_BUILD_FLAGS") == "" {
				t.Errorf("peak RSS %d KiB", rss)
			}
		})
	}
}

// TestSeveralWriters of one file, which all append: each line is there once, and
// those of a writer in its order.
func TestSeveralWriters(t *testing.T) {
	const writers, lines = 4, 5000
	name := filepath.Join(t.TempDir(), "a.log")
	a := stream(t, name)
	want := map[string][]string{}
	var done sync.WaitGroup
	for i := range writers {
		n := fmt.Sprintf("w%d", i)
		want[n] = numbered(n, 0, lines)
		l, all := create(t, name), want[n]
		done.Go(func() {
			for _, line := range all {
				l.write(line + "\n")
			}
		})
	}
	done.Wait()
	a.untilLines(writers * lines)
	inOrder(t, a.stop(), want)
}

func TestStdoutThatIsAFile(t *testing.T) {
	dir := t.TempDir()
	in, out := filepath.Join(dir, "a.log"), filepath.Join(dir, "out")
	want := text(numbered("a", 0, 10000)) + "unfinished\n"
	create(t, in).write(strings.TrimSuffix(want, "\n"))
	f, err := os.Create(out)
	must(t, err)
	defer f.Close()
	cmd := command("stream", "--once", in)
	cmd.Stdout = f
	if b, err := runFor(cmd); err != nil {
		t.Fatalf("%v\n%s", err, b)
	}
	b, err := os.ReadFile(out)
	must(t, err)
	equal(t, string(b), want)
}

func TestEmit(t *testing.T) {
	name := filepath.Join(t.TempDir(), "a.log")
	create(t, name).write("one\r\n\"two\"\t\xff\n\n")
	a := stream(t, "--once", "--emit=prefix", name)
	a.exit()
	equal(t, a.output(), name+": one\r\n"+name+": \"two\"\t\xff\n"+name+": \n")

	a = stream(t, "--once", "--emit=json", name)
	a.exit()
	lines := strings.Split(a.output(), "\n")
	for i, want := range []string{`{"log":"one","stream":"file","time":"20`, `{"log":"\"two\"\t` + "\uFFFD" + `","stream":"file","time":"20`, `{"log":"","stream`} {
		if !strings.HasPrefix(lines[i], want) {
			t.Errorf("got %s, want %s…", lines[i], want)
		}
	}
	if want := `"log_file":{"path":"` + name + `","offset":5}}`; !strings.HasSuffix(lines[1], want) {
		t.Errorf("got %s, want …%s", lines[1], want)
	}
}

// TestFromEnd leaves out what is there at the first start, and nothing after it.
func TestFromEnd(t *testing.T) {
	dir := t.TempDir()
	name, state := filepath.Join(dir, "a.log"), filepath.Join(dir, "state")
	l := create(t, name)
	l.write("old 1\nold 2\n")
	args := []string{"--from=end", "--state", state, filepath.Join(dir, "*.log")}
	a := stream(t, args...)
	eventually(t, "the file is open", func() bool { return opened(a, name) })
	eventually(t, "the checkpoint", func() bool {
		_, err := os.Stat(filepath.Join(state, checkpoint.Name))
		return err == nil && len(positions(t, state)) == 1
	})
	l.write("a 1\n")
	a.untilLines(1)
	create(t, filepath.Join(dir, "b.log")).write("b 1\n") // a file that comes later has nothing old
	a.untilLines(2)
	l.rotate(name + ".1")
	l.write("a 2\n")
	a.untilLines(3)
	out := a.stop()

	l.write("a 3\n") // the checkpoint goes before --from
	a = stream(t, args...)
	a.untilLines(1)
	equal(t, out+a.stop(), "a 1\nb 1\na 2\na 3\n")
}

// TestLinger: a plain sidecar gets its SIGTERM with the program, whose last
// lines are yet to come. The files have to be quiet for 5 s.
func TestLinger(t *testing.T) {
	t.Parallel() // it mostly waits
	name := filepath.Join(t.TempDir(), "a.log")
	l := create(t, name)
	a := stream(t, "--linger=1h", name)
	l.write("a 1\n")
	a.untilLines(1)
	must(t, a.cmd.Process.Signal(syscall.SIGTERM))
	var last time.Time
	for i := range 3 {
		time.Sleep(2 * time.Second) // the pace of the writer, not a synchronisation
		last = time.Now()
		l.write(fmt.Sprintf("a %d\n", i+2))
		a.untilLines(i + 2)
	}
	if code := a.exit(); code != 0 {
		t.Errorf("exit status %d", code)
	}
	if quiet := time.Since(last); quiet < 5*time.Second {
		t.Errorf("it has ended %v after the last line", quiet)
	}
	equal(t, a.output(), "a 1\na 2\na 3\na 4\n")

	// Its time may be over before that.
	a = stream(t, "--linger=1s", name)
	a.untilLines(4)
	began := time.Now()
	a.stop()
	if d := time.Since(began); d < time.Second || d > 5*time.Second {
		t.Errorf("it has ended after %v, not after its time of 1s", d)
	}
}

// TestStdoutThatIsGone: nobody reads any more, or nothing more fits.
func TestStdoutThatIsGone(t *testing.T) {
	name := filepath.Join(t.TempDir(), "a.log")
	create(t, name).write("a 1\n")
	r, w, err := os.Pipe()
	must(t, err)
	r.Close()
	defer w.Close()
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	must(t, err)
	defer full.Close()
	for _, out := range []*os.File{w, full} {
		cmd := command("stream", name)
		cmd.Stdout = out
		said, _ := runFor(cmd)
		if code := cmd.ProcessState.ExitCode(); code != 1 || !strings.Contains(said, "undelivered_bytes=4") {
			t.Errorf("%s: exit status %d, want 1, and 4 bytes that are not delivered:\n%s", out.Name(), code, said)
		}
	}
}
