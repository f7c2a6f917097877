package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestCluster goes through the life of real clusters: two side by side, pods,
// images, three ways to die, and down. After it the machine is as it was.
func TestCluster(t *testing.T) {
	if testing.Short() {
		t.Skip("starts real clusters")
	}
	if err := require(t.Context(), false); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	before := machine(t)
	h := newHarness(t)

	t.Run("up, two at a time", func(t *testing.T) {
		var both sync.WaitGroup
		for _, name := range []string{"a", "b"} {
			both.Go(func() { h.must(t, "up", "--name", name) })
		}
		both.Wait()
		for _, name := range []string{"a", "b"} {
			nodes := h.kubectl(t, name, "get", "nodes", "--no-headers")
			if fields := strings.Fields(nodes); len(fields) != 5 || fields[0] != name || fields[1] != "Ready" {
				t.Errorf("cluster %s has the nodes %q", name, nodes)
			}
		}
	})
	if t.Failed() {
		t.Fatal("nothing else can be tried")
	}

	t.Run("up again", func(t *testing.T) {
		if out := h.must(t, "up", "--name", "a"); !strings.Contains(out, "already running") {
			t.Errorf("up said %q", out)
		}
	})

	t.Run("pod", func(t *testing.T) {
		h.kubectl(t, "a", "run", "hello", "--image=busybox:1.37", "--", "sh", "-c", "echo hello from a pod; exec sleep 1000")
		h.kubectl(t, "a", "wait", "--for=condition=Ready", "pod/hello", "--timeout=60s")
		if logs := h.kubectl(t, "a", "logs", "hello"); logs != "hello from a pod\n" {
			t.Errorf("its log is %q", logs)
		}
		if said := h.kubectl(t, "a", "exec", "hello", "--", "sh", "-c", "id -u; ls -d /tmp"); said != "0\n/tmp\n" {
			t.Errorf("exec said %q", said)
		}
		files, err := filepath.Glob(h.data("a") + "/var-log/pods/default_hello_*/hello/0.log")
		if err != nil || len(files) != 1 {
			t.Fatalf("its log is in %q, %v; want one file", files, err)
		}
		if text, err := os.ReadFile(files[0]); err != nil || !strings.Contains(string(text), "hello from a pod") {
			t.Errorf("its log file has %q, %v", text, err)
		}
		if pods := h.kubectl(t, "b", "get", "pods"); pods != "" {
			t.Errorf("the other cluster has pods: %q", pods)
		}
	})

	t.Run("rights", func(t *testing.T) {
		// A pod's own ServiceAccount may not list pods: RBAC is on.
		out, err := h.tryKubectl("a", "auth", "can-i", "list", "pods", "--as=system:serviceaccount:default:default")
		if err == nil || !strings.HasPrefix(out, "no") {
			t.Errorf("can-i said %q, %v", out, err)
		}
		h.kubectl(t, "a", "label", "namespace", "default", "pod-security.kubernetes.io/enforce=restricted")
		if out, err := h.tryKubectl("a", "run", "root", "--image=busybox:1.37"); err == nil || !strings.Contains(out, "violates PodSecurity") {
			t.Errorf("a pod in a restricted namespace: %q, %v", out, err)
		}
		h.kubectl(t, "a", "label", "namespace", "default", "pod-security.kubernetes.io/enforce-")
	})

	t.Run("service", func(t *testing.T) {
		// The address of a Service works in pods, so kube-proxy does.
		h.kubectl(t, "a", "run", "web", "--image=busybox:1.37", "--port=80", "--expose", "--", "sh", "-c", "mkdir /www; echo served >/www/f; exec httpd -f -h /www")
		h.kubectl(t, "a", "wait", "--for=condition=Ready", "pod/web", "--timeout=60s")
		ip := h.kubectl(t, "a", "get", "service", "web", "-o", "jsonpath={.spec.clusterIP}")
		h.eventually(t, func() error {
			out, err := h.tryKubectl("a", "exec", "hello", "--", "wget", "-q", "-O-", "http://"+ip+"/f")
			if err != nil || out != "served\n" {
				return fmt.Errorf("wget said %q, %w", out, err)
			}
			return nil
		})
	})

	t.Run("load", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "x.tar")
		h.must(t, "image", "--tag", "example.test/x:1", "--out", file, staticProgram(t))
		h.must(t, "load", "--name", "b", file)
		h.kubectl(t, "b", "run", "x", "--image=example.test/x:1", "--image-pull-policy=Never")
		h.kubectl(t, "b", "wait", "--for=condition=Ready", "pod/x", "--timeout=60s")
		out, err := h.run("load", "--name", "b", filepath.Join(t.TempDir(), "none.tar"))
		if err == nil || !strings.Contains(out, "none.tar") {
			t.Errorf("load of a file that is not there: %v, %q", err, out)
		}
	})

	t.Run("expose", func(t *testing.T) {
		l := listen(t)
		go func() {
			for {
				conn, err := l.Accept()
				if err != nil {
					return
				}
				conn.Write([]byte("HTTP/1.0 200 OK\r\n\r\nfrom outside\n"))
				conn.Close()
			}
		}()
		cmd := exec.CommandContext(t.Context(), h.program, "expose", "--name", "a", "9200="+l.Addr().String())
		cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
		cmd.Env = h.env
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		h.eventually(t, func() error {
			out, err := h.tryKubectl("a", "exec", "hello", "--", "wget", "-q", "-O-", "http://10.244.0.1:9200/")
			if err != nil || out != "from outside\n" {
				return fmt.Errorf("wget said %q, %w", out, err)
			}
			return nil
		})
		cmd.Process.Signal(os.Interrupt)
		if err := cmd.Wait(); err != nil {
			t.Errorf("expose ended with %v", err)
		}
	})

	t.Run("init killed", func(t *testing.T) {
		h.kill(t, "a", initFile)
		out, err := h.run("env", "--name", "a")
		if err == nil || !strings.Contains(out, "cluster up --name a") {
			t.Errorf("env of a dead cluster: %v, %q", err, out)
		}
		h.must(t, "up", "--name", "a")
		if pods := h.kubectl(t, "a", "get", "pods"); pods != "" {
			t.Errorf("the new cluster has pods: %q", pods)
		}
		if pods := h.kubectl(t, "b", "get", "pods", "-o", "name"); pods != "pod/x\n" {
			t.Errorf("the other cluster has the pods %q", pods)
		}
	})

	t.Run("holder killed", func(t *testing.T) {
		init, err := readProcess(filepath.Join(h.data("a"), initFile))
		if err != nil {
			t.Fatal(err)
		}
		h.kill(t, "a", holdFile)
		h.eventually(t, func() error {
			if init.alive() {
				return errors.New("the node still runs, and nobody would end it")
			}
			return nil
		})
		h.must(t, "up", "--name", "a")
	})

	t.Run("component killed", func(t *testing.T) {
		hold, err := readProcess(filepath.Join(h.data("a"), holdFile))
		if err != nil {
			t.Fatal(err)
		}
		killProgram(t, filepath.Join(h.data("a"), "bin/kube-scheduler"))
		h.eventually(t, func() error {
			if hold.alive() {
				return errors.New("the cluster goes on without its scheduler")
			}
			return nil
		})
		out, err := h.run("env", "--name", "a")
		if err == nil || !strings.Contains(out, "kube-scheduler ended: signal: killed") || !strings.Contains(out, "log/kube-scheduler.log") {
			t.Errorf("env says %q; want what ended, and its log", out)
		}
		h.must(t, "down", "--name", "a")
	})

	t.Run("up interrupted", func(t *testing.T) {
		cmd := exec.Command(h.program, "up", "--name", "a")
		cmd.Env = h.env
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		h.eventually(t, func() error {
			_, err := os.Stat(filepath.Join(h.data("a"), "log/kube-apiserver.log"))
			return err
		})
		cmd.Process.Signal(os.Interrupt)
		if err := cmd.Wait(); err == nil {
			t.Error("up had success all the same")
		}
		checkGone(t, h.data("a"))
	})

	t.Run("foreground", func(t *testing.T) {
		cmd := exec.Command(h.program, "up", "--name", "a", "--foreground")
		cmd.Env = h.env
		said, err := cmd.StderrPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		for lines := bufio.NewScanner(said); lines.Scan(); {
			if strings.Contains(lines.Text(), "until ^C") {
				h.kubectl(t, "a", "get", "--raw", "/readyz")
				cmd.Process.Signal(unix.SIGTERM)
			}
		}
		if err := cmd.Wait(); err != nil {
			t.Errorf("up --foreground: %v", err)
		}
		checkGone(t, h.data("a"))
	})

	t.Run("down", func(t *testing.T) {
		h.must(t, "down", "--name", "b")
		checkGone(t, h.data("b"))
		if out := h.must(t, "down", "--name", "b"); !strings.Contains(out, "not running") {
			t.Errorf("a second down said %q", out)
		}
		after := machine(t)
		for what, state := range before {
			if after[what] != state {
				t.Errorf("%s: before\n%s\nafter\n%s", what, state, after[what])
			}
		}
	})
}

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
	for _, file := range []string{"/proc/self/mountinfo", "/proc/sys/vm/overcommit_memory", "/proc/sys/vm/panic_on_oom", "/proc/sys/kernel/panic",
		"/proc/sys/kernel/panic_on_oops", "/proc/sys/kernel/hostname", "/proc/sys/net/ipv4/ip_forward", "/proc/sys/net/netfilter/nf_conntrack_max", cgroupRoot + "/cgroup.subtree_control"} {
		text, err := os.ReadFile(file)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
		state[file] = string(text)
	}
	for _, folder := range []string{"/run", "/run/netns", "/run/containerd", "/var/lib/cni", "/var/lib/kubelet", "/var/log/pods"} {
		entries, _ := os.ReadDir(folder)
		for _, entry := range entries {
			state[folder] += entry.Name() + "\n"
		}
	}
	return state
}
