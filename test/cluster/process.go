//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// The files in the data folder that name its two outermost processes.
const (
	holdFile = "hold.pid" // outside: holds the port, started init
	initFile = "init.pid" // pid 1 of the node; with it all the node ends
)

// A process is named by more than its pid, which may belong to another one
// later: also by when it started and in which run of the machine.
type process struct {
	pid   int
	start string // clock ticks since boot
	boot  string
}

// identify names the process that has the pid now.
func identify(pid int) (process, error) {
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return process{}, err
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return process{}, err
	}
	// The name, in brackets, may hold anything; the fields after it do not.
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	if len(fields) < 20 {
		return process{}, fmt.Errorf("/proc/%d/stat has only %d fields", pid, len(fields))
	}
	return process{pid, fields[19], strings.TrimSpace(string(boot))}, nil
}

// save writes the process into a file that readProcess reads.
func (p process) save(file string) error {
	return os.WriteFile(file, fmt.Appendf(nil, "%d %s %s\n", p.pid, p.start, p.boot), 0o644)
}

func readProcess(file string) (process, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return process{}, err
	}
	fields := strings.Fields(string(text))
	if len(fields) != 3 {
		return process{}, fmt.Errorf("%s names no process", file)
	}
	pid, err := strconv.Atoi(fields[0])
	if err != nil || pid <= 1 {
		return process{}, fmt.Errorf("%s names no process", file)
	}
	return process{pid, fields[1], fields[2]}, nil
}

var errGone = errors.New("the process has ended")

// open returns a pidfd: it stays with the process, whoever gets its pid later.
func (p process) open() (int, error) {
	fd, err := unix.PidfdOpen(p.pid, 0)
	if err != nil {
		return -1, errGone
	}
	if now, err := identify(p.pid); err != nil || now != p || exited(fd, 0) {
		unix.Close(fd)
		return -1, errGone
	}
	return fd, nil
}

func (p process) alive() bool {
	fd, err := p.open()
	if err != nil {
		return false
	}
	unix.Close(fd)
	return true
}

// exited says whether the process of the pidfd ended, waiting some time for
// it. A zombie has ended.
func exited(pidfd, milliseconds int) bool {
	poll := []unix.PollFd{{Fd: int32(pidfd), Events: unix.POLLIN}}
	n, err := unix.Poll(poll, milliseconds)
	return err == nil && n == 1
}

// end kills the process and waits until it has ended. For the init of a
// namespace that is when all other processes in it have ended, too.
func (p process) end(ctx context.Context) error {
	fd, err := p.open()
	if err != nil {
		return nil
	}
	defer unix.Close(fd)
	if err := unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0); err != nil && err != unix.ESRCH {
		return fmt.Errorf("kill process %d: %w", p.pid, err)
	}
	for !exited(fd, 50) {
		if ctx.Err() != nil {
			return fmt.Errorf("process %d was killed but does not end: %w", p.pid, context.Cause(ctx))
		}
	}
	return nil
}
