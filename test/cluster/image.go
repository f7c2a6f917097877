//go:build linux

package main

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// An image is one layer of static programs, with what a program may expect:
// /tmp, and names for its user.
type image struct {
	tag        string
	user       string   // number or name, empty for root
	entrypoint []string // of the container
	cmd        []string
	env        []string          // K=V
	files      map[string]string // path in the image to file on the machine
	links      map[string]string // path in the image to what it points at
}

// parseBinary adds a program given as FILE or FILE:/path/in/image; without a
// path it goes into the root folder.
func (i *image) parseBinary(spec string) error {
	file, to, ok := strings.Cut(spec, ":")
	if !ok {
		to = "/" + filepath.Base(file)
	}
	if !path.IsAbs(to) || path.Clean(to) == "/" {
		return usageError(fmt.Sprintf("%q: want FILE or FILE:/path/in/image", spec))
	}
	if err := checkStatic(file); err != nil {
		return err
	}
	to = path.Clean(to)
	if len(i.files) == 0 && len(i.entrypoint) == 0 {
		i.entrypoint = []string{to}
	}
	i.files[to] = file
	return nil
}

// write writes the image as a tar that docker and containerd can load. The
// same content gives the same bytes.
func (i *image) write(file string) error {
	tag, err := name.NewTag(i.tag)
	if err != nil || !strings.Contains(path.Base(i.tag), ":") {
		return usageError(fmt.Sprintf("%q names no image: want NAME:TAG", i.tag))
	}
	content, err := i.layer()
	if err != nil {
		return fmt.Errorf("make the image %s: %w", i.tag, err)
	}
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(content)), nil
	})
	if err != nil {
		return fmt.Errorf("make the image %s: %w", i.tag, err)
	}
	whole, err := mutate.AppendLayers(empty.Image, layer)
	if err == nil {
		whole, err = mutate.ConfigFile(whole, i.config(whole))
	}
	if err != nil {
		return fmt.Errorf("make the image %s: %w", i.tag, err)
	}
	if err := tarball.WriteToFile(file, tag, whole); err != nil {
		return fmt.Errorf("write the image %s: %w", i.tag, err)
	}
	return nil
}

func (i *image) config(whole v1.Image) *v1.ConfigFile {
	config, err := whole.ConfigFile()
	if err != nil {
		config = &v1.ConfigFile{}
	}
	config = config.DeepCopy()
	config.OS = "linux"
	config.Architecture = runtime.GOARCH
	config.Config = v1.Config{
		User:       i.user,
		Entrypoint: i.entrypoint,
		Cmd:        i.cmd,
		Env:        append([]string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}, i.env...),
	}
	return config
}

// layer returns the image's content as a tar.
func (i *image) layer() ([]byte, error) {
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	made := map[string]bool{"/": true}
	var folder func(name string, mode int64) error
	folder = func(name string, mode int64) error {
		if made[name] {
			return nil
		}
		made[name] = true
		if err := folder(path.Dir(name), 0o755); err != nil {
			return err
		}
		return w.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: name[1:] + "/", Mode: mode})
	}
	write := func(name string, mode int64, content []byte) error {
		if err := folder(path.Dir(name), 0o755); err != nil {
			return err
		}
		if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name[1:], Mode: mode, Size: int64(len(content))}); err != nil {
			return err
		}
		_, err := w.Write(content)
		return err
	}
	err := errors.Join(
		folder("/tmp", 0o1777),
		write("/etc/passwd", 0o644, []byte("root:x:0:0:root:/:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\nnonroot:x:65532:65532:nonroot:/:/bin/false\n")),
		write("/etc/group", 0o644, []byte("root:x:0:\nnobody:x:65534:\nnonroot:x:65532:\n")),
	)
	for _, to := range sortedKeys(i.files) {
		content, err := os.ReadFile(i.files[to])
		if err != nil {
			return nil, err
		}
		if err := write(to, 0o755, content); err != nil {
			return nil, err
		}
	}
	for _, to := range sortedKeys(i.links) {
		err = errors.Join(err, folder(path.Dir(to), 0o755),
			w.WriteHeader(&tar.Header{Typeflag: tar.TypeSymlink, Name: to[1:], Linkname: i.links[to], Mode: 0o777}))
	}
	if err := errors.Join(err, w.Close()); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

func sortedKeys(m map[string]string) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

// The images that every cluster has.
const (
	pauseImage   = "cluster.test/pause:1"
	busyboxImage = "busybox:1.37"
)

// writeImages writes the images that every cluster has into the data folder.
func (c cluster) writeImages() error {
	pause := image{tag: pauseImage, user: "65535", entrypoint: []string{"/pause"}, files: map[string]string{"/pause": filepath.Join(c.Bin, "pause")}}
	if err := pause.write(c.path("images/pause.tar")); err != nil {
		return err
	}
	if c.DNS != "" {
		dns := image{tag: dnsImage, entrypoint: []string{"/coredns"}, files: map[string]string{"/coredns": c.DNS}}
		if err := dns.write(c.path("images/coredns.tar")); err != nil {
			return err
		}
	}
	busybox, err := busyboxStandIn(findBusybox())
	if err != nil {
		return err
	}
	return busybox.write(c.path("images/busybox.tar"))
}

// busyboxStandIn makes, of the machine's busybox, what stands in for the image
// of that name: the same programs in /bin, root, and a shell.
func busyboxStandIn(file string) (*image, error) {
	list, err := exec.Command(file, "--list").Output()
	if err != nil {
		return nil, fmt.Errorf("ask %s for its programs: %w", file, err)
	}
	i := &image{
		tag:   busyboxImage,
		cmd:   []string{"sh"},
		files: map[string]string{"/bin/busybox": file},
		links: map[string]string{"/sbin": "bin", "/usr/bin": "../bin", "/usr/sbin": "../bin"},
	}
	for _, applet := range strings.Fields(string(list)) {
		if applet != "busybox" {
			i.links["/bin/"+applet] = "busybox"
		}
	}
	return i, nil
}
