//go:build linux

package main

import (
	"errors"
	"strings"
	"testing"
)

func TestWrongUse(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	for _, test := range []struct{ args, want string }{
		{"", "which command"},
		{"start", `"start"`},
		{"up --nam x", "-nam"},
		{"up x", `"x"`},
		{"up --name A", "lower-case"},
		{"down --name ../x", "lower-case"},
		{"env --name " + strings.Repeat("a", 41), "lower-case"},
		{"load", "missing"},
		{"expose", "missing"},
		{"image", "missing"},
		{"image --tag x:1 a", "--out"},
		{"image --env A --tag x:1 --out o a", "K=V"},
		{"image --tag x:1 --out o a:b", "/path/in/image"},
		{"image --tag x:1 --out o a:/", "/path/in/image"},
		{"_hold", "own use"},
	} {
		err := run(t.Context(), strings.Fields(test.args))
		var wrong usageError
		if !errors.As(err, &wrong) || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%q: %v; want one about %s", test.args, err, test.want)
		}
	}
}

// What is not running is an error that says how to start it.
func TestNotRunning(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	for args, want := range map[string]string{
		"env":                 "cluster up",
		"env --name x":        "cluster up --name x",
		"load --name x a.tar": "cluster up --name x",
		"expose 80":           "cluster up",
	} {
		if err := run(t.Context(), strings.Fields(args)); err == nil || !strings.HasSuffix(err.Error(), want) {
			t.Errorf("%s: %v; want an error that ends in %q", args, err, want)
		}
	}
}

// The node has these folders to itself, so its data cannot be there.
func TestHiddenTMPDIR(t *testing.T) {
	for _, folder := range []string{"/run", "/var/lib"} {
		t.Setenv("TMPDIR", folder)
		if _, err := locate("x"); err == nil || !strings.Contains(err.Error(), "TMPDIR") {
			t.Errorf("%s: %v; want an error about TMPDIR", folder, err)
		}
	}
}

func TestQuote(t *testing.T) {
	for s, want := range map[string]string{"/a/b-1.2_3": "/a/b-1.2_3", "/a b": "'/a b'", "it's": `'it'\''s'`, "$x": "'$x'"} {
		if got := quote(s); got != want {
			t.Errorf("quote(%q) = %s, want %s", s, got, want)
		}
	}
}

// All that is missing is said at once, with the command that installs it.
func TestMissing(t *testing.T) {
	programs, cni := searchPath, cniFolders
	t.Cleanup(func() { searchPath, cniFolders = programs, cni })
	searchPath, cniFolders = nil, nil
	err := require(t.Context(), false)
	if err == nil {
		t.Fatal("nothing is missing")
	}
	for _, want := range []string{"containerd", "runc", "iptables", "iproute2", "containernetworking-plugins", "busybox-static", "KUBECONFIG"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("nothing about %s in:\n%v", want, err)
		}
	}
}
