package ship

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// deadline bounds every wait; it is reached only by a failure.
const deadline = 2 * time.Minute

func ownGroup() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// spawn starts a command that is killed when this process ends, however it
// ends. To the kernel, the thread that started a program is its parent: so it
// is one that lives as long as the process.
func spawn(cmd *exec.Cmd) error {
	cmd.SysProcAttr = ownGroup()
	cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
	done := make(chan error)
	spawner() <- func() { done <- cmd.Start() }
	return <-done
}

var spawner = sync.OnceValue(func() chan<- func() {
	work := make(chan func())
	go func() {
		runtime.LockOSThread()
		for f := range work {
			f()
		}
	}()
	return work
})

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

// agent is a running sidecar.
type agent struct {
	t       testing.TB
	cmd     *exec.Cmd
	said    transcript // its stderr
	address string     // of its metrics
	ended   chan struct{}
	secrets []string // what it must never say
}

// launch starts the sidecar; args begin with the command.
func launch(t testing.TB, env, secrets []string, args ...string) *agent {
	t.Helper()
	address := freeAddress(t)
	return launchAt(t, address, env, secrets, append(args, "--metrics="+address)...)
}

// launchAt is launch where the address of the metrics is told in another way.
func launchAt(t testing.TB, address string, env, secrets []string, args ...string) *agent {
	t.Helper()
	return launchProgram(t, address, env, secrets, binary, args...)
}

// launchProgram is launchAt for another program, which is or becomes a sidecar.
func launchProgram(t testing.TB, address string, env, secrets []string, program string, args ...string) *agent {
	t.Helper()
	a := &agent{t: t, address: address, ended: make(chan struct{}), secrets: secrets}
	a.cmd = exec.Command(program, args...)
	a.cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "TMPDIR=" + os.Getenv("TMPDIR")}, env...)
	a.cmd.Stderr = &a.said
	a.cmd.Stdout = &a.said
	if err := spawn(a.cmd); err != nil {
		t.Fatal(err)
	}
	go func() {
		a.cmd.Wait()
		close(a.ended)
	}()
	t.Cleanup(a.end)
	return a
}

// end kills what is left of the agent and looks at what it has said.
func (a *agent) end() {
	if text, err := scrape(a.address); err == nil && a.runs() {
		a.secretless("the metrics", text)
	}
	a.cmd.Process.Kill()
	<-a.ended
	a.secretless("stderr", a.said.String())
	if strings.Contains(a.said.String(), "DATA RACE") {
		a.t.Errorf("a data race:\n%s", a.said.String())
	} else if a.t.Failed() {
		a.t.Logf("stderr of the sidecar:\n%s", a.said.String())
	}
}

func (a *agent) secretless(what, text string) {
	for _, s := range a.secrets {
		if strings.Contains(text, s) {
			a.t.Errorf("%s of the sidecar hold %q:\n%s", what, s, text)
		}
	}
}

func (a *agent) runs() bool {
	select {
	case <-a.ended:
		return false
	default:
		return true
	}
}

// kill ends the sidecar as the OOM killer does.
func (a *agent) kill() {
	a.cmd.Process.Kill()
	<-a.ended
}

// stop ends the sidecar as Kubernetes does; want is its exit status.
func (a *agent) stop(want int) {
	a.t.Helper()
	a.ready() // before it catches signals, SIGTERM ends any program
	a.cmd.Process.Signal(syscall.SIGTERM)
	a.exit(want)
}

// exit waits for the end of the process.
func (a *agent) exit(want int) {
	a.t.Helper()
	select {
	case <-a.ended:
	case <-time.After(deadline):
		a.t.Fatalf("it goes on after %v; want exit status %d", deadline, want)
	}
	if code := a.cmd.ProcessState.ExitCode(); code != want {
		a.t.Fatalf("%v, want exit status %d", a.cmd.ProcessState, want)
	}
}

// ready waits until the agent serves its metrics.
func (a *agent) ready() { a.until("it is ready", func(metrics) bool { return true }) }

// peakRSS is the largest resident set so far, in bytes.
func (a *agent) peakRSS() int64 {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", a.cmd.Process.Pid))
	_, rest, _ := strings.Cut(string(b), "VmHWM:")
	var kib int64
	fmt.Sscan(rest, &kib)
	return kib << 10
}

// eventually polls a condition.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(deadline); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

// Ports are taken in turn from below those that the kernel gives to outgoing
// connections, and from others than the nodes have.
var nextPort atomic.Uint32

func init() { nextPort.Store(uint32(os.Getpid() * 103)) }

func freeAddress(t testing.TB) string {
	t.Helper()
	for range 1000 {
		address := fmt.Sprintf("127.0.0.1:%d", 20000+nextPort.Add(1)%10000)
		if l, err := net.Listen("tcp", address); err == nil {
			l.Close()
			return address
		}
	}
	t.Fatal("no port is free")
	return ""
}
