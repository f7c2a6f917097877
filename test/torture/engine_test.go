package torture

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// byName starts the sidecar with the engine that knows files by their names.
func byName(t *testing.T, args ...string) *agent {
	t.Helper()
	return stream(t, append([]string{"--engine=name"}, args...)...)
}

// term ends an agent that has delivered something already, so that it catches signals.
func term(a *agent) string {
	a.t.Helper()
	a.cmd.Process.Signal(syscall.SIGTERM)
	if code := a.exit(); code != 0 {
		a.t.Errorf("exit status %d after SIGTERM, want 0", code)
	}
	return a.output()
}

// mute fails for content on stderr.
func mute(t *testing.T, a *agent, content ...string) {
	t.Helper()
	for _, c := range content {
		if said := a.err.String(); strings.Contains(said, c) {
			t.Errorf("stderr has %q, which is content:\n%s", c, said)
		}
	}
}

func TestNameEngineReads(t *testing.T) {
	t.Parallel()
	l := create(t, filepath.Join(t.TempDir(), "a.log"))
	l.write("one\n\nthree\r\n")
	a := byName(t, l.name)
	a.untilLines(3)
	l.write("fo")
	time.Sleep(300 * time.Millisecond)
	l.write("ur\n")
	a.untilLines(4)
	l.write("\x00\xff six\n")
	a.untilLines(5)
	equal(t, term(a), "one\n\nthree\r\nfour\n\x00\xff six\n")
	if said := a.err.String(); said != "" {
		t.Errorf("stderr: %s", said)
	}
}

// An unfinished last line goes out after the flush time-out, and at the end.
func TestNameEngineFlushes(t *testing.T) {
	t.Parallel()
	l := create(t, filepath.Join(t.TempDir(), "a.log"))
	l.write("one\ntwo")
	a := byName(t, l.name)
	a.untilLines(2)
	l.write("three\nfour")
	a.untilLines(3)
	equal(t, term(a), "one\ntwo\nthree\nfour\n")
}

// All that was written before SIGTERM is delivered, seen or not.
func TestNameEngineDeliversBeforeItEnds(t *testing.T) {
	t.Parallel()
	l := create(t, filepath.Join(t.TempDir(), "a.log"))
	l.write("first\n")
	a := byName(t, filepath.Join(filepath.Dir(l.name), "*.log"))
	a.untilLines(1)
	lines := numbered("a", 0, 50_000)
	l.write(text(lines))
	other := create(t, filepath.Join(filepath.Dir(l.name), "b.log"))
	other.write("never seen by a look\n")
	inOrder(t, term(a), map[string][]string{
		"first": {"first"}, "a": lines, "never": {"never seen by a look"},
	})
}

func TestNameEngineOnce(t *testing.T) {
	t.Parallel()
	l := create(t, filepath.Join(t.TempDir(), "a.log"))
	lines := numbered("a", 0, 30_000)
	l.write(text(lines) + "unfinished")
	a := byName(t, "--once", l.name)
	if code := a.exit(); code != 0 {
		t.Errorf("exit status %d", code)
	}
	equal(t, a.output(), text(lines)+"unfinished\n")
}

// The file is renamed and created anew; what the library had not read by then is
// read all the same, and no line is joined with one of the next file.
func TestNameEngineRotation(t *testing.T) {
	t.Parallel()
	l := create(t, filepath.Join(t.TempDir(), "a.log"))
	l.write("a 000000\n")
	a := byName(t, l.name)
	a.untilLines(1)
	want := []string{"a 000000"}
	for i := range 5 {
		lines := numbered("a", i*1000+1, 1000)
		l.write(text(lines) + "half")
		l.rotate(fmt.Sprintf("%s.%d", l.name, i))
		l.write("whole\n")
		want = append(append(want, lines...), "half", "whole")
		a.untilLines(len(want))
	}
	// Renamed, and written to until its successor is there.
	must(t, os.Rename(l.name, l.name+".late"))
	time.Sleep(600 * time.Millisecond)
	l.write("late\n")
	l = create(t, l.name)
	l.write("end\n")
	want = append(want, "late", "end")
	a.untilLines(len(want))
	equal(t, term(a), text(want))
}

// A long backlog is read to its end when the file is renamed under way.
func TestNameEngineRotationOfABacklog(t *testing.T) {
	t.Parallel()
	l := create(t, filepath.Join(t.TempDir(), "a.log"))
	lines := numbered("a", 0, 200_000)
	l.write(text(lines))
	a := streamWith(t, []option{slowReader(2 * time.Millisecond)}, "--engine=name", l.name)
	a.untilLines(1)
	l.rotate(l.name + ".1")
	l.write("next\n")
	a.untilLines(len(lines) + 1)
	equal(t, term(a), text(lines)+"next\n")
}

func TestNameEngineTruncation(t *testing.T) {
	t.Parallel()
	l := create(t, filepath.Join(t.TempDir(), "a.log"))
	want := ""
	n := 0
	l.write(text(numbered("a", 0, 100)))
	a := byName(t, l.name)
	want, n = text(numbered("a", 0, 100)), 100
	a.untilLines(n)
	for i := range 3 {
		must(t, os.Truncate(l.name, 0))
		time.Sleep(600 * time.Millisecond) // longer than its poll
		more := numbered("b", i*200, 200)  // longer than before, once it is seen
		l.write(text(more))
		want, n = want+text(more), n+len(more)
		a.untilLines(n)
	}
	// Truncated and refilled beyond its size before anybody looks: the content tells.
	time.Sleep(1200 * time.Millisecond)
	must(t, os.Truncate(l.name, 0))
	all := text(numbered("c", 0, 400))
	l.write(all)
	a.until("the new content", func(out string) bool { return strings.HasSuffix(out, all) })
	if out := term(a); !strings.HasPrefix(out, want) {
		t.Errorf("%d lines; not the old ones first", strings.Count(out, "\n"))
	}
}

func TestNameEngineGlob(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	must(t, syscall.Mkfifo(filepath.Join(dir, "pipe.log"), 0o644))
	must(t, os.WriteFile(filepath.Join(dir, "old.log.gz"), []byte("\x1f\x8bpacked"), 0o644))
	must(t, os.Mkdir(filepath.Join(dir, "folder.log"), 0o755))
	want := map[string][]string{}
	a := byName(t, "--emit=raw", filepath.Join(dir, "**/*.log*"))
	n := 0
	for i, name := range []string{"a", "b", "deep/c"} {
		must(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755))
		l := create(t, filepath.Join(dir, name+".log"))
		key := filepath.Base(name)
		want[key] = numbered(key, 0, 100+i)
		l.write(text(want[key]))
		n += len(want[key])
		a.untilLines(n)
	}
	inOrder(t, term(a), want)
	mute(t, a, "packed")
	if said := strings.Count(a.err.String(), "pipe.log"); said != 1 {
		t.Errorf("the FIFO is spoken of %d times:\n%s", said, a.err.String())
	}
}

// A file that vanishes is done with; its name is free for another one.
func TestNameEngineUnlinked(t *testing.T) {
	t.Parallel()
	l := create(t, filepath.Join(t.TempDir(), "a.log"))
	l.write("one\n")
	a := byName(t, l.name)
	a.untilLines(1)
	l.write("two\n")
	must(t, os.Remove(l.name))
	a.untilLines(2)
	time.Sleep(1500 * time.Millisecond)
	l = create(t, l.name)
	l.write("three\n")
	a.untilLines(3)
	must(t, os.Remove(l.name))
	time.Sleep(11500 * time.Millisecond) // it is forgotten
	l.write("late\n")
	l = create(t, l.name)
	l.write("four\n")
	a.untilLines(4)
	equal(t, term(a), "one\ntwo\nthree\nfour\n")
}

func TestNameEngineRestart(t *testing.T) {
	t.Parallel()
	for _, end := range []string{"SIGTERM", "kill -9"} {
		t.Run(end, func(t *testing.T) {
			t.Parallel()
			dir, state := t.TempDir(), t.TempDir()
			var names []string
			for _, name := range []string{"a", "b", "c"} {
				l := create(t, filepath.Join(dir, name+".log"))
				l.write(text(numbered(name, 0, 100)))
				names = append(names, name)
			}
			pattern := filepath.Join(dir, "*.log")
			a := byName(t, "--state", state, pattern)
			a.untilLines(300)
			out := ""
			if end == "SIGTERM" {
				out = term(a)
			} else {
				for _, name := range names {
					file := filepath.Join(dir, name+".log")
					eventually(t, "the checkpoint has all", func() bool { return offsetOf(t, state, file) == sizeOf(t, file) })
				}
				out = a.kill()
			}
			want := map[string][]string{}
			for _, name := range names {
				file := filepath.Join(dir, name+".log")
				if got := offsetOf(t, state, file); got != sizeOf(t, file) {
					t.Errorf("%s: the offset is %d, its size %d", name, got, sizeOf(t, file))
				}
				want[name] = numbered(name, 0, 100)
			}
			// While it is down: a grows, b is replaced by a longer one, c is truncated and refilled.
			create(t, filepath.Join(dir, "a.log")).write(text(numbered("a", 100, 50)))
			must(t, os.Rename(filepath.Join(dir, "b.log"), filepath.Join(dir, "b.old")))
			create(t, filepath.Join(dir, "b.log")).write(text(numbered("b", 200, 300)))
			must(t, os.Truncate(filepath.Join(dir, "c.log"), 0))
			create(t, filepath.Join(dir, "c.log")).write(text(numbered("c", 300, 300)))
			want["a"] = append(want["a"], numbered("a", 100, 50)...)
			want["b"] = append(want["b"], numbered("b", 200, 300)...)
			want["c"] = append(want["c"], numbered("c", 300, 300)...)

			a = byName(t, "--state", state, pattern)
			a.untilLines(650)
			inOrder(t, out+term(a), want)
			mute(t, a, "a 0", "b 0", "c 0")
		})
	}
}

// The reason for this engine: another inode number, the same file.
func TestNameEngineOtherInode(t *testing.T) {
	t.Parallel()
	dir, state := t.TempDir(), t.TempDir()
	name := filepath.Join(dir, "a.log")
	l := create(t, name)
	lines := numbered("a", 0, 1000)
	l.write(text(lines))
	a := byName(t, "--state", state, name)
	a.untilLines(len(lines))
	// swap puts a copy in the file's place: to a program that looks, its number has changed.
	swap := func() {
		b, err := os.ReadFile(name)
		must(t, err)
		must(t, os.WriteFile(name+".copy", b, 0o644))
		must(t, os.Rename(name+".copy", name))
		l = create(t, name)
	}
	for i := range 3 {
		swap()
		more := numbered("a", (i+1)*1000, 1000)
		l.write(text(more))
		lines = append(lines, more...)
		a.untilLines(len(lines))
	}
	out := term(a)
	swap()
	l.write("a last\n")
	a = byName(t, "--state", state, name)
	a.untilLines(1)
	equal(t, out+term(a), text(lines)+"a last\n")
}

// Both engines understand the other one's checkpoint.
func TestNameEngineTakesOver(t *testing.T) {
	t.Parallel()
	state := t.TempDir()
	l := create(t, filepath.Join(t.TempDir(), "a.log"))
	var want, got string
	for i, engine := range []string{"inode", "name", "inode", "name", "name"} {
		lines := text(numbered("a", i*1000, 1000))
		l.write(lines)
		want += lines
		a := stream(t, "--engine="+engine, "--state", state, l.name)
		a.untilLines(1000)
		got += term(a)
	}
	equal(t, got, want)
}

func TestNameEngineFromEnd(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l := create(t, filepath.Join(dir, "a.log"))
	l.write("old\n")
	b := create(t, filepath.Join(dir, "b.log"))
	b.write("old\n")
	a := byName(t, "--from=end", filepath.Join(dir, "*.log"))
	eventually(t, "both are open", func() bool { return opened(a, l.name) && opened(a, b.name) })
	l.write("new\n")
	a.untilLines(1)
	c := create(t, filepath.Join(dir, "c.log"))
	c.write("from its start\n")
	a.untilLines(2)
	equal(t, term(a), "new\nfrom its start\n")
}

// Long records are split at the same places as by the default engine.
func TestNameEngineLongLines(t *testing.T) {
	t.Parallel()
	l := create(t, filepath.Join(t.TempDir(), "a.log"))
	const limit = 100 << 10
	x := bytes.Repeat([]byte("x"), 3*limit)
	for _, n := range []int{limit, limit + 1, 3 * limit, 10} {
		l.write("short\n" + string(x[:n]) + "\n")
	}
	l.write("end\n")
	var want string
	for _, engine := range []string{"inode", "name"} {
		a := stream(t, "--engine="+engine, "--max-line", fmt.Sprint(limit), "--emit=json", l.name)
		a.until("the end", func(out string) bool { return strings.Contains(out, `{"log":"end"`) })
		got := withoutTime(term(a))
		if want == "" {
			want = got
		}
		equal(t, got, want)
	}
	if n := strings.Count(want, `"split":true`); n < 5 {
		t.Errorf("only %d parts of long lines", n)
	}
}

// Records of several lines and of other charsets are those of the default engine.
func TestNameEngineRecords(t *testing.T) {
	t.Parallel()
	java := strings.Repeat("Exception in thread main\n\tat a.b(C.java:1)\n\tat a.c(C.java:2)\nplain\n", 5000)
	var wide strings.Builder
	for _, r := range "first\nsecond Ċ ੊\nthird\n" {
		wide.Write([]byte{byte(r), byte(r >> 8)})
	}
	// One record that is longer than what is usually held in memory.
	long := "Exception in thread main\n" + strings.Repeat("\tat a.b.c.d(C.java:1)\n", 10_000) + "plain\nplain\n"
	for _, c := range []struct{ flag, content string }{{"--multiline=java", java}, {"--multiline=java", long}, {"--charset=utf-16le", wide.String()}} {
		l := create(t, filepath.Join(t.TempDir(), "a.log"))
		l.write(c.content)
		var want string
		for _, engine := range []string{"inode", "name"} {
			a := stream(t, "--engine="+engine, "--emit=json", c.flag, l.name)
			a.untilLines(3)
			got := withoutTime(term(a))
			if want == "" {
				want = got
			}
			equal(t, got, want)
		}
	}
}

// withoutTime blanks the time of reading.
func withoutTime(s string) string {
	var out strings.Builder
	for line := range strings.Lines(s) {
		before, rest, _ := strings.Cut(line, `"time":"`)
		_, after, _ := strings.Cut(rest, `"`)
		out.WriteString(before + after)
	}
	return out.String()
}

// A reader that stops costs no memory and no line.
func TestNameEngineSlowReader(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	want := map[string][]string{}
	for i := range 5 {
		name := fmt.Sprintf("f%d", i)
		want[name] = numbered(name, 0, 100_000)
		create(t, filepath.Join(dir, name+".log")).write(text(want[name]))
	}
	a := streamWith(t, []option{slowReader(time.Millisecond)}, "--engine=name", filepath.Join(dir, "*.log"))
	a.untilLines(250_000)
	if kib := peakRSS(a); kib > 16<<10 && os.Getenv("TACO_BUILD_FLAGS") == "" {
		t.Errorf("%d KiB resident, with an output that is slow", kib)
	}
	a.untilLines(500_000)
	inOrder(t, term(a), want)
}

// A large file is replaced by an empty one before its end is seen, which the
// library takes for a truncation.
func TestNameEngineSmallerSuccessor(t *testing.T) {
	t.Parallel()
	l := create(t, filepath.Join(t.TempDir(), "a.log"))
	lines := numbered("a", 0, 200_000)
	l.write(text(lines))
	a := streamWith(t, []option{slowReader(2 * time.Millisecond)}, "--engine=name", l.name)
	a.untilLines(1)
	l.rotate(l.name + ".1")
	a.untilLines(len(lines))
	time.Sleep(time.Second)
	equal(t, term(a), text(lines))
}
