//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"
)

// down ends the cluster and removes all that it had. It says whether there was
// anything.
func (c cluster) down(ctx context.Context) (was bool, err error) {
	lock, err := c.lockExisting(ctx)
	if errors.Is(err, fs.ErrNotExist) {
		return false, c.stop()
	}
	if err != nil {
		return false, err
	}
	defer lock.Close()
	if err := c.stop(); err != nil {
		return true, err
	}
	if err := os.RemoveAll(c.Data); err != nil {
		return true, fmt.Errorf("remove the data folder: %w", err)
	}
	return true, nil
}

// stop ends what runs and leaves only the data folder. The kernel does most of
// it: with pid 1 of the namespaces all processes in them end, and with these
// the mounts, the network devices and the iptables rules.
func (c cluster) stop() error {
	ctx, cancel := context.WithTimeoutCause(context.Background(), 30*time.Second, errors.New("it took more than 30 s"))
	defer cancel()
	for _, file := range []string{holdFile, initFile} {
		if p, err := readProcess(c.path(file)); err == nil {
			if err := p.end(ctx); err != nil {
				return err
			}
		}
	}
	if err := c.removeCgroups(ctx); err != nil {
		return err
	}
	// Never remove the content of something mounted.
	mounted, err := mountsUnder(c.Data)
	if err != nil {
		return err
	}
	if len(mounted) > 0 {
		return fmt.Errorf("something is mounted in the data folder: umount %s", strings.Join(mounted, " "))
	}
	return nil
}

// empty removes what is in the data folder, which itself carries the lock.
func (c cluster) empty() error {
	entries, err := os.ReadDir(c.Data)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if err := os.RemoveAll(c.path(entry.Name())); err != nil {
			return err
		}
	}
	return nil
}

// mountsUnder returns what is mounted on or under the folder.
func mountsUnder(folder string) (mounts []string, err error) {
	text, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); len(fields) > 4 && strings.HasPrefix(fields[4]+"/", folder+"/") {
			mounts = append(mounts, fields[4])
		}
	}
	return mounts, nil
}
