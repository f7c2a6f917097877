package torture

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestWrongUse(t *testing.T) {
	dir := t.TempDir()
	unknown := filepath.Join(dir, "unknown.yaml")
	must(t, os.WriteFile(unknown, []byte("sources:\n- paths: [/a.log]\n  pahts: [/b.log]\n"), 0o644))
	relative := filepath.Join(dir, "relative.yaml")
	must(t, os.WriteFile(relative, []byte("state: /s\nsources:\n- paths:\n  - /a.log\n  - b.log\n"), 0o644))
	for _, c := range []struct {
		args []string
		want []string // on stderr
	}{
		{nil, []string{"sidecar stream"}},
		{[]string{"shout"}, []string{`"shout"`, "sidecar stream"}},
		{[]string{"stream"}, []string{"PATH", "--state"}},
		{[]string{"stream", "--nonsense", "/a.log"}, []string{"nonsense", "--state"}},
		{[]string{"stream", "--emit=xml", "/a.log"}, []string{"--emit", "xml", "raw, prefix or json"}},
		{[]string{"stream", "--from=middle", "/a.log"}, []string{"--from", "middle", "start or end"}},
		{[]string{"stream", "--max-line=1", "/a.log"}, []string{"--max-line", "1"}},
		{[]string{"stream", "--max-line=many", "/a.log"}, []string{"max-line", "many", "1MiB"}},
		{[]string{"stream", "--grace=-1s", "/a.log"}, []string{"grace", "-1s"}},
		{[]string{"stream", "/a[.log"}, []string{"/a[.log", "malformed"}},
		{[]string{"stream", ""}, []string{"PATH", "empty"}},
		{[]string{"run"}, []string{"TACO_CONFIG"}},
		{[]string{"run", "more"}, []string{`"more"`}},
		{[]string{"check", "--config", filepath.Join(dir, "none.yaml")}, []string{"none.yaml"}},
		{[]string{"check", "--config", unknown}, []string{"unknown.yaml", "line 3", "pahts"}},
		{[]string{"check", "--config", relative}, []string{"relative.yaml", "line 5", `"b.log"`, "absolute"}},
	} {
		t.Run(strings.Join(c.args, " "), func(t *testing.T) {
			cmd := command(c.args...)
			stderr, _ := runFor(cmd)
			if code := cmd.ProcessState.ExitCode(); code != 2 {
				t.Errorf("exit status %d, want 2", code)
			}
			for _, w := range c.want {
				if !strings.Contains(stderr, w) {
					t.Errorf("stderr lacks %q:\n%s", w, stderr)
				}
			}
		})
	}
}

func TestRunAndCheckTakeTheConfig(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "a.log")
	create(t, name).write("one\n")
	yaml := fmt.Sprintf("sources:\n- paths: [%s]\n  emit: prefix\nstate: %s\n", name, filepath.Join(dir, "state"))
	cmd := command("check")
	cmd.Env = append(os.Environ(), "TACO_CONFIG="+yaml)
	out, err := cmd.Output()
	must(t, err)
	if !strings.Contains(string(out), "follows "+name) {
		t.Errorf("check says: %s", out)
	}
	cmd = command("run")
	cmd.Env = append(os.Environ(), "TACO_CONFIG="+yaml)
	a := launch(t, cmd)
	a.untilLines(1)
	equal(t, a.stop(), name+": one\n")
}

func TestPathThatNeverAppearsIsSaidOnce(t *testing.T) {
	dir := t.TempDir()
	never, absent := filepath.Join(dir, "not", "there", "*.log"), filepath.Join(dir, "absent.log")
	name := filepath.Join(dir, "a.log")
	a := stream(t, never, absent, name)
	create(t, name).write("one\n")
	a.untilLines(1)
	create(t, filepath.Join(dir, "b.log")).write("not followed\n")
	a.stop()
	for _, path := range []string{never, absent} {
		if n := strings.Count(a.said(), path); n != 1 {
			t.Errorf("%s is named %d times, want once:\n%s", path, n, a.said())
		}
	}
}

func TestFoldersThatAppearLater(t *testing.T) {
	dir := t.TempDir()
	a := stream(t, filepath.Join(dir, "*", "logs", "**", "*.log"))
	deep := filepath.Join(dir, "app", "logs", "x", "y")
	must(t, os.MkdirAll(deep, 0o755))
	create(t, filepath.Join(deep, "a.log")).write("a 1\n")
	create(t, filepath.Join(dir, "app", "logs", "b.log")).write("b 1\n")
	a.untilLines(2)
	inOrder(t, a.stop(), map[string][]string{"a": {"a 1"}, "b": {"b 1"}})
}

func TestWhatIsNoFileIsLeftOut(t *testing.T) {
	dir := t.TempDir()
	must(t, syscall.Mkfifo(filepath.Join(dir, "fifo.log"), 0o644))
	must(t, os.Mkdir(filepath.Join(dir, "folder.log"), 0o755))
	must(t, os.Symlink("loop.log", filepath.Join(dir, "loop.log")))
	must(t, os.Symlink(dir, filepath.Join(dir, "up")))
	s, err := net.Listen("unix", filepath.Join(dir, "socket.log"))
	must(t, err)
	defer s.Close()
	must(t, os.Symlink("/dev/zero", filepath.Join(dir, "device.log")))
	odd := filepath.Join(dir, "odd\nname\xff.log")
	create(t, odd).write("odd\n")
	a := stream(t, "--state", filepath.Join(dir, "state"), filepath.Join(dir, "**", "*.log"))
	a.untilLines(1)
	create(t, filepath.Join(dir, "a.log")).write("a 1\n")
	a.untilLines(2)
	equal(t, a.stop(), "odd\na 1\n")
	for _, n := range []string{"fifo.log", "folder.log", "socket.log", "device.log"} {
		if got := strings.Count(a.said(), filepath.Join(dir, n)); got != 1 {
			t.Errorf("%s is named %d times, want once:\n%s", n, got, a.said())
		}
	}
	if got := offsetOf(t, filepath.Join(dir, "state"), odd); got != 4 {
		t.Errorf("offset %d, want 4", got)
	}
}

// asNobody is a folder that everybody can read, and a way to start the sidecar
// as a user without rights.
func asNobody(t *testing.T) (dir string, start func(args ...string) *agent) {
	t.Helper()
	asRoot(t, "start the sidecar as another user")
	dir, err := os.MkdirTemp("", "taco-unreadable-")
	must(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	must(t, os.Chmod(dir, 0o755))
	copied := filepath.Join(dir, "sidecar")
	b, err := os.ReadFile(binary)
	must(t, err)
	must(t, os.WriteFile(copied, b, 0o755))
	return dir, func(args ...string) *agent {
		cmd := exec.Command(copied, append([]string{"stream", "--flush-timeout=200ms"}, args...)...)
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		return launch(t, cmd)
	}
}

func TestUnreadableFile(t *testing.T) {
	dir, start := asNobody(t)
	secret, open := filepath.Join(dir, "secret.log"), filepath.Join(dir, "open.log")
	create(t, secret).write("s 1\n")
	must(t, os.Chmod(secret, 0o600))
	create(t, open).write("o 1\n")

	a := start(filepath.Join(dir, "*.log"))
	a.untilLines(1)
	must(t, os.Chmod(secret, 0o644))
	a.untilLines(2)
	equal(t, a.stop(), "o 1\ns 1\n")
	if n := strings.Count(a.said(), secret); n != 1 {
		t.Errorf("the file is named %d times, want once:\n%s", n, a.said())
	}
}

// TestPermissionThatComesAndGoes takes the right to read away from a file and
// from its folder, while the agent runs and while it does not.
func TestPermissionThatComesAndGoes(t *testing.T) {
	dir, start := asNobody(t)
	logs, state := filepath.Join(dir, "logs"), filepath.Join(dir, "state")
	must(t, os.Mkdir(logs, 0o755))
	must(t, os.Mkdir(state, 0o777))
	must(t, os.Chmod(state, 0o777))
	name := filepath.Join(logs, "a.log")
	allow := func(path string, yes bool) {
		t.Helper()
		st, err := os.Stat(path)
		must(t, err)
		mode := map[bool]map[bool]os.FileMode{false: {false: 0o600, true: 0o644}, true: {false: 0o700, true: 0o755}}[st.IsDir()][yes]
		must(t, os.Chmod(path, mode))
	}
	saying := func(a *agent, what string, n int) {
		t.Helper()
		eventually(t, what, func() bool { return strings.Count(a.said(), what) == n })
	}
	args := []string{"--state", state, filepath.Join(logs, "*.log")}

	l := create(t, name)
	l.write("a 1\n")
	a := start(args...)
	a.untilLines(1)
	allow(name, false)
	l.write("a 2\n") // it is open
	a.untilLines(2)
	must(t, os.Rename(name, name+".1"))
	must(t, os.WriteFile(name, nil, 0o600))
	l = create(t, name)
	l.write("a 3\n")
	saying(a, "cannot be opened", 1)
	allow(name, true)
	a.untilLines(3)
	allow(logs, false)
	l.write("a 4\n")
	a.untilLines(4)
	b := create(t, filepath.Join(logs, "b.log"))
	b.write("b 1\n")
	saying(a, "cannot be listed", 1)
	allow(logs, true)
	a.untilLines(5)
	equal(t, a.stop(), "a 1\na 2\na 3\na 4\nb 1\n")

	for _, path := range []string{name, logs} {
		allow(path, false)
		a = start(args...)
		eventually(t, "that is said", func() bool { return strings.Contains(a.said(), "cannot be") })
		l.write("new\n")
		allow(path, true)
		a.untilLines(1)
		equal(t, a.stop(), "new\n")
	}
}

func TestBinaryContent(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Log("seed", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	content := make([]byte, 300_000)
	for i := range content {
		// Bytes below 4 are frequent: NULs, also many in a row.
		content[i] = byte(rnd.IntN(256) * rnd.IntN(2))
	}
	copy(content, "\x00\x00\x00.") // four NULs at the start would be a hole
	content[len(content)-1] = '\n'
	name := filepath.Join(t.TempDir(), "a.log")
	f := create(t, name)
	a := stream(t, "--max-line=4MiB", name)
	for part := content; len(part) > 0; {
		n := min(len(part), 1+rnd.IntN(20_000))
		f.write(string(part[:n]))
		part = part[n:]
	}
	a.until("all of it", func(out string) bool { return strings.HasSuffix(out, string(content[len(content)-100:])) })
	equal(t, a.stop(), string(content))

	for _, emit := range []string{"prefix", "json"} {
		a := stream(t, "--once", "--emit", emit, name)
		if code := a.exit(); code != 0 {
			t.Errorf("%s: exit status %d", emit, code)
		}
		lines := strings.SplitAfter(strings.TrimSuffix(a.output(), "\n"), "\n")
		if want := bytes.Count(content, []byte("\n")); len(lines) != want {
			t.Errorf("%s: %d lines, want %d", emit, len(lines), want)
		}
		for _, line := range lines {
			if emit == "json" && !json.Valid([]byte(line)) {
				t.Errorf("not JSON: %q", clip(line))
			}
		}
	}
}

// TestOddNamesStayOnOneLine: a path with a newline in it makes no line of its own.
func TestOddNamesStayOnOneLine(t *testing.T) {
	name := filepath.Join(t.TempDir(), "odd\nname\x1b[1m\xff.log")
	create(t, name).write("one\ntwo\n")
	for _, emit := range []string{"prefix", "json"} {
		a := stream(t, "--once", "--emit", emit, filepath.Join(filepath.Dir(name), "odd*"))
		a.exit()
		lines := strings.Split(a.output(), "\n")
		if len(lines) != 3 || !strings.Contains(lines[0], "one") || !strings.Contains(lines[1], "two") {
			t.Errorf("%s: %q", emit, lines)
		}
		if strings.Contains(a.output(), "\x1b") {
			t.Errorf("%s: a name's control characters come out: %q", emit, a.output())
		}
	}
}

// TestStderrHasNoContent: whatever is wrong with lines and files, what is said of
// it has nothing of what is in them, and each of it is one line.
func TestStderrHasNoContent(t *testing.T) {
	const canary = "the canary"
	dir := t.TempDir()
	name, gone := filepath.Join(dir, "a\n.log"), filepath.Join(dir, "b.log")
	l := create(t, name)
	l.write("{\"t\":\"" + canary + "\"}\n{\"" + canary + "\n" + canary + " \xff\xff\n" + strings.Repeat(canary, 500) + "\n" + canary)
	create(t, gone).write(canary + "\n")
	state := filepath.Join(dir, "state")
	args := []string{"stream", "--flush-timeout=1m", "--state", state, "--emit=json", "--format=json", "--time-key=t", "--charset=euc-kr", "--max-line=1KiB", "--redact=y"}
	a := launch(t, command(append(args, filepath.Join(dir, "*.log"))...))
	a.untilLines(3 + 5 + 1)
	must(t, os.Truncate(name, 0))
	l.write(canary + "\n")
	a.untilLines(3 + 5 + 2)
	a.stop()
	said := a.said()
	must(t, os.Remove(gone))

	// Nobody takes what comes out.
	l.write(strings.Repeat(canary+"\n", 50_000))
	cmd := command(append(args, "--grace=100ms", filepath.Join(dir, "*.log"), filepath.Join(dir, "none"))...)
	var rest transcript
	cmd.Stderr = &rest
	r := unread(t, cmd)
	_, err := r.Read(make([]byte, 1)) // it runs
	must(t, err)
	must(t, cmd.Process.Signal(syscall.SIGTERM))
	cmd.Wait()
	said += rest.String()
	for _, what := range []string{"truncated before", "is gone", "stopped with undelivered bytes"} {
		if !strings.Contains(said, what) {
			t.Errorf("it does not say %q:\n%s", what, said)
		}
	}
	for line := range strings.Lines(said) {
		if strings.Contains(line, canary) || !strings.HasPrefix(line, "time=") || !strings.Contains(line, " msg=") {
			t.Errorf("it says %q", line)
		}
	}
}

// TestReadErrors follows a file that the kernel refuses to read with EIO, as a
// failing disk does: a sysfs attribute of a device that has no such thing.
func TestReadErrors(t *testing.T) {
	faulty := ""
	candidates, _ := filepath.Glob("/sys/devices/*/power/autosuspend_delay_ms")
	for _, c := range candidates {
		if _, err := os.ReadFile(c); errors.Is(err, syscall.EIO) {
			faulty = c
		}
	}
	if faulty == "" {
		t.Skip("no file that cannot be read among ", candidates)
	}
	dir := t.TempDir()
	bad, good := filepath.Join(dir, "bad.log"), filepath.Join(dir, "good.log")
	must(t, os.Symlink(faulty, bad))
	create(t, good).write("g 1\n")
	a := stream(t, "--state", filepath.Join(dir, "state"), bad, good)
	a.untilLines(1)
	eventually(t, "the fault is said", func() bool { return strings.Contains(a.said(), bad) })
	create(t, filepath.Join(dir, "mended")).write("b 1\n")
	must(t, os.Remove(bad))
	must(t, os.Symlink("mended", bad))
	a.until("the file that can be read", func(out string) bool { return strings.Contains(out, "b 1\n") })
	// The link's first file stays unread, and the status says so.
	inOrder(t, a.stopWith(3), map[string][]string{"g": {"g 1"}, "b": {"b 1"}})
	if n := strings.Count(a.said(), "cannot be read"); n != 1 {
		t.Errorf("said %d times, want once:\n%s", n, a.said())
	}
}

// TestMoreFilesThanDescriptors: the status tells that not all was delivered.
func TestMoreFilesThanDescriptors(t *testing.T) {
	dir := t.TempDir()
	for i := range 50 {
		create(t, filepath.Join(dir, fmt.Sprintf("%d.log", i))).write("12345\n")
	}
	cmd := exec.Command("sh", "-c", `ulimit -n 20; exec "$0" "$@"`, binary, "stream", "--once", filepath.Join(dir, "*.log"))
	a := launch(t, cmd)
	if code := a.exit(); code != 3 {
		t.Errorf("exit status %d, want 3", code)
	}
	if n := strings.Count(a.said(), "limit of open files"); n != 1 {
		t.Errorf("the limit is named %d times, want once", n)
	}
	var told int
	_, rest, _ := strings.Cut(a.said(), "could not be read\" bytes=")
	fmt.Sscan(rest, &told)
	if got := len(a.output()); got == 0 || got+told != 50*6 {
		t.Errorf("%d bytes delivered, %d said to be left; together they should be 300:\n%s", got, told, a.said())
	}
}
