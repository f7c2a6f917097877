//go:build linux

package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

func quiet() *progress { return &progress{out: &bytes.Buffer{}, every: time.Hour} }

func TestReadSteps(t *testing.T) {
	var steps []int
	rest := readSteps(strings.NewReader("go: downloading k8s.io/api v0.36.3\ninternal/cpu\nk8s.io/api/core/v1\n"+
		"# k8s.io/x\nx.go:1:2: undefined: y\ngo: downloading a.b/c v1.0.0\n"), func(n int) { steps = append(steps, n) })
	if rest != "# k8s.io/x\nx.go:1:2: undefined: y" {
		t.Errorf("the rest is %q", rest)
	}
	if !slices.Equal(steps, []int{1, 2, 3, 4}) {
		t.Errorf("the steps are %v", steps)
	}
}

// fakeGo puts a go into PATH of which the build does what the script says. The
// file or folder to write to is $out.
func fakeGo(t *testing.T, script string) binaries {
	t.Helper()
	folder := t.TempDir()
	text := "#!/bin/sh\n[ $1 = build ] || exit 0\nwhile [ \"$1\" != -o ]; do shift; done; out=$2\n" + script
	if err := os.WriteFile(filepath.Join(folder, "go"), []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", folder+":"+os.Getenv("PATH"))
	t.Setenv("TACO_CACHE", filepath.Join(t.TempDir(), "cache"))
	b, err := kubernetes()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestBuildOnce(t *testing.T) {
	calls := filepath.Join(t.TempDir(), "calls")
	b := fakeGo(t, "echo $out >>"+calls+"; case $out in */) mkdir -p $out;; *) mkdir -p $(dirname $out); echo >$out;; esac\n")
	if b.built() {
		t.Fatal("built already")
	}
	var all sync.WaitGroup
	for range 3 {
		all.Go(func() {
			if err := b.build(t.Context(), quiet()); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if !b.built() {
		t.Error("nothing is built")
	}
	text, err := os.ReadFile(calls)
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(text), "\n"); n != 3 { // Kubernetes, etcd, pause
		t.Errorf("three builds at a time called go %d times, want 3:\n%s", n, text)
	}
}

// A build that fails says why and leaves nothing that looks like a result.
func TestBuildFails(t *testing.T) {
	b := fakeGo(t, "mkdir -p $out; echo 'x.go:1: no good' >&2; exit 1\n")
	err := b.build(t.Context(), quiet())
	if err == nil || !strings.Contains(err.Error(), "no good") || !strings.Contains(err.Error(), "v1.") {
		t.Errorf("got %v; want what go said, and the version", err)
	}
	checkOnlyLock(t, b)
}

func TestBuildInterrupted(t *testing.T) {
	started := filepath.Join(t.TempDir(), "started")
	b := fakeGo(t, "mkdir -p $out; echo >"+started+"; exec sleep 1000\n")
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("interrupted")
	go func() {
		poll(t.Context(), func() error { _, err := os.Stat(started); return err })
		cancel(why)
	}()
	if err := b.build(ctx, quiet()); !errors.Is(err, why) {
		t.Errorf("got %v, want %v", err, why)
	}
	checkOnlyLock(t, b)
}

func checkOnlyLock(t *testing.T, b binaries) {
	t.Helper()
	if b.built() {
		t.Error("it counts as built")
	}
	entries, err := os.ReadDir(filepath.Dir(b.folder))
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		if !strings.HasSuffix(entry.Name(), ".lock") {
			t.Errorf("left behind: %s", entry.Name())
		}
	}
}

func TestProgressLines(t *testing.T) {
	var out bytes.Buffer
	p := &progress{out: &out, every: time.Hour}
	p.begin("quick")
	p.end()
	if out.Len() > 0 {
		t.Errorf("something quick was told: %q", &out)
	}
	p.begin("slow")
	p.begun = p.begun.Add(-65 * time.Second)
	p.step("312 packages")
	p.end()
	if got := out.String(); got != "slow: 312 packages, 1m5s\n" {
		t.Errorf("told %q", got)
	}
}
