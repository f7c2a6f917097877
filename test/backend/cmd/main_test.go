package main

import (
	"bufio"
	"encoding/json"
	"io"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// build returns the program.
func build(t *testing.T) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "backend")
	if out, err := exec.Command("go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("build the program: %v\n%s", err, out)
	}
	return program
}

// running starts the program and returns the URL that it prints, and a function
// that ends it as ^C does and returns what it prints then.
func running(t *testing.T, program string, args ...string) (url string, end func() string) {
	t.Helper()
	cmd := exec.Command(program, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var said strings.Builder
	cmd.Stderr = &said
	stdout, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	out := bufio.NewReader(stdout)
	url, err = out.ReadString('\n')
	if err != nil {
		cmd.Wait()
		t.Fatalf("%v: %s", args, said.String())
	}
	return strings.TrimSpace(url), func() string {
		t.Helper()
		cmd.Process.Signal(syscall.SIGINT)
		rest, _ := io.ReadAll(out)
		if err := cmd.Wait(); err != nil {
			t.Errorf("%v: %v: %s", args, err, said.String())
		}
		return string(rest)
	}
}

func TestUp(t *testing.T) {
	if _, err := exec.LookPath("java"); err != nil {
		t.Skip("there is no Java on this machine")
	}
	data := filepath.Join(t.TempDir(), "data")
	program := build(t)
	for _, want := range []int{http.StatusNotFound, http.StatusOK} { // what is kept is there the second time
		url, end := running(t, program, "up", "elasticsearch", "--data", data, "--heap", "256m")
		res, err := http.Get(url + "/logs")
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != want {
			t.Errorf("status %d, want %d", res.StatusCode, want)
		}
		res, err = http.Post(url+"/logs/_doc", "application/json", strings.NewReader(`{"log":"hello"}`))
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		end()
	}
}

func TestDiscard(t *testing.T) {
	url, end := running(t, build(t), "discard")
	res, err := http.Post(url+"/logs/_bulk", "application/x-ndjson", strings.NewReader("{\"create\":{}}\n{}\n"))
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	var counts struct{ Items int }
	if text := end(); json.Unmarshal([]byte(text), &counts) != nil || counts.Items != 1 {
		t.Errorf("at its end it says %s", text)
	}
}

func TestUsage(t *testing.T) {
	program := build(t)
	for _, args := range [][]string{{}, {"down"}, {"up"}, {"up", "mysql"}, {"up", "elasticsearch", "--port", "x"}, {"discard", "more"}} {
		out, err := exec.Command(program, args...).CombinedOutput()
		if err == nil || !strings.HasPrefix(string(out), "backend: ") {
			t.Errorf("%q: %v: %s", args, err, out)
		}
	}
}
