package architecture

import (
	"bytes"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// top is everything that lies at the top, names with a leading dot left out.
var top = []string{
	"Dockerfile.injector", "Dockerfile.sidecar", "LICENSE", "Makefile", "README.md",
	"examples", "go.mod", "go.sum", "injector", "manifests", "sidecar", "test",
}

func TestTopLevel(t *testing.T) {
	var names []string
	for _, f := range repository(t) {
		name, _, _ := strings.Cut(f, "/")
		if !strings.HasPrefix(name, ".") && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	if !slices.Equal(names, top) {
		t.Errorf("at the top are\n%q, want\n%q", names, top)
	}
	if info, err := os.Stat(".ci/run"); err != nil || info.Mode()&0o111 == 0 {
		t.Errorf(".ci/run is not a program: %v", err)
	}
}

// elsewhere are places that only somebody's own machine has.
var elsewhere = regexp.MustCompile(`/wor[k]/(main|shared|\.)|\.\./share[d]|/(home|Users)/[a-z]+/|/roo[t]/go/`)

func TestNothingPointsElsewhere(t *testing.T) {
	for _, name := range repository(t) {
		text, err := os.ReadFile(name)
		if err != nil || bytes.IndexByte(text, 0) >= 0 {
			continue // deleted and not yet committed; or no text
		}
		for i, line := range bytes.Split(text, []byte("\n")) {
			if m := elsewhere.Find(line); m != nil {
				t.Errorf("%s:%d names %s, which others do not have", name, i+1, m)
			}
		}
	}
}

func TestTestClusterIsAModuleOfItsOwn(t *testing.T) {
	repository(t)
	text, err := os.ReadFile("go.mod")
	if err != nil {
		t.Fatal(err)
	}
	if regexp.MustCompile(`(?m)^\s*(k8s\.io/kubernetes|go\.etcd\.io/etcd\S*|helm\.sh/helm\S*) `).Match(text) {
		t.Error("go.mod requires what only the test cluster is made of")
	}
	if _, err := os.Stat("test/cluster/go.mod"); err != nil {
		t.Error(err)
	}
}

// repository lists the files that belong to it, from its top, where it goes.
func repository(t *testing.T) []string {
	t.Helper()
	t.Chdir("../..")
	var files []string
	if _, err := os.Stat(".git"); err == nil {
		out, err := exec.Command("git", "-c", "safe.directory=*", "ls-files", "-z").Output()
		if err != nil {
			t.Fatalf("git ls-files: %v", err)
		}
		files = strings.Split(strings.TrimRight(string(out), "\x00"), "\x00")
		os.ReadFile(".git/index") // so that a cached result is not taken for one of other files
		return files
	}
	// A copy without git: everything but what make puts there.
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err == nil && (path == "bin" || path == ".cache") {
			return fs.SkipDir
		}
		if err == nil && !d.IsDir() {
			files = append(files, path)
		}
		return err
	})
	if err != nil || len(files) == 0 {
		t.Fatalf("no files: %v", err)
	}
	return files
}
