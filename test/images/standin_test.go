package images

import (
	"encoding/pem"
	"net/http/httptest"
	"os"
	"os/exec"
	"regexp"
	"strings"
)

// goImage is the name that the Dockerfiles compile with by default.
const goImage = "docker.io/library/golang:1.26"

// standIn makes an image that does for the Dockerfiles what the Go image does:
// a shell and CA certificates. Go itself, its modules and its build cache are
// this machine's, mounted by the flags that it returns.
func (s *store) standIn() (flags string) {
	s.t.Helper()
	rootfs := s.dir + "/go-image"
	server := httptest.NewTLSServer(nil) // for its certificate
	server.Close()
	write(s.t, rootfs+"/etc/ssl/certs/ca-certificates.crt",
		string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})))
	if err := os.Mkdir(rootfs+"/tmp", 0o777); err != nil {
		s.t.Fatal(err)
	}
	s.shell(rootfs)

	s.buildah("from", "--name", "go-image", "scratch")
	s.buildah("copy", "go-image", rootfs, "/")
	s.buildah("config", "--env", "PATH=/usr/local/go/bin:/usr/bin:/bin",
		"--env", "GOTOOLCHAIN=local", "--env", "GOPROXY=off", "--env", "GOFLAGS=-buildvcs=false",
		"--env", "GOMODCACHE=/modules", "--env", "GOCACHE=/compiled", "go-image")
	s.buildah("commit", "--rm", "go-image", goImage)

	out, err := exec.Command("go", "env", "GOROOT", "GOMODCACHE", "GOCACHE").Output()
	folders := strings.Fields(string(out))
	if err != nil || len(folders) != 3 {
		s.t.Fatalf("go env: %v: %q", err, out)
	}
	return "--pull=never --volume " + folders[0] + ":/usr/local/go:ro --volume " + folders[1] + ":/modules:ro --volume " + folders[2] + ":/compiled"
}

// shell copies this machine's shell with the libraries that it needs.
func (s *store) shell(rootfs string) {
	s.t.Helper()
	files := []string{"/bin/sh"}
	if out, err := exec.Command("ldd", "/bin/sh").Output(); err == nil { // else it is static
		files = append(files, regexp.MustCompile(`/\S+`).FindAllString(string(out), -1)...)
	}
	for _, f := range files {
		program, err := os.ReadFile(f)
		if err != nil {
			s.t.Fatal(err)
		}
		write(s.t, rootfs+f, string(program))
		if err := os.Chmod(rootfs+f, 0o755); err != nil {
			s.t.Fatal(err)
		}
	}
}
