package torture

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

func command(args ...string) *exec.Cmd { return exec.Command(binary, args...) }

// runFor runs a command that has to end by itself and returns its stderr.
func runFor(cmd *exec.Cmd) (string, error) {
	var stderr strings.Builder
	cmd.Stderr = &stderr
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	if err := cmd.Start(); err != nil {
		return "", err
	}
	stop := context.AfterFunc(ctx, func() { cmd.Process.Kill() })
	defer stop()
	err := cmd.Wait()
	return stderr.String(), err
}

// opened tells whether the agent has the file open.
func opened(a *agent, name string) bool {
	dir := fmt.Sprintf("/proc/%d/fd", a.cmd.Process.Pid)
	fds, _ := os.ReadDir(dir)
	for _, fd := range fds {
		if to, _ := os.Readlink(filepath.Join(dir, fd.Name())); to == name {
			return true
		}
	}
	return false
}

// freeze stops all threads of the agent until thaw.
func (a *agent) freeze() {
	a.cmd.Process.Signal(syscall.SIGSTOP)
	eventually(a.t, "the agent is stopped", func() bool {
		b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", a.cmd.Process.Pid))
		_, rest, _ := strings.Cut(string(b), ") ")
		return strings.HasPrefix(rest, "T")
	})
}

func (a *agent) thaw() { a.cmd.Process.Signal(syscall.SIGCONT) }

// peakRSS is the largest resident set in KiB of a running agent.
func peakRSS(a *agent) int64 { return status(a, "VmHWM:") }

// status is a number of /proc/PID/status.
func status(a *agent, key string) (n int64) {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", a.cmd.Process.Pid))
	_, rest, _ := strings.Cut(string(b), key)
	fmt.Sscan(rest, &n)
	return n
}
