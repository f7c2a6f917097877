//go:build linux

package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"
)

// The programs of Kubernetes that a node runs, with kubectl for its users.
var kubernetesPrograms = []string{"kube-apiserver", "kubelet", "kube-controller-manager", "kube-scheduler", "kubectl", "kube-proxy"}

// buildFlags are those of all programs. -trimpath makes what is compiled the
// same in every checkout; without DWARF, which the linker would drop anyway,
// compiling takes a tenth less.
var buildFlags = []string{"-trimpath", "-buildvcs=false", "-gcflags=all=-dwarf=false"}

// A binaries builds programs, once per version, into a folder that outlives
// the tree: some minutes the first time, nothing later.
type binaries struct {
	what   string // for a person: Kubernetes v1.36.3
	folder string // in the cache; there when the build was complete
	steps  []step
}

// A step is one call of go build.
type step struct {
	what     string
	module   string // the folder of the module that requires what is built
	out      string // the program in bin, or "" for a folder of programs
	ldflags  string
	packages []string
}

// kubernetes returns the programs that every cluster runs.
func kubernetes() (binaries, error) {
	source, err := findSource()
	if err != nil {
		return binaries{}, err
	}
	module := filepath.Join(source, "kubernetes")
	version, err := required(module, "k8s.io/kubernetes")
	if err != nil {
		return binaries{}, err
	}
	var packages []string
	for _, program := range kubernetesPrograms {
		packages = append(packages, "k8s.io/kubernetes/cmd/"+program)
	}
	const variables = "k8s.io/component-base/version"
	numbers := strings.Split(strings.TrimPrefix(version, "v"), ".")
	stamp := fmt.Sprintf("-s -w -X %[1]s.gitVersion=%[2]s -X %[1]s.gitMajor=%[3]s -X %[1]s.gitMinor=%[4]s", variables, version, numbers[0], numbers[1])
	b := binaries{what: "Kubernetes " + version, steps: []step{
		{"Kubernetes " + version, module, "", stamp, packages},
		{"etcd", module, "etcd", "-s -w", []string{"go.etcd.io/etcd/server/v3"}},
		{"pause", source, "pause", "-s -w", []string{"./pause"}},
	}}
	return b, b.locate("kubernetes-"+version, filepath.Join(module, "go.mod"), filepath.Join(module, "go.sum"), filepath.Join(source, "pause/main.go"))
}

// coreDNS returns the DNS server of a cluster that has one.
func coreDNS() (binaries, error) {
	source, err := findSource()
	if err != nil {
		return binaries{}, err
	}
	module := filepath.Join(source, "coredns")
	version, err := required(module, "github.com/coredns/coredns")
	if err != nil {
		return binaries{}, err
	}
	b := binaries{what: "CoreDNS " + version, steps: []step{{"CoreDNS " + version, module, "coredns", "-s -w", []string{"."}}}}
	return b, b.locate("coredns-"+version, filepath.Join(module, "go.mod"), filepath.Join(module, "go.sum"), filepath.Join(module, "main.go"))
}

// helm returns Helm, for the tests of charts.
func helm() (binaries, error) {
	source, err := findSource()
	if err != nil {
		return binaries{}, err
	}
	module := filepath.Join(source, "helm")
	version, err := required(module, "helm.sh/helm/v4")
	if err != nil {
		return binaries{}, err
	}
	stamp := "-s -w -X helm.sh/helm/v4/internal/version.version=" + version
	b := binaries{what: "Helm " + version, steps: []step{{"Helm " + version, module, "helm", stamp, []string{"helm.sh/helm/v4/cmd/helm"}}}}
	return b, b.locate("helm-"+version, filepath.Join(module, "go.mod"), filepath.Join(module, "go.sum"))
}

// required returns the version of a module that another one requires.
func required(module, name string) (string, error) {
	file := filepath.Join(module, "go.mod")
	text, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	match := regexp.MustCompile(`(?m)^\s*(?:require )?` + regexp.QuoteMeta(name) + ` (v\d+\.\d+\.\d+)$`).FindSubmatch(text)
	if match == nil {
		return "", fmt.Errorf("%s requires no %s", file, name)
	}
	return string(match[1]), nil
}

// locate sets the folder: its name changes with all on which the result depends.
func (b *binaries) locate(name string, files ...string) error {
	sum := sha256.New()
	fmt.Fprintln(sum, buildFlags)
	for _, s := range b.steps {
		fmt.Fprintln(sum, s.out, s.ldflags, s.packages)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		sum.Write(text)
	}
	cache := os.Getenv("TACO_CACHE")
	if cache == "" {
		user, err := os.UserCacheDir()
		if err != nil {
			return fmt.Errorf("find the cache folder: %w (or set TACO_CACHE)", err)
		}
		cache = filepath.Join(user, "logging.taco")
	}
	cache, err := filepath.Abs(cache)
	b.folder = filepath.Join(cache, fmt.Sprintf("%s-%s-%s-%.6x", name, runtime.GOOS, runtime.GOARCH, sum.Sum(nil)))
	return err
}

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
		return fmt.Errorf("%s is built from source, and there is no go in PATH: install Go 1.26 or newer", b.what)
	}
	// A folder of that name is a build that did not end.
	unfinished := b.folder + ".unfinished"
	if err := os.RemoveAll(unfinished); err != nil {
		return err
	}
	defer os.RemoveAll(unfinished)
	for _, step := range b.steps {
		if err := step.run(ctx, filepath.Join(unfinished, "bin"), show); err != nil {
			return fmt.Errorf("build %s: %w", b.what, err)
		}
	}
	return os.Rename(unfinished, b.folder)
}

// lockBuild takes the lock of a build. The file stays: that another build may
// be waiting for it makes removing it unsafe.
func lockBuild(ctx context.Context, file string, show *progress) (unlock func(), err error) {
	f, err := os.OpenFile(file, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err == nil {
		return func() { f.Close() }, nil
	}
	show.begin("waiting for another build")
	defer show.end()
	if err := waitLock(ctx, f); err != nil {
		f.Close()
		return nil, err
	}
	return func() { f.Close() }, nil
}
