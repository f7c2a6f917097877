// Package architecture holds the repository to its plan: who may import whom,
// what is linked into the sidecar, which function is pure, and what lies where.
package architecture

import (
	"bytes"
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "logging.taco"

// pkg is what `go list` says of a package.
type pkg struct {
	ImportPath    string
	Imports, Deps []string // Deps with what they import in turn
}

// list asks the go command for our own packages.
func list(t *testing.T) map[string]pkg {
	t.Helper()
	watch(t)
	cmd := exec.Command("go", "list", "-json=ImportPath,Imports,Deps", "./sidecar/...", "./injector/...")
	var faults bytes.Buffer
	cmd.Stderr = &faults
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, &faults)
	}
	all := map[string]pkg{}
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p pkg
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		all[strings.TrimPrefix(p.ImportPath, module+"/")] = p
	}
	return all
}

// within tells whether an import path is one of the trees or lies in it.
func within(path string, trees ...string) bool {
	return slices.ContainsFunc(trees, func(tree string) bool { return path == tree || strings.HasPrefix(path, tree+"/") })
}

// never fails for each import that is in one of the trees.
func never(t *testing.T, who string, imports []string, why string, trees ...string) {
	t.Helper()
	for _, i := range imports {
		if within(i, trees...) {
			t.Errorf("%s imports %s: %s", who, i, why)
		}
	}
}

func TestImports(t *testing.T) {
	all := list(t)
	for _, name := range []string{"sidecar", "sidecar/follow", "sidecar/config", "injector", "injector/inject"} {
		if all[name].ImportPath == "" {
			t.Fatalf("there is no package %s", name)
		}
	}
	own := func(names ...string) (paths []string) {
		for _, n := range names {
			paths = append(paths, module+"/"+n)
		}
		return paths
	}
	never(t, "sidecar", all["sidecar"].Deps, "it costs each pod memory, and each image size",
		"k8s.io", "sigs.k8s.io", "github.com/google/gnostic-models")
	for name, p := range all {
		switch {
		case within(name, "sidecar/follow"):
			never(t, name, p.Deps, "bytes and offsets are all that it knows",
				own("sidecar/record", "sidecar/sink", "sidecar/pipeline", "sidecar/checkpoint", "sidecar/config")...)
		case within(name, "sidecar/record"):
			never(t, name, p.Deps, "text is all that it knows",
				own("sidecar/follow", "sidecar/sink", "sidecar/pipeline", "sidecar/checkpoint", "sidecar/config", "sidecar/pod")...)
		case within(name, "sidecar/sink"):
			never(t, name, p.Deps, "a sink is told what to deliver", own("sidecar/pipeline", "sidecar/checkpoint")...)
		}
		if within(name, "sidecar") {
			never(t, name, p.Deps, "the injector comes before the sidecar, not into it", own("injector")...)
		}
		if !within(name, "injector") {
			continue
		}
		for _, i := range p.Imports {
			if within(i, module+"/sidecar") && i != module+"/sidecar/config" {
				t.Errorf("%s imports %s: the contract is sidecar/config alone", name, i)
			}
		}
	}
}

// impure are functions whose result depends on more than their arguments.
var impure = map[string][]string{
	"time": {"Now", "Since", "Until", "After", "AfterFunc", "Tick", "NewTimer", "NewTicker", "Sleep"},
	"fmt":  {"Print", "Println", "Printf", "Scan", "Scanln", "Scanf"},
}

func TestInjectIsPure(t *testing.T) {
	watch(t)
	files, err := filepath.Glob("injector/inject/*.go")
	if err != nil || len(files) == 0 {
		t.Fatalf("no files: %v", err)
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, spec := range f.Imports {
			path, _ := strconv.Unquote(spec.Path.Value)
			if path == "net/netip" || path == "net/url" {
				continue // they only parse
			}
			never(t, name, []string{path}, "the same pod gives the same bytes, at any time and place",
				"os", "net", "io/ioutil", "syscall", "log", "math/rand", "crypto/rand", "runtime", "embed",
				"golang.org/x/sys", "k8s.io/client-go", "sigs.k8s.io/controller-runtime")
		}
		ast.Inspect(f, func(n ast.Node) bool {
			if s, ok := n.(*ast.SelectorExpr); ok {
				if x, ok := s.X.(*ast.Ident); ok && slices.Contains(impure[x.Name], s.Sel.Name) {
					t.Errorf("%s calls %s.%s", name, x.Name, s.Sel.Name)
				}
			}
			return true
		})
	}
}

// watch makes the sources known to `go test`, which else would take a result
// from its cache whatever has changed in them, and goes to the repository's top.
func watch(t *testing.T) {
	t.Helper()
	t.Chdir("../..")
	for _, tree := range []string{"go.mod", "go.sum", "sidecar", "injector"} {
		err := filepath.WalkDir(tree, func(path string, d fs.DirEntry, err error) error {
			if err == nil {
				_, err = os.Stat(path)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}
