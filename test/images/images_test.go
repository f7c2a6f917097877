// Package images builds the images for real, by the script behind `make images`
// and with buildah, and looks at what has become of them.
//
// No registry is needed: a stand-in takes the place of the Go image, unless
// GO_IMAGE names a real one to build with. The default last stage is empty and
// needs no stand-in.
package images

import (
	"crypto/x509"
	"debug/elf"
	"encoding/json"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const version = "v9.8.7-test"

// image is what the Dockerfile of a program has to give.
type image struct {
	program string
	tag     string
	most    int64 // bytes
}

var images = []image{
	{"sidecar", version, 25e6},
	{"injector", version, 60e6},
}

const certificates = "/etc/ssl/certs/ca-certificates.crt"

func (i image) name() string { return "logging.taco/" + i.program + ":" + i.tag }

func TestImages(t *testing.T) {
	inputs(t)
	need(t)
	s := newStore(t)
	env := []string{"BUILDER=buildah", "VERSION=" + version, "IMAGES=", "PLATFORM=", "BUILD_FLAGS="}
	if os.Getenv("GO_IMAGE") == "" {
		env = append(env, "BASE_IMAGE=", "BUILD_FLAGS="+s.standIn())
	} else {
		s.network = true
	}
	s.run(env, "test/images/build.sh")

	for _, i := range images {
		t.Run(i.program, func(t *testing.T) { i.check(t, s.on(t)) })
	}
	if s.network {
		return // the rest needs stand-ins
	}
	t.Run("another platform", func(t *testing.T) {
		s, i := s.on(t), image{"sidecar", "arm64", 0}
		s.run(append(env, "IMAGES=sidecar", "PLATFORM=linux/arm64", "VERSION="+i.tag), "test/images/build.sh")
		if c := s.inspect(i.name()); c.Architecture != "arm64" {
			t.Errorf("the image is for %s", c.Architecture)
		}
		_, root, _ := s.files(i.name())
		if machine := static(t, root+"/sidecar"); machine != elf.EM_AARCH64 {
			t.Errorf("the program is for %v", machine)
		}
	})
	t.Run("another base image", func(t *testing.T) {
		s, i := s.on(t), image{"sidecar", "based", 0}
		const base = "mirror.example/static:nonroot"
		s.buildah("from", "--name", "static", "scratch")
		s.buildah("config", "--label", "base=mine", "--user", "0", "static")
		s.buildah("commit", "--rm", "static", base)
		s.run(append(env, "IMAGES=sidecar", "BASE_IMAGE="+base, "VERSION="+i.tag), "test/images/build.sh")
		if c := s.inspect(i.name()); c.Config.Labels["base"] != "mine" || c.Config.User != "65532:65532" {
			t.Errorf("built %+v", c)
		}
	})
}

func (i image) check(t *testing.T, s *store) {
	c := s.inspect(i.name())
	if c.Config.User != "65532:65532" {
		t.Errorf("user %q; Kubernetes can tell only by a number that it is not root", c.Config.User)
	}
	if !slices.Equal(c.Config.Entrypoint, []string{"/" + i.program}) || len(c.Config.Cmd) > 0 {
		t.Errorf("entrypoint %q, command %q", c.Config.Entrypoint, c.Config.Cmd)
	}
	for label, want := range map[string]string{
		"version": version, "licenses": "Apache-2.0", "title": "logging.taco " + i.program,
	} {
		if got := c.Config.Labels["org.opencontainers.image."+label]; got != want {
			t.Errorf("label %s is %q, want %q", label, got, want)
		}
	}

	names, root, size := s.files(i.name())
	t.Logf("%s: %.1f MB", i.program, float64(size)/1e6)
	if size > i.most {
		t.Errorf("%d bytes, more than %d", size, i.most)
	}
	// So there is no shell, no library, no package manager.
	if want := []string{certificates, "/" + i.program}; (!s.network || os.Getenv("BASE_IMAGE") == "") && !slices.Equal(names, want) {
		t.Errorf("files %q, want %q alone", names, want)
	}
	static(t, root+"/"+i.program)
	bundle, err := os.ReadFile(root + certificates)
	if err != nil || !x509.NewCertPool().AppendCertsFromPEM(bundle) {
		t.Errorf("%s has no certificate: %v", certificates, err)
	}

	container := s.buildah("from", "--pull-never", i.name())
	if got := s.run(nil, "buildah", "run", container, "--", "/"+i.program, "version"); !strings.Contains(got, version) {
		t.Errorf("version says %q", got)
	}
	if i.program == "sidecar" {
		// Run as its user, it reads the certificates like any file.
		got := s.run(nil, "buildah", "run", container, "--", "/sidecar", "stream", "--once", certificates)
		if got != string(bundle) {
			t.Errorf("stream --once wrote %d bytes of %d", len(got), len(bundle))
		}
	}
}

// config is the part of an image's config that the tests look at.
type config struct {
	Architecture string `json:"architecture"`
	Config       struct {
		User            string
		Entrypoint, Cmd []string
		Labels          map[string]string
	} `json:"config"`
}

func (s *store) inspect(image string) config {
	s.t.Helper()
	var answer struct{ OCIv1 config }
	if err := json.Unmarshal([]byte(s.buildah("inspect", "--type", "image", image)), &answer); err != nil {
		s.t.Fatal(err)
	}
	return answer.OCIv1
}

// static fails where a program needs a loader or libraries.
func static(t *testing.T, name string) elf.Machine {
	t.Helper()
	f, err := elf.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if libraries, _ := f.ImportedLibraries(); len(libraries) > 0 {
		t.Errorf("%s needs %q", name, libraries)
	}
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			t.Errorf("%s needs a loader", name)
		}
	}
	return f.Machine
}

func TestNoBuilder(t *testing.T) {
	empty := t.TempDir()
	for _, tool := range []string{"dirname", "cat", "grep", "tail"} {
		path, err := exec.LookPath(tool)
		if err != nil {
			t.Skip(err)
		}
		if err := os.Symlink(path, filepath.Join(empty, tool)); err != nil {
			t.Fatal(err)
		}
	}
	// A docker client whose engine is not there.
	client := "#!/bin/sh\necho 'Cannot connect to the Docker daemon' >&2\nexit 1\n"
	if err := os.WriteFile(filepath.Join(empty, "docker"), []byte(client), 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("/bin/sh", "build.sh")
	cmd.Env = []string{"PATH=" + empty}
	out, err := cmd.CombinedOutput()
	if err == nil {
		t.Error("the script says that it has built images")
	}
	for _, want := range []string{"docker: Cannot connect to the Docker daemon", "podman: not installed", "buildah: not installed", "apt-get install"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("no word of %q in:\n%s", want, out)
		}
	}
}

// inputs makes what the images are built from known to `go test`, which else
// would take a result from its cache whatever has changed there.
func inputs(t *testing.T) {
	t.Helper()
	t.Chdir("../..")
	for _, name := range []string{"Dockerfile.sidecar", "Dockerfile.injector", ".dockerignore", "go.mod", "go.sum", "sidecar", "injector", "test/images"} {
		err := filepath.WalkDir(name, func(path string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			_, err = os.Stat(path)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}
