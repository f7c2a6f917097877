// Package manifests holds what is installed to its one source, the Helm chart in
// manifests/chart: install.yaml and the overlays are what the chart makes, its
// values are what its schema says, a real API server takes all of it, and alerts
// and dashboard ask for metrics that the programs really have.
//
//	make manifests    makes install.yaml and its like anew
//
// The tests need helm (bin/cluster helm), promtool (test/promtool.sh) and the
// programs of an API server (bin/cluster build). Those whose program is not there
// are skipped and say so; with CI=true they fail.
package manifests

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const (
	top   = "../../manifests"
	chart = top + "/chart/logging-taco"
	own   = "logging-taco" // the namespace that install.yaml names
)

// without skips the test, or fails it where everything has to be there.
func without(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal(what)
	}
	t.Skip(what)
}

// program is the path of a program that a variable names, or else is in PATH.
func program(t *testing.T, variable, name, how string) string {
	t.Helper()
	if path := os.Getenv(variable); path != "" {
		return path
	}
	path, err := exec.LookPath(name)
	if err != nil {
		without(t, "no "+name+" in $"+variable+" or PATH; run `make manifests-test`, or "+variable+"=$("+how+") go test ./test/manifests")
	}
	return path
}

func helmProgram(t *testing.T) string { return program(t, "HELM", "helm", "bin/cluster helm") }

func promtool(t *testing.T) string { return program(t, "PROMTOOL", "promtool", "test/promtool.sh") }

// assets is the folder with kube-apiserver, etcd and kubectl.
func assets(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("KUBEBUILDER_ASSETS")
	for _, name := range []string{"kube-apiserver", "etcd", "kubectl"} {
		if _, err := os.Stat(filepath.Join(dir, name)); dir == "" || err != nil {
			without(t, "no kube-apiserver, etcd and kubectl in $KUBEBUILDER_ASSETS; run `make manifests-test`, or "+
				"KUBEBUILDER_ASSETS=$(bin/cluster build) go test ./test/manifests")
		}
	}
	return dir
}

// A command runs a program. Home is a folder of the test's own: the programs keep
// caches there.
type command struct {
	path  string
	args  []string // before those of each run
	home  string
	stdin string
}

func (c command) try(t *testing.T, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), c.path, append(append([]string{}, c.args...), args...)...)
	cmd.Env = append(os.Environ(), "HOME="+c.home, "KUBECONFIG=", "HELM_NAMESPACE=")
	var out, errs bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(c.stdin), &out, &errs
	err = cmd.Run()
	return out.String(), errs.String(), err
}

func (c command) run(t *testing.T, args ...string) string {
	t.Helper()
	stdout, stderr, err := c.try(t, args...)
	if err != nil {
		t.Fatalf("%s %s: %v\n%s%s", filepath.Base(c.path), strings.Join(args, " "), err, stdout, stderr)
	}
	return stdout
}

// helm is Helm without a cluster.
func helm(t *testing.T) command { return command{path: helmProgram(t), home: t.TempDir()} }

// template is what the chart makes, as people see it in the namespace own.
func (c command) template(t *testing.T, args ...string) string {
	t.Helper()
	return c.run(t, append([]string{"template", "logging-taco", chart, "--namespace", own}, args...)...)
}
