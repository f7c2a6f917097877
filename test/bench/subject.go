package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// subject is a program under measurement, with its output in our hands.
type subject struct {
	cmd *exec.Cmd
	out *os.File
}

// start starts a program, with more in its environment than ours has. It ends with us.
func start(env []string, name string, args ...string) (*subject, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(name, args...)
	cmd.Stdout, cmd.Stderr = w, os.Stderr
	cmd.Env = append(os.Environ(), env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	err = cmd.Start()
	w.Close()
	if err != nil {
		r.Close()
		return nil, err
	}
	return &subject{cmd, r}, nil
}

// drain reads n bytes.
func (s *subject) drain(n int64) error {
	buf := make([]byte, 256<<10)
	for left := n; left > 0; {
		m, err := s.out.Read(buf)
		left -= int64(m)
		if err != nil {
			return fmt.Errorf("%d bytes before the end: %w", left, err)
		}
	}
	return nil
}

// drainRecords reads until a text that each record has once has come n times.
func (s *subject) drainRecords(each string, n int) error {
	buf := make([]byte, 256<<10)
	text := []byte(each)
	kept := 0 // the end of what was read before, too short to hold the text
	for left := n; left > 0; {
		m, err := s.out.Read(buf[kept:])
		left -= bytes.Count(buf[:kept+m], text)
		end := kept + m
		kept = min(len(text)-1, end)
		copy(buf, buf[end-kept:end])
		if err != nil {
			return fmt.Errorf("%d records before the end: %w", left, err)
		}
	}
	return nil
}

// stop ends the subject and returns the seconds of CPU it took.
func (s *subject) stop() float64 {
	s.cmd.Process.Kill()
	s.cmd.Wait()
	s.out.Close()
	u := s.cmd.ProcessState.SysUsage().(*syscall.Rusage)
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9
}

// cpuSoFar is the CPU of all threads in seconds.
func (s *subject) cpuSoFar() float64 {
	files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", s.cmd.Process.Pid))
	var sum int64
	for _, f := range files {
		var ns int64
		b, _ := os.ReadFile(f)
		fmt.Sscan(string(b), &ns)
		sum += ns
	}
	return float64(sum) / 1e9
}

// wakeups counts for a while how often the process begins to run after it did
// not for at least 10 ms. Context switches would count what threads of one
// process do with each other while it is awake, too.
func (s *subject) wakeups(span time.Duration) (n int) {
	const slot = 10 * time.Millisecond
	was, ran := s.cpuSoFar(), false
	for end := time.Now().Add(span); time.Now().Before(end); {
		time.Sleep(slot)
		now := s.cpuSoFar()
		if now != was && !ran {
			n++
		}
		was, ran = now, now != was
	}
	return n
}

// peak is the largest resident set, and what of it is private, in MiB.
func (s *subject) peak() (rss, private float64) {
	f := fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid)
	return float64(field(f, "VmHWM:")) / 1024, float64(field(f, "RssAnon:")) / 1024
}

func field(file, key string) (n int64) {
	b, _ := os.ReadFile(file)
	if _, rest, ok := strings.Cut("\n"+string(b), "\n"+key); ok {
		fmt.Sscan(rest, &n)
	}
	return n
}
