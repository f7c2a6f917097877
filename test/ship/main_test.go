// Package ship runs the built sidecar against real nodes of Elasticsearch and
// OpenSearch, and compares the lines that were written with the documents that
// are found there. Where a node cannot be brought to say something, a stand-in
// says it.
//
//	$TACO_SIDECAR      another build of the sidecar
//	$TACO_BUILD_FLAGS  flags for building it, such as -race
//	$TACO_SHIP_LONG    not empty: also what takes many minutes
//
// All that a test starts dies with the test program, however that ends, and
// its files are removed.
package ship

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"logging.taco/test/backend"
)

// binary is the sidecar.
var binary string

// long tells whether there is time for everything.
var long = os.Getenv("TACO_SHIP_LONG") != ""

func TestMain(m *testing.M) {
	flag.Parse()
	dir, swept, err := sweptFolder()
	if err == nil {
		os.Setenv("TMPDIR", dir) // of the nodes and of t.TempDir too
		binary, err = build(dir)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "prepare the tests:", err)
		os.Exit(1)
	}
	// Tests wait for pauses of the sidecar more than they work.
	if parallel := flag.Lookup("test.parallel"); parallel.Value.String() == parallel.DefValue {
		flag.Set("test.parallel", "24")
	}
	code := backend.Main(m)
	swept()
	os.Exit(code)
}

// build makes the sidecar, unless another one is named.
func build(dir string) (string, error) {
	if name := os.Getenv("TACO_SIDECAR"); name != "" {
		return name, nil
	}
	name := filepath.Join(dir, "sidecar")
	args := append([]string{"build", "-o", name}, strings.Fields(os.Getenv("TACO_BUILD_FLAGS"))...)
	if out, err := exec.Command("go", append(args, "logging.taco/sidecar")...).CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the sidecar: %w\n%s", err, out)
	}
	return name, nil
}

// sweptFolder makes a folder that is removed when this process has ended in
// whatever way: by a shell that waits for that. swept removes it now.
func sweptFolder() (dir string, swept func(), err error) {
	if dir, err = os.MkdirTemp("", "taco-ship-"); err != nil {
		return "", nil, err
	}
	// What has just been killed may still write.
	sweeper := exec.Command("sh", "-c", `trap "" INT TERM HUP; cat; rm -rf -- "$0" || { sleep 1; rm -rf -- "$0"; }`, dir)
	stdin, err := sweeper.StdinPipe()
	if err == nil {
		sweeper.SysProcAttr = ownGroup()
		err = sweeper.Start()
	}
	if err != nil {
		os.RemoveAll(dir)
		return "", nil, err
	}
	return dir, func() {
		stdin.Close()
		sweeper.Wait()
	}, nil
}
