//go:build linux

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// A harness runs the real program as a person would, with a TMPDIR of its own.
type harness struct {
	program string
	tmp     string
	env     []string
}

func newHarness(t *testing.T) *harness {
	h := &harness{program: filepath.Join(t.TempDir(), "cluster"), tmp: t.TempDir()}
	if out, err := exec.Command("go", "build", "-o", h.program, ".").CombinedOutput(); err != nil {
		t.Fatalf("build the program: %v\n%s", err, out)
	}
	h.env = append(os.Environ(), "TMPDIR="+h.tmp)
	t.Cleanup(func() { // before the folders are removed
		for _, name := range []string{"a", "b"} {
			if out, err := h.run("down", "--name", name); err != nil {
				t.Errorf("down: %v: %s", err, out)
			}
		}
	})
	return h
}

func (h *harness) data(name string) string { return filepath.Join(h.tmp, "taco-cluster-"+name) }

// run runs a command of the program and returns all that it said.
func (h *harness) run(args ...string) (string, error) {
	// The first one may have to build Kubernetes.
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, h.program, args...)
	cmd.Env = h.env
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func (h *harness) must(t *testing.T, args ...string) string {
	t.Helper()
	out, err := h.run(args...)
	if err != nil {
		t.Errorf("cluster %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

// tryKubectl runs kubectl as a shell does after eval "$(cluster env)".
func (h *harness) tryKubectl(name string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	script := `settings=$("$0" env --name "$1") && eval "$settings" && shift && exec kubectl --cache-dir="$TMPDIR/kubectl" "$@"`
	cmd := exec.CommandContext(ctx, "sh", append([]string{"-c", script, h.program, name}, args...)...)
	cmd.Env = h.env
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	if err != nil {
		return stdout.String() + stderr.String(), err
	}
	return stdout.String(), nil
}

func (h *harness) kubectl(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := h.tryKubectl(name, args...)
	if err != nil {
		t.Fatalf("kubectl %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

func (h *harness) eventually(t *testing.T, try func() error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := poll(ctx, try); err != nil {
		t.Fatal(err)
	}
}

// writeFile returns a file with that text.
func writeFile(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// kill kills one of the cluster's two outermost processes, as a crash would.
func (h *harness) kill(t *testing.T, name, file string) {
	t.Helper()
	p, err := readProcess(filepath.Join(h.data(name), file))
	if err != nil {
		t.Fatal(err)
	}
	if err := p.end(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// killProgram kills the one process that runs the program.
func killProgram(t *testing.T, program string) {
	t.Helper()
	var pids []int
	for pid, line := range processes(t) {
		if strings.HasPrefix(line, program+"\x00") {
			pids = append(pids, pid)
		}
	}
	if len(pids) != 1 {
		t.Fatalf("%s runs as the processes %v, want one", program, pids)
	}
	p, err := identify(pids[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := p.end(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// processes returns the command lines of all processes, with their environments.
func processes(t *testing.T) map[int]string {
	t.Helper()
	entries, err := os.ReadDir("/proc")
	if err != nil {
		t.Fatal(err)
	}
	all := map[int]string{}
	for _, entry := range entries {
		var pid int
		if _, err := fmt.Sscanf(entry.Name(), "%d", &pid); err != nil {
			continue
		}
		line, _ := os.ReadFile("/proc/" + entry.Name() + "/cmdline")
		env, _ := os.ReadFile("/proc/" + entry.Name() + "/environ")
		all[pid] = string(line) + "\x00" + string(env)
	}
	return all
}

// checkGone checks that nothing of a cluster is left.
func checkGone(t *testing.T, data string) {
	t.Helper()
	if _, err := os.Lstat(data); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the data folder is still there: %v", err)
	}
	for pid, line := range processes(t) {
		if strings.Contains(line, data) {
			t.Errorf("process %d is still there: %q", pid, line)
		}
	}
	c := cluster{Name: strings.TrimPrefix(filepath.Base(data), "taco-cluster-"), Data: data}
	groups, err := filepath.Glob(cgroupRoot + "/*/" + c.cgroup())
	if err != nil || len(groups) > 0 {
		t.Errorf("control groups are still there: %q, %v", groups, err)
	}
	if _, err := os.Stat(filepath.Join(cgroupRoot, c.cgroup())); err == nil {
		t.Error("a control group is still there")
	}
	if mounts, err := mountsUnder(data); err != nil || len(mounts) > 0 {
		t.Errorf("mounted: %q, %v", mounts, err)
	}
}

// machine returns what of the machine a cluster could have changed.
func machine(t *testing.T) map[string]string {
	t.Helper()
	state := map[string]string{}
	for _, line := range []string{"ip -o link", "ip route", "iptables-save", "nft list ruleset"} {
		args := strings.Fields(line)
		if findProgram(args[0]) == "" {
			continue
		}
		out, err := exec.Command(findProgram(args[0]), args[1:]...).Output()
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		// iptables-save says when it ran and how much came through.
		lines := slices.DeleteFunc(strings.Split(string(out), "\n"), func(s string) bool { return strings.HasPrefix(s, "#") || strings.HasPrefix(s, ":") })
		state[line] = strings.Join(lines, "\n")
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(mounts)) {
		// Others may be at work on the machine, too.
		if regexp.MustCompile(`containerd|kubelet|cni|netns|nsfs|overlay`).MatchString(line) {
			state["mounts"] += line
		}
	}
	for _, file := range []string{"/proc/sys/vm/overcommit_memory", "/proc/sys/vm/panic_on_oom", "/proc/sys/kernel/panic",
		"/proc/sys/kernel/panic_on_oops", "/proc/sys/kernel/hostname", "/proc/sys/net/ipv4/ip_forward", "/proc/sys/net/netfilter/nf_conntrack_max", cgroupRoot + "/cgroup.subtree_control"} {
		text, err := os.ReadFile(file)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
		state[file] = string(text)
	}
	for _, folder := range []string{"/run/netns", "/run/containerd", "/var/lib/cni", "/var/lib/kubelet", "/var/log/pods"} {
		entries, _ := os.ReadDir(folder)
		for _, entry := range entries {
			state[folder] += entry.Name() + "\n"
		}
	}
	return state
}
