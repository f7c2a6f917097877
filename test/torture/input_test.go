package torture

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
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
	odd := filepath.Join(dir, "odd\nname\xff.log")
	create(t, odd).write("odd\n")
	a := stream(t, "--state", filepath.Join(dir, "state"), filepath.Join(dir, "**", "*.log"))
	a.untilLines(1)
	create(t, filepath.Join(dir, "a.log")).write("a 1\n")
	a.untilLines(2)
	equal(t, a.stop(), "odd\na 1\n")
	for _, n := range []string{"fifo.log", "folder.log", "socket.log"} {
		if got := strings.Count(a.said(), filepath.Join(dir, n)); got != 1 {
			t.Errorf("%s is named %d times, want once:\n%s", n, got, a.said())
		}
	}
	if got := offsetOf(t, filepath.Join(dir, "state"), odd); got != 4 {
		t.Errorf("offset %d, want 4", got)
	}
}

// TestUnreadableFile needs a user without rights: nobody.
func TestUnreadableFile(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can start the sidecar as another user; run as root")
	}
	dir, err := os.MkdirTemp("", "taco-unreadable-")
	must(t, err)
	defer os.RemoveAll(dir)
	must(t, os.Chmod(dir, 0o755))
	copied := filepath.Join(dir, "sidecar")
	b, err := os.ReadFile(binary)
	must(t, err)
	must(t, os.WriteFile(copied, b, 0o755))
	secret, open := filepath.Join(dir, "secret.log"), filepath.Join(dir, "open.log")
	create(t, secret).write("s 1\n")
	must(t, os.Chmod(secret, 0o600))
	create(t, open).write("o 1\n")

	cmd := exec.Command(copied, "stream", filepath.Join(dir, "*.log"))
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	a := launch(t, cmd)
	a.untilLines(1)
	must(t, os.Chmod(secret, 0o644))
	a.untilLines(2)
	equal(t, a.stop(), "o 1\ns 1\n")
	if n := strings.Count(a.said(), secret); n != 1 {
		t.Errorf("the file is named %d times, want once:\n%s", n, a.said())
	}
}

// TestReadErrors follows a file that the kernel refuses to read, as a failing
// disk does: a sysfs attribute of an interface that has no speed.
func TestReadErrors(t *testing.T) {
	const faulty = "/sys/class/net/lo/speed"
	if _, err := os.ReadFile(faulty); err == nil {
		t.Skip(faulty, " can be read here")
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
