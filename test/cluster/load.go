package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
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
