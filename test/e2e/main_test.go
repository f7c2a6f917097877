// Package e2e does with a real Kubernetes what a user does: install by
// kubectl apply -k, apply annotated pods, read their files by kubectl logs or find
// them in Elasticsearch and OpenSearch. Then it kills, deletes, breaks and repeats.
//
// All tests share one cluster, which is made for them and ends with them:
//
//	make e2e                               a node of this machine's own (root, Linux)
//	make e2e CLUSTER=current               the cluster of kubectl's current context
//	TACO_E2E_CLUSTER=dev make e2e          one that `bin/cluster up --name dev` left running
//
// Tests that run in parallel have a namespace each. Those that disturb the
// injector itself, or look at what it counts, come before them, one by one.
package e2e

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"logging.taco/injector/profile"
)

var (
	// interrupted ends with ^C: whatever waits stops waiting.
	interrupted = context.Background()
	// unusable says why there is no cluster on this machine, if there is none.
	unusable string
	// clusterProgram and clusterName are how to get at a cluster of this machine's own.
	clusterProgram, clusterName string
)

func TestMain(m *testing.M) {
	flag.Parse()
	if f := flag.Lookup("test.parallel"); f.Value.String() == f.DefValue {
		_ = flag.Set("test.parallel", "8") // they wait more than they work
	}
	var stop func()
	interrupted, stop = signal.NotifyContext(interrupted, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	// The cluster ends with the thread that started it, should this process not
	// come to end it.
	runtime.LockOSThread()
	os.Exit(run(m))
}

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "taco-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		return 1
	}
	defer os.RemoveAll(dir)
	down, err := setUp(dir)
	defer down()
	var cannot unusableError
	switch {
	case errors.As(err, &cannot) && os.Getenv("CI") != "true":
		unusable = cannot.Error() // each test says so
	case err != nil:
		fmt.Fprintln(os.Stderr, "e2e:", err)
		return 1
	}
	return m.Run()
}

// An unusableError means that this machine cannot run a cluster, and says why.
type unusableError string

func (e unusableError) Error() string { return string(e) }

// setUp makes the cluster, or finds it, and installs what is built from this
// checkout. The function that it returns takes away what was made.
func setUp(dir string) (down func(), err error) {
	down = func() {}
	if err := build(dir); err != nil {
		return down, err
	}
	// What kubectl finds out about the cluster is not for ~/.kube.
	os.Setenv("KUBECACHEDIR", filepath.Join(dir, "kubectl"))
	if os.Getenv("CLUSTER") == "current" {
		return setUpCurrent(dir)
	}
	name := os.Getenv("TACO_E2E_CLUSTER")
	if name == "" {
		name = fmt.Sprintf("e2e-%d", os.Getpid())
		if down, err = startCluster(dir, name); err != nil {
			return down, err
		}
	}
	program := filepath.Join(dir, "cluster")
	clusterProgram, clusterName = program, name
	settings, err := exec.Command("sh", "-c",
		`settings=$("$0" env --name "$1") && eval "$settings" && printf '%s\n%s\n' "$KUBECONFIG" "$PATH"`, program, name).Output()
	if err != nil {
		return down, fmt.Errorf("find the cluster %s: %w: %s", name, err, stderrOf(err))
	}
	kubeconfig, path, _ := strings.Cut(strings.TrimSpace(string(settings)), "\n")
	os.Setenv("KUBECONFIG", kubeconfig)
	os.Setenv("PATH", path)

	injector, err := injectorImage()
	if err != nil {
		return down, err
	}
	load := exec.CommandContext(interrupted, program, "load", "--name", name,
		profile.DefaultImage+"="+filepath.Join(dir, "sidecar"), injector+"="+filepath.Join(dir, "injector"))
	if out, err := load.CombinedOutput(); err != nil {
		return down, fmt.Errorf("load the images: %w: %s", err, out)
	}
	if err := setOutputs(); err != nil {
		return down, err
	}
	return down, install()
}

// build builds the programs into dir, as the Makefile does.
func build(dir string) error {
	for _, b := range []struct{ module, pkg, name string }{
		{"../..", "./sidecar", "sidecar"}, {"../..", "./injector", "injector"}, {"../cluster", ".", "cluster"},
	} {
		cmd := exec.CommandContext(interrupted, "go", "build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w", "-o", filepath.Join(dir, b.name), b.pkg)
		cmd.Dir = b.module
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("build %s: %w\n%s", b.name, err, out)
		}
	}
	return nil
}

// startCluster starts a cluster that ends with down, or with this process.
func startCluster(dir, name string) (down func(), err error) {
	down = func() {}
	cmd := exec.Command(filepath.Join(dir, "cluster"), "up", "--foreground", "--name", name)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	said, err := cmd.StderrPipe()
	if err != nil {
		return down, err
	}
	if err := cmd.Start(); err != nil {
		return down, err
	}
	var text strings.Builder
	running := make(chan struct{})
	ended := make(chan error, 1)
	go func() {
		lines := bufio.NewScanner(said)
		for up := false; lines.Scan(); {
			fmt.Fprintln(os.Stderr, lines.Text())
			if up {
				continue
			}
			text.WriteString(lines.Text() + "\n")
			if up = strings.HasSuffix(lines.Text(), ": running until ^C"); up {
				close(running)
			}
		}
		ended <- cmd.Wait()
	}()
	down = func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		if err := <-ended; err != nil {
			fmt.Fprintln(os.Stderr, "e2e: end the cluster:", err)
		}
	}
	select {
	case <-running:
		return down, nil
	case <-interrupted.Done():
		return down, errors.New("interrupted")
	case err := <-ended:
		if strings.Contains(text.String(), "cannot run on this machine") {
			return func() {}, unusableError(text.String())
		}
		return func() {}, fmt.Errorf("start the cluster: %w", err)
	}
}

// setUpCurrent leaves the loading of images to the demo, which knows how.
func setUpCurrent(dir string) (down func(), err error) {
	unreachable = "pods of a cluster that is not this machine's own do not reach the log backends of this machine"
	_, version, _ := strings.Cut(profile.DefaultImage, ":")
	demo := func(command string) error {
		cmd := exec.Command("../demo/demo.sh", command)
		cmd.Env = append(os.Environ(), "BIN="+dir, "VERSION="+version)
		cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
		return cmd.Run()
	}
	down = func() {
		if err := demo("down"); err != nil {
			fmt.Fprintln(os.Stderr, "e2e:", err)
		}
	}
	if err := demo("install"); err != nil {
		return down, err
	}
	if _, _, err := kubectlCommand(interrupted, "", "get", "configmap", "-n", "default", "logging-taco-demo"); err != nil {
		return func() {}, errors.New("logging.taco was installed in this cluster already; the tests would stop it, so they do not begin")
	}
	return down, nil
}

// injectorImage is the image that the manifests name.
func injectorImage() (string, error) {
	text, err := os.ReadFile("../../manifests/install.yaml")
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(text)) {
		if image, ok := strings.CutPrefix(strings.TrimSpace(line), "image: "); ok {
			return image, nil
		}
	}
	return "", errors.New("manifests/install.yaml names no image")
}

// install installs as the README says, and waits until a pod would be injected.
func install() error {
	ctx, cancel := context.WithTimeoutCause(interrupted, 3*time.Minute, errors.New("it took more than 3 minutes"))
	defer cancel()
	_, _, earlier := kubectlCommand(ctx, "", "get", "-n", own, "deployment", "injector")
	if _, stderr, err := kubectlCommand(ctx, "", "apply", "-k", "../../manifests"); err != nil {
		return fmt.Errorf("install: %w: %s", err, stderr)
	}
	if earlier == nil { // the same tag, perhaps another program
		if _, stderr, err := kubectlCommand(ctx, "", "delete", "pods", "-n", own, "-l", "app.kubernetes.io/component=injector"); err != nil {
			return fmt.Errorf("restart: %w: %s", err, stderr)
		}
	}
	if _, stderr, err := kubectlCommand(ctx, "", "rollout", "status", "-n", own, "deployment/injector"); err != nil {
		return fmt.Errorf("wait for the injector: %w: %s", err, stderr)
	}
	err := poll(ctx, func() error {
		out, stderr, err := kubectlCommand(ctx, writer{}.yaml("probe"), "create", "-n", "default", "--dry-run=server", "-f", "-", "-o", "yaml")
		if err != nil {
			return fmt.Errorf("%w: %s", err, stderr)
		}
		if !strings.Contains(out, "name: taco-logs") {
			return errors.New("no sidecar yet")
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("wait for the webhook: %w", err)
	}
	return nil
}

func stderrOf(err error) string {
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return string(exit.Stderr)
	}
	return ""
}
