// Package torture runs the built sidecar against real files, rotations and
// signals, and compares what was written with what came out.
package torture

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	"logging.taco/sidecar/checkpoint"
	"logging.taco/sidecar/follow"
)

// outputMost bounds the memory that an agent gone wild can fill.
const outputMost = 1 << 30

// deadline bounds every wait; it is reached only by a failure.
const deadline = 20 * time.Second

// binary is the sidecar: $TACO_SIDECAR, or one that is built with the flags
// in $TACO_BUILD_FLAGS (-race, for example).
var binary string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "taco-torture-")
	if err == nil {
		binary = os.Getenv("TACO_SIDECAR") // another build, for comparison
		if binary == "" {
			binary = filepath.Join(dir, "sidecar")
			var out []byte
			build := append([]string{"build", "-o", binary}, strings.Fields(os.Getenv("TACO_BUILD_FLAGS"))...)
			if out, err = exec.Command("go", append(build, "logging.taco/sidecar")...).CombinedOutput(); err != nil {
				err = fmt.Errorf("%w\n%s", err, out)
			}
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "build the sidecar:", err)
		os.Exit(1)
	}
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

// without skips the test where something is missing; CI has to have it all.
func without(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal(what)
	}
	t.Skip(what)
}

func asRoot(t *testing.T, what string) {
	t.Helper()
	if os.Getuid() != 0 {
		without(t, "only root can "+what+"; run as root")
	}
}

// agent is a running sidecar with all that it has said so far.
type agent struct {
	t   *testing.T
	cmd *exec.Cmd
	end chan struct{} // closed when stdout is read to its end
	err transcript

	mu   sync.Mutex
	more *sync.Cond
	out  []byte
	mute bool          // its stderr is somebody else's to show
	slow time.Duration // the reader waits so long after each read of slowBy bytes
}

// transcript is what a program writes while others read it.
type transcript struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (t *transcript) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.b.Write(p)
}

func (t *transcript) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.b.String()
}

// said is what stands on stderr so far.
func (a *agent) said() string { return a.err.String() }

type option func(*agent)

const slowBy = 8 << 10

// slowReader makes the reader of stdout take 8 KiB at a time, with pauses.
func slowReader(pause time.Duration) option { return func(a *agent) { a.slow = pause } }

func silent(a *agent) { a.mute = true }

// stream starts `sidecar stream` with a short flush time-out.
func stream(t *testing.T, args ...string) *agent { return streamWith(t, nil, args...) }

func streamWith(t *testing.T, opts []option, args ...string) *agent {
	t.Helper()
	args = append([]string{"stream", "--flush-timeout=200ms"}, args...)
	return launch(t, exec.Command(binary, args...), opts...)
}

// unread starts a command, which ends with the test, and gives its stdout: a pipe
// from which nobody but the test takes anything.
func unread(t *testing.T, cmd *exec.Cmd) *os.File {
	t.Helper()
	r, w, err := os.Pipe()
	must(t, err)
	t.Cleanup(func() { r.Close() })
	defer w.Close()
	cmd.Stdout = w
	must(t, cmd.Start())
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	return r
}

// inPipe is how many bytes wait in a pipe.
func inPipe(t *testing.T, r *os.File) int {
	t.Helper()
	n, err := unix.IoctlGetInt(int(r.Fd()), unix.TIOCINQ)
	must(t, err)
	return n
}

func launch(t *testing.T, cmd *exec.Cmd, opts ...option) *agent {
	t.Helper()
	a := &agent{t: t, cmd: cmd, end: make(chan struct{})}
	a.more = sync.NewCond(&a.mu)
	for _, o := range opts {
		o(a)
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	a.cmd.Stdout, a.cmd.Stderr = w, &a.err
	if err := a.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	w.Close()
	go a.read(r)
	t.Cleanup(func() {
		a.cmd.Process.Kill()
		<-a.end
		a.cmd.Wait()
		if t.Failed() && !a.mute {
			t.Logf("stderr of the sidecar:\n%s", a.err.String())
		}
	})
	return a
}

func (a *agent) read(r *os.File) {
	defer close(a.end)
	defer r.Close()
	buf := make([]byte, 64<<10)
	if a.slow > 0 {
		buf = buf[:slowBy]
	}
	for {
		n, err := r.Read(buf)
		a.mu.Lock()
		if a.out = append(a.out, buf[:n]...); len(a.out) > outputMost {
			a.mu.Unlock()
			a.t.Errorf("the agent has written more than %d bytes; it repeats itself", outputMost)
			a.cmd.Process.Kill()
			return
		}
		a.more.Broadcast()
		a.mu.Unlock()
		if err != nil {
			if err != io.EOF {
				a.t.Error(err)
			}
			return
		}
		a.mu.Lock()
		pause := a.slow
		a.mu.Unlock()
		time.Sleep(pause)
	}
}

// fast ends the pauses of a slow reader.
func (a *agent) fast() {
	a.mu.Lock()
	a.slow = 0
	a.mu.Unlock()
}

// until waits for the output to satisfy a condition.
func (a *agent) until(what string, ok func(out string) bool) {
	a.t.Helper()
	end := time.Now().Add(deadline)
	timer := time.AfterFunc(deadline+10*time.Millisecond, func() {
		a.mu.Lock()
		a.more.Broadcast()
		a.mu.Unlock()
	})
	defer timer.Stop()
	a.mu.Lock()
	defer a.mu.Unlock()
	for !ok(string(a.out)) {
		if time.Now().After(end) {
			a.t.Fatalf("waited in vain for %s; the output ends with %q", what, tail(a.out))
		}
		a.more.Wait()
	}
}

// untilLines waits for that many lines.
func (a *agent) untilLines(n int) {
	a.t.Helper()
	a.until(fmt.Sprintf("%d lines", n), func(out string) bool { return strings.Count(out, "\n") >= n })
}

func (a *agent) output() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return string(a.out)
}

// stop ends the sidecar as Kubernetes does and returns all it has written.
func (a *agent) stop() string {
	a.t.Helper()
	return a.stopWith(0)
}

// stopWith is stop for another exit status.
func (a *agent) stopWith(status int) string {
	a.t.Helper()
	// Before it catches signals, SIGTERM ends any program.
	eventually(a.t, "the agent runs", func() bool {
		return opened(a, "anon_inode:inotify") || strings.Contains(a.said(), "polling instead")
	})
	a.cmd.Process.Signal(syscall.SIGTERM)
	if code := a.exit(); code != status {
		a.t.Errorf("exit status %d after SIGTERM, want %d", code, status)
	}
	return a.output()
}

// exit waits for the end of the process and returns its exit status.
func (a *agent) exit() int {
	a.t.Helper()
	late := time.AfterFunc(deadline, func() { a.cmd.Process.Kill() })
	defer late.Stop()
	<-a.end
	a.cmd.Wait()
	return a.cmd.ProcessState.ExitCode()
}

// kill ends the sidecar as the OOM killer does.
func (a *agent) kill() string {
	a.cmd.Process.Kill()
	<-a.end
	a.cmd.Wait()
	return a.output()
}

func tail(b []byte) string {
	if len(b) > 300 {
		b = b[len(b)-300:]
	}
	return string(b)
}

// eventually polls a condition that no output shows.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(deadline); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

// log is a file that a program writes, by appending.
type log struct {
	t    *testing.T
	name string
	f    *os.File
}

func create(t *testing.T, name string) *log {
	t.Helper()
	f, err := os.OpenFile(name, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	l := &log{t, name, f}
	t.Cleanup(func() { l.f.Close() })
	return l
}

func (l *log) write(s string) {
	l.t.Helper()
	if _, err := l.f.WriteString(s); err != nil {
		l.t.Fatal(err)
	}
}

// rotate renames the file away and creates it anew, as a logger that owns its file does.
func (l *log) rotate(to string) {
	l.t.Helper()
	must(l.t, os.Rename(l.name, to))
	l.f.Close()
	l.f = create(l.t, l.name).f
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// numbered makes n lines that tell their file and place.
func numbered(name string, from, n int) (lines []string) {
	for i := from; i < from+n; i++ {
		lines = append(lines, fmt.Sprintf("%s %06d", name, i))
	}
	return lines
}

func text(lines []string) string { return strings.Join(lines, "\n") + "\n" }

// equal compares whole outputs and shows the first difference.
func equal(t *testing.T, got, want string) {
	t.Helper()
	if got == want {
		return
	}
	g, w := strings.SplitAfter(got, "\n"), strings.SplitAfter(want, "\n")
	i := 0
	for i < len(g) && i < len(w) && g[i] == w[i] {
		i++
	}
	at := func(s []string) string { return clip(strings.Join(s[min(i, len(s)):min(i+3, len(s))], "")) }
	t.Errorf("%d lines, want %d; they differ from line %d on:\n got %q\nwant %q", len(g)-1, len(w)-1, i+1, at(g), at(w))
}

func clip(s string) string {
	if len(s) > 300 {
		return s[:300] + "…"
	}
	return s
}

// inOrder compares the lines of each name, whatever the order between names.
func inOrder(t *testing.T, got string, want map[string][]string) {
	t.Helper()
	by := map[string][]string{}
	for _, line := range strings.Split(strings.TrimSuffix(got, "\n"), "\n") {
		name, _, _ := strings.Cut(line, " ")
		by[name] = append(by[name], line)
	}
	for name, lines := range want {
		equal(t, text(by[name]), text(lines))
		delete(by, name)
	}
	for name, lines := range by {
		t.Errorf("lines that nobody wrote: %s: %q", name, clip(strings.Join(lines, "\n")))
	}
}

// positions decodes the checkpoint.
func positions(t *testing.T, state string) []follow.Position {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(state, checkpoint.Name))
	must(t, err)
	p, err := checkpoint.Decode(b)
	must(t, err)
	return p
}

// offsetOf is where the checkpoint says the file at name stands.
func offsetOf(t *testing.T, state, name string) int64 {
	t.Helper()
	all := positions(t, state)
	i := slices.IndexFunc(all, func(p follow.Position) bool { return p.Name == name })
	if i < 0 {
		t.Fatalf("%s is not in the checkpoint: %+v", name, all)
	}
	return all[i].Offset
}

func sizeOf(t *testing.T, name string) int64 {
	t.Helper()
	st, err := os.Stat(name)
	must(t, err)
	return st.Size()
}
