//go:build linux

package main

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// staticProgram builds a small program that needs no libraries.
func staticProgram(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "pause")
	cmd := exec.Command("go", "build", "-o", file, "./pause")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build pause: %v\n%s", err, out)
	}
	return file
}

func TestImage(t *testing.T) {
	program, folder := staticProgram(t), t.TempDir()
	one, two := filepath.Join(folder, "1.tar"), filepath.Join(folder, "2.tar")
	for _, out := range []string{one, two} {
		err := run(t.Context(), []string{"image", "--tag", "example.test/a/b:1.2", "--out", out, "--env", "A=b=c", "--env", "D=", program, program + ":/opt/x/other", program + ":/b", program + ":/c", program + ":/a"})
		if err != nil {
			t.Fatal(err)
		}
	}
	a, err := os.ReadFile(one)
	if err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(two); err != nil || !bytes.Equal(a, b) {
		t.Errorf("two images of the same content differ (%v)", err)
	}

	tag, err := name.NewTag("example.test/a/b:1.2")
	if err != nil {
		t.Fatal(err)
	}
	image, err := tarball.ImageFromPath(one, &tag)
	if err != nil {
		t.Fatal(err)
	}
	config, err := image.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	if config.OS != "linux" || config.Architecture == "" {
		t.Errorf("platform %s/%s", config.OS, config.Architecture)
	}
	if got := strings.Join(config.Config.Entrypoint, " "); got != "/pause" {
		t.Errorf("entrypoint %q, want the first program", got)
	}
	if config.Config.User != "65532" {
		t.Errorf("user %q, want 65532", config.Config.User)
	}
	if got := strings.Join(config.Config.Env[1:], " "); got != "A=b=c D=" {
		t.Errorf("environment %q", got)
	}
	layers, err := image.Layers()
	if err != nil || len(layers) != 1 {
		t.Fatalf("%d layers, %v; want 1", len(layers), err)
	}
	content, err := layers[0].Uncompressed()
	if err != nil {
		t.Fatal(err)
	}
	defer content.Close()
	modes := map[string]int64{}
	for r := tar.NewReader(content); ; {
		header, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if _, twice := modes[header.Name]; twice {
			t.Errorf("%s is there twice", header.Name)
		}
		modes[header.Name] = header.Mode
	}
	for file, mode := range map[string]int64{"tmp/": 0o1777, "etc/passwd": 0o644, "pause": 0o755, "opt/x/": 0o755, "opt/x/other": 0o755} {
		if modes[file] != mode {
			t.Errorf("%s has mode %o, want %o", file, modes[file], mode)
		}
	}
}

func TestImageUserAndEntrypoint(t *testing.T) {
	out := filepath.Join(t.TempDir(), "i.tar")
	program := staticProgram(t)
	if err := run(t.Context(), []string{"image", "--tag", "x:1", "--out", out, "--user", "0", "--entrypoint", "/y", program + ":/x", program + ":/y"}); err != nil {
		t.Fatal(err)
	}
	image, err := tarball.ImageFromPath(out, nil)
	if err != nil {
		t.Fatal(err)
	}
	config, err := image.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	if config.Config.User != "0" || strings.Join(config.Config.Entrypoint, " ") != "/y" {
		t.Errorf("user %q, entrypoint %q", config.Config.User, config.Config.Entrypoint)
	}
}

// A program that needs libraries would only fail in the pod, and with "no such
// file", so it is refused.
func TestImageDynamic(t *testing.T) {
	shell, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("no bash here as an example of a dynamically linked program")
	}
	out := filepath.Join(t.TempDir(), "i.tar")
	err = run(t.Context(), []string{"image", "--tag", "x:1", "--out", out, shell})
	if err == nil || !strings.Contains(err.Error(), "CGO_ENABLED=0") {
		t.Errorf("got %v, want an error that says what to do", err)
	}
	if _, err := os.Stat(out); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("an image was written: %v", err)
	}
}
