//go:build linux

package main

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// setUpMounts gives the node, inside the new mount namespace, folders of its
// own in place of those of the machine that Kubernetes and containerd write to.
func (c cluster) setUpMounts() error {
	// Nothing mounted here shall reach the machine.
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make the mounts private: %w", err)
	}
	if err := unix.Mount("proc", "/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		return fmt.Errorf("mount /proc: %w", err)
	}
	for _, bind := range [][2]string{
		{c.Bin, c.path("bin")}, // first: it may be in a home under /var/lib
		{c.path("var-lib"), "/var/lib"},
		{c.path("var-log"), "/var/log"},
	} {
		if err := unix.Mount(bind[0], bind[1], "", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("mount %s on %s: %w", bind[0], bind[1], err)
		}
	}
	if err := unix.Mount("tmpfs", "/run", "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=755"); err != nil {
		return fmt.Errorf("mount /run: %w", err)
	}
	return c.hideSysctls()
}

// hideSysctls puts files in place of the kernel settings that every kubelet
// changes: they are those of the whole machine, and would stay.
func (c cluster) hideSysctls() error {
	for name, value := range map[string]string{
		"vm/overcommit_memory":      "1",
		"vm/panic_on_oom":           "0",
		"kernel/panic":              "10",
		"kernel/panic_on_oops":      "1",
		"kernel/keys/root_maxkeys":  "1000000",
		"kernel/keys/root_maxbytes": "25000000",
	} {
		setting := "/proc/sys/" + name
		if _, err := os.Stat(setting); err != nil {
			continue // not in this kernel
		}
		file, err := os.CreateTemp(c.path("sysctl"), "")
		if err != nil {
			return err
		}
		if _, err := file.WriteString(value + "\n"); err != nil {
			return err
		}
		if err := file.Close(); err != nil {
			return err
		}
		if err := unix.Mount(file.Name(), setting, "", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("hide %s: %w", setting, err)
		}
	}
	return nil
}
