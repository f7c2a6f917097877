//go:build linux

package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

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

	// The node's own connections to Services take another way than those of
	// pods, and webhooks depend on it. This one arrives, at a server that is
	// none of a webhook.
	t.Run("webhook", func(t *testing.T) {
		h.kubectl(t, "a", "create", "-f", writeFile(t, `{
			"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration", "metadata": {"name": "w"},
			"webhooks": [{
				"name": "w.example.test", "sideEffects": "None", "admissionReviewVersions": ["v1"],
				"clientConfig": {"service": {"namespace": "default", "name": "web", "port": 80}},
				"rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["secrets"]}]
			}]
		}`))
		out, err := h.tryKubectl("a", "create", "secret", "generic", "s")
		if err == nil || !strings.Contains(out, "server gave HTTP response to HTTPS client") {
			t.Errorf("the call of the webhook: %v, %s", err, out)
		}
		h.kubectl(t, "a", "delete", "validatingwebhookconfiguration", "w")
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
