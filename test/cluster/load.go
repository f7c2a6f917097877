//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// loadImage gives the running cluster an image: a tar that docker save, this
// program's image command and others write, or TAG=FILE[:/path/in/image] for a
// static program of which it makes one.
func (c cluster) loadImage(ctx context.Context, spec string) error {
	if tag, binary, ok := strings.Cut(spec, "="); ok {
		i := image{tag: tag, user: defaultUser, files: map[string]string{}}
		if err := i.parseBinary(binary); err != nil {
			return err
		}
		folder, err := os.MkdirTemp("", "taco-image-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(folder)
		spec = filepath.Join(folder, "image.tar")
		if err := i.write(spec); err != nil {
			return err
		}
	}
	init, err := readProcess(c.path(initFile))
	if err != nil {
		return err
	}
	// A socket's path leads into the node's own /run.
	socket := fmt.Sprintf("/proc/%d/root%s", init.pid, containerdSocket)
	return importImage(ctx, socket, spec)
}

// importImage gives the images of a tar to the containerd at the socket. When
// it returns, a pod with such an image starts.
func importImage(ctx context.Context, socket, file string) error {
	ctr := func(args ...string) (string, error) {
		out, err := exec.CommandContext(ctx, findProgram("ctr"), append([]string{"--address", socket, "--namespace", "k8s.io", "images"}, args...)...).CombinedOutput()
		if err != nil {
			return "", fmt.Errorf("%w: %s", err, strings.TrimSpace(string(out)))
		}
		return string(out), nil
	}
	if _, err := ctr("import", file); err != nil {
		return fmt.Errorf("import the image %s: %w", file, err)
	}
	// Kubernetes' half of containerd hears of the image a little later, and
	// then puts a label on it.
	ctx, cancel := context.WithTimeoutCause(ctx, 20*time.Second, errors.New("it took more than 20 s"))
	defer cancel()
	err := poll(ctx, func() error {
		images, err := ctr("ls")
		if err != nil {
			return err
		}
		for _, image := range strings.Split(strings.TrimSpace(images), "\n")[1:] {
			if !strings.Contains(image, "io.cri-containerd.image=managed") {
				return fmt.Errorf("not yet seen: %s", strings.Fields(image)[0])
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("import the image %s: %w", file, err)
	}
	return nil
}
