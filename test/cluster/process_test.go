//go:build linux

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

func TestProcessEnd(t *testing.T) {
	cmd := exec.Command("sleep", "1000")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	p, err := identify(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "p")
	if err := p.save(file); err != nil {
		t.Fatal(err)
	}
	same, err := readProcess(file)
	if err != nil || same != p {
		t.Fatalf("read %v, %v; want %v", same, err, p)
	}
	if !same.alive() {
		t.Fatal("it is not alive")
	}
	if err := same.end(t.Context()); err != nil {
		t.Fatal(err)
	}
	// Nobody waited for it, so its pid is still there, as a zombie.
	if err := unix.Kill(cmd.Process.Pid, 0); err != nil {
		t.Fatalf("it is no zombie: %v", err)
	}
	if same.alive() {
		t.Error("a zombie counts as alive")
	}
	if err := same.end(t.Context()); err != nil {
		t.Errorf("end it a second time: %v", err)
	}
}

// A pid that now belongs to another process is left alone.
func TestProcessPidReused(t *testing.T) {
	cmd := exec.Command("sleep", "1000")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	now, err := identify(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	for _, earlier := range []process{{now.pid, "1", now.boot}, {now.pid, now.start, "another"}} {
		if earlier.alive() {
			t.Errorf("%v counts as alive, but it is %v", earlier, now)
		}
		if err := earlier.end(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if !now.alive() {
		t.Error("the process that has the pid now was killed")
	}
}

func TestReadProcessWrong(t *testing.T) {
	for _, text := range []string{"", "1 2 3", "x y z", "-5 2 3", "12"} {
		file := filepath.Join(t.TempDir(), "p")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if p, err := readProcess(file); err == nil {
			t.Errorf("%q was read as %v", text, p)
		}
	}
}
