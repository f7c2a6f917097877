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
	"syscall"
	"testing"

	"logging.taco/test/backend"
)

// binary is the sidecar, files the folder in which it works.
var binary, files string

// long tells whether there is time for everything.
var long = os.Getenv("TACO_SHIP_LONG") != ""

func TestMain(m *testing.M) {
	flag.Parse()
	swept := func() {}
	err := prepare(&swept)
	if err != nil {
		swept()
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

// prepare makes folders and the sidecar. The nodes work in memory where that is
// to be had, since they sync their files all the time; the sidecar's files are
// on a disk, as in a pod.
func prepare(swept *func()) error {
	var err error
	if files, *swept, err = sweptFolder(""); err != nil {
		return err
	}
	nodes := files
	var fs syscall.Statfs_t
	const memory = "/dev/shm"
	if !long && syscall.Statfs(memory, &fs) == nil && fs.Bavail*uint64(fs.Bsize) > 2<<30 {
		onDisk, inMemory := *swept, func() {}
		if nodes, inMemory, err = sweptFolder(memory); err != nil {
			return err
		}
		*swept = func() { onDisk(); inMemory() }
	}
	os.Setenv("TMPDIR", nodes) // of t.TempDir too
	binary, err = build(files)
	return err
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

// sweptFolder makes a folder in another one that is removed when this process has ended in
// whatever way: by a shell that waits for that. swept removes it now.
func sweptFolder(in string) (dir string, swept func(), err error) {
	nothing := func() {}
	if dir, err = os.MkdirTemp(in, "taco-ship-"); err != nil {
		return "", nothing, err
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
		return "", nothing, err
	}
	return dir, func() {
		stdin.Close()
		sweeper.Wait()
	}, nil
}
