package backend_test

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"logging.taco/test/backend"
)

// A node ends with the tests, however these end; after ^C nothing is left at all.
func TestNodeEndsWithTests(t *testing.T) {
	if os.Getenv("TACO_BACKEND_ORPHAN") != "" {
		n := backend.Start(t, backend.Elasticsearch)
		n.Signal(syscall.SIGSTOP) // it cannot see that its input ends
		fmt.Println("node", n.Pid())
		select {}
	}
	for _, c := range []struct {
		sig    syscall.Signal
		leaves int
	}{{syscall.SIGKILL, 1}, {syscall.SIGINT, 0}} {
		tmp := t.TempDir()
		tests := exec.Command(os.Args[0], "-test.run=^TestNodeEndsWithTests$")
		tests.Env = append(os.Environ(), "TACO_BACKEND_ORPHAN=1", "TMPDIR="+tmp)
		tests.Stderr = os.Stderr
		out, err := tests.StdoutPipe()
		if err == nil {
			err = tests.Start()
		}
		if err != nil {
			t.Fatal(err)
		}
		var said string
		var pid int
		for lines := bufio.NewScanner(out); pid == 0 && lines.Scan(); {
			said += lines.Text() + "\n"
			fmt.Sscanf(lines.Text(), "node %d", &pid)
		}
		if pid == 0 {
			tests.Wait()
			if strings.Contains(said, "SKIP") {
				t.Skip("there is no node on this machine")
			}
			t.Fatalf("no node: %s", said)
		}
		tests.Process.Signal(c.sig)
		tests.Wait()
		for end := time.Now().Add(time.Minute); gone(pid) != nil; time.Sleep(5 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("%s: the node goes on", c.sig)
			}
		}
		if left, err := filepath.Glob(tmp + "/*"); err != nil || len(left) != c.leaves {
			t.Errorf("%s leaves %q, %v", c.sig, left, err)
		}
	}
}

// gone is nil when a process has ended, even if nobody has asked for its status.
func gone(pid int) error {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil || strings.Contains(string(stat), ") Z ") {
		return nil
	}
	return fmt.Errorf("process %d: %s", pid, stat)
}
