package main

import (
	"bufio"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// The programs of Kubernetes that a node runs, with kubectl for its users.
var kubernetesPrograms = []string{"kube-apiserver", "kubelet", "kube-controller-manager", "kube-scheduler", "kubectl", "kube-proxy"}

// buildFlags are those of all programs. -trimpath makes what is compiled the
// same in every checkout.
var buildFlags = []string{"-trimpath", "-buildvcs=false"}

// A binaries builds what a cluster runs, once per version, into a folder that
// outlives the tree: some minutes the first time, nothing later.
type binaries struct {
	source  string // the folder of this program's source
	version string // of Kubernetes, v1.36.3
	folder  string // in the cache; there when the build was complete
}

// findBinaries says where the binaries are or will be.
func findBinaries() (b binaries, err error) {
	if b.source, err = findSource(); err != nil {
		return b, err
	}
	// What is built depends on these alone.
	sum := sha256.New()
	fmt.Fprintln(sum, kubernetesPrograms, buildFlags)
	for _, file := range []string{"kubernetes/go.sum", "kubernetes/go.mod", "pause/main.go"} {
		text, err := os.ReadFile(filepath.Join(b.source, file))
		if err != nil {
			return b, err
		}
		sum.Write(text)
		if match := kubernetesVersion.FindSubmatch(text); file == "kubernetes/go.mod" && match != nil {
			b.version = string(match[1])
		}
	}
	if b.version == "" {
		return b, fmt.Errorf("%s requires no k8s.io/kubernetes", filepath.Join(b.source, "kubernetes/go.mod"))
	}
	cache := os.Getenv("TACO_CACHE")
	if cache == "" {
		user, err := os.UserCacheDir()
		if err != nil {
			return b, fmt.Errorf("find the cache folder: %w (or set TACO_CACHE)", err)
		}
		cache = filepath.Join(user, "logging.taco")
	}
	if cache, err = filepath.Abs(cache); err != nil {
		return b, err
	}
	b.folder = filepath.Join(cache, fmt.Sprintf("kubernetes-%s-%s-%s-%.6x", b.version, runtime.GOOS, runtime.GOARCH, sum.Sum(nil)))
	return b, nil
}

var kubernetesVersion = regexp.MustCompile(`(?m)^\s*k8s\.io/kubernetes (v[0-9.]+)$`)

// findSource finds the folder of this program's source: where it was compiled,
// or from where the program or the caller is.
func findSource() (string, error) {
	_, file, _, _ := runtime.Caller(0)
	candidates := []string{filepath.Dir(file)}
	var starts []string
	if self, err := os.Executable(); err == nil {
		starts = append(starts, filepath.Dir(self))
	}
	if here, err := os.Getwd(); err == nil {
		starts = append(starts, here)
	}
	for _, dir := range starts {
		for ; dir != "/"; dir = filepath.Dir(dir) {
			candidates = append(candidates, dir, filepath.Join(dir, "test/cluster"))
		}
	}
	for _, dir := range candidates {
		text, err := os.ReadFile(filepath.Join(dir, "kubernetes/go.mod"))
		if filepath.IsAbs(dir) && err == nil && strings.Contains(string(text), "module logging.taco/test/cluster/kubernetes") {
			return dir, nil
		}
	}
	return "", errors.New("the source of test/cluster, from which Kubernetes is built, is not found: run this from the checkout")
}

// bin is the folder of the programs.
func (b binaries) bin() string { return filepath.Join(b.folder, "bin") }

func (b binaries) built() bool {
	_, err := os.Stat(b.bin())
	return err == nil
}

// build builds what is not yet there. Of two at a time, one waits for the other.
func (b binaries) build(ctx context.Context, show *progress) error {
	if b.built() {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(b.folder), 0o755); err != nil {
		return fmt.Errorf("make the cache folder: %w", err)
	}
	unlock, err := lockBuild(ctx, b.folder+".lock", show)
	if err != nil {
		return err
	}
	defer unlock()
	if b.built() {
		return nil
	}
	if _, err := exec.LookPath("go"); err != nil {
		return errors.New("Kubernetes is built from source, and there is no go in PATH: install Go 1.26 or newer")
	}
	// A folder of that name is a build that did not end.
	unfinished := b.folder + ".unfinished"
	if err := os.RemoveAll(unfinished); err != nil {
		return err
	}
	defer os.RemoveAll(unfinished)
	if err := b.compile(ctx, filepath.Join(unfinished, "bin"), show); err != nil {
		return fmt.Errorf("build Kubernetes %s: %w", b.version, err)
	}
	return os.Rename(unfinished, b.folder)
}

func (b binaries) compile(ctx context.Context, bin string, show *progress) error {
	const version = "k8s.io/component-base/version"
	numbers := strings.Split(strings.TrimPrefix(b.version, "v"), ".")
	flags := fmt.Sprintf("-s -w -X %[1]s.gitVersion=%[2]s -X %[1]s.gitMajor=%[3]s -X %[1]s.gitMinor=%[4]s", version, b.version, numbers[0], numbers[1])
	var programs []string
	for _, program := range kubernetesPrograms {
		programs = append(programs, "k8s.io/kubernetes/cmd/"+program)
	}
	module := filepath.Join(b.source, "kubernetes")
	if err := goBuild(ctx, module, flags, bin+"/", programs, "building Kubernetes "+b.version, show); err != nil {
		return err
	}
	if err := goBuild(ctx, module, "-s -w", filepath.Join(bin, "etcd"), []string{"go.etcd.io/etcd/server/v3"}, "building etcd", show); err != nil {
		return err
	}
	return goBuild(ctx, b.source, "-s -w", filepath.Join(bin, "pause"), []string{"./pause"}, "building pause", show)
}

// goBuild builds programs without cgo, and so without shared libraries.
func goBuild(ctx context.Context, module, flags, out string, programs []string, what string, show *progress) error {
	args := slices.Concat([]string{"build", "-v"}, buildFlags, []string{"-ldflags=" + flags, "-o", out}, programs)
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = module
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=", "GOWORK=off", "GOOS="+runtime.GOOS, "GOARCH="+runtime.GOARCH)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 10 * time.Second
	said, err := cmd.StderrPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	show.begin(what)
	errorText := count(said, show)
	err = cmd.Wait()
	show.end()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		return fmt.Errorf("%w\n%s", err, errorText)
	}
	return nil
}

// count reads what "go build -v" says: a line for each module and package,
// which are counted, and errors, which are returned.
func count(said io.Reader, show *progress) string {
	var modules, packages int
	var rest []string
	step := func() {
		if modules == 0 {
			show.step(fmt.Sprintf("%d packages", packages))
		} else {
			show.step(fmt.Sprintf("%d modules, %d packages", modules, packages))
		}
	}
	lines := bufio.NewScanner(said)
	for lines.Scan() {
		line := lines.Text()
		switch {
		case strings.HasPrefix(line, "go: downloading "):
			modules++
			step()
		case !strings.ContainsAny(line, " \t:"):
			packages++
			step()
		default:
			rest = append(rest, line)
		}
	}
	io.Copy(io.Discard, said)
	return strings.Join(rest[max(0, len(rest)-20):], "\n")
}

// lockBuild takes the lock of a build. The file stays: that another build may
// be waiting for it makes removing it unsafe.
func lockBuild(ctx context.Context, file string, show *progress) (unlock func(), err error) {
	f, err := os.OpenFile(file, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	waiting := false
	err = poll(ctx, func() error {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err != nil && !waiting {
			waiting = true
			show.begin("waiting for another build")
		}
		return err
	})
	if waiting {
		show.end()
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("lock %s: %w", file, err)
	}
	return func() { f.Close() }, nil
}
