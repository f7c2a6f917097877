package backend

import (
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
)

// spawn starts a command that is killed when this process ends, however it
// ends. It is in a process group of its own: a terminal's ^C is for us, and we end it.
func spawn(cmd *exec.Cmd) error {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	done := make(chan error)
	spawner() <- func() { done <- cmd.Start() }
	return <-done
}

// spawner is a thread that lives as long as the process: to the kernel, it is
// the thread that started a program that is its parent, and whose end counts.
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

// lastWords keeps the end of what a program says.
type lastWords struct {
	mu sync.Mutex
	b  []byte
}

const wordsMost = 8 << 10

func (w *lastWords) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.b = append(w.b, p...)
	if len(w.b) > 2*wordsMost {
		w.b = append(w.b[:0], w.b[len(w.b)-wordsMost:]...)
	}
	return len(p), nil
}

func (w *lastWords) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return strings.TrimSpace(string(w.b))
}
