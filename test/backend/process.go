package backend

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// A process is one life of a server.
type process struct {
	cmd     *exec.Cmd
	stdin   io.Closer     // the launcher ends when it is closed
	started chan struct{} // closed when the node says so
	ended   chan struct{} // closed when the process is gone
}

// newProcess starts a launcher, whose words, but for "started", go to said.
func newProcess(cmd *exec.Cmd, said *lastWords) (*process, error) {
	cmd.Stderr = said
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := spawn(cmd); err != nil {
		return nil, err
	}
	p := &process{cmd: cmd, stdin: stdin, started: make(chan struct{}), ended: make(chan struct{})}
	go func() {
		defer close(p.ended)
		lines := bufio.NewScanner(stdout)
		for lines.Scan() {
			if lines.Text() == "started" {
				close(p.started)
				continue
			}
			fmt.Fprintln(said, lines.Text())
		}
		io.Copy(io.Discard, stdout) // had a line been too long
		cmd.Wait()
	}()
	return p, nil
}

// runs tells whether there is a process and it has not ended.
func (p *process) runs() bool {
	if p == nil {
		return false
	}
	select {
	case <-p.ended:
		return false
	default:
		return true
	}
}

func (p *process) kill() {
	if p.runs() {
		p.cmd.Process.Kill()
		<-p.ended
	}
}

// stop ends the process in good order.
func (p *process) stop() error {
	if !p.runs() {
		return nil
	}
	p.cmd.Process.Signal(syscall.SIGTERM)
	p.cmd.Process.Signal(syscall.SIGCONT) // in case it is stopped
	select {
	case <-p.ended:
		return nil
	case <-time.After(startMost):
		p.kill()
		return fmt.Errorf("it went on for %s after SIGTERM, and was killed", startMost)
	}
}

// signal sends a signal. When it is SIGSTOP, all threads stand when it returns.
func (p *process) signal(sig syscall.Signal) error {
	if !p.runs() {
		return os.ErrProcessDone
	}
	if err := p.cmd.Process.Signal(sig); err != nil || sig != syscall.SIGSTOP {
		return err
	}
	every := time.NewTicker(time.Millisecond)
	defer every.Stop()
	for {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
		if err != nil {
			return err
		}
		if _, rest, _ := strings.Cut(string(stat), ") "); strings.HasPrefix(rest, "T") {
			return nil
		}
		<-every.C
	}
}
