//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// cgroupRoot is where every distribution mounts the control groups.
const cgroupRoot = "/sys/fs/cgroup"

// unified says whether the machine has control groups of version 2 only.
func unified() bool {
	var stat unix.Statfs_t
	return unix.Statfs(cgroupRoot, &stat) == nil && stat.Type == unix.CGROUP2_SUPER_MAGIC
}

// hierarchies returns where the hierarchies are mounted: the one of version 2,
// or those of version 1 with, on some machines, an empty one of version 2.
func hierarchies() (v1, v2 []string, err error) {
	text, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, nil, err
	}
	for line := range strings.Lines(string(text)) {
		before, after, ok := strings.Cut(line, " - ")
		fields := strings.Fields(before)
		if !ok || len(fields) < 5 || !strings.HasPrefix(fields[4]+"/", cgroupRoot+"/") {
			continue
		}
		switch kind, _, _ := strings.Cut(after, " "); kind {
		case "cgroup":
			v1 = append(v1, fields[4])
		case "cgroup2":
			v2 = append(v2, fields[4])
		}
	}
	if len(v1)+len(v2) == 0 {
		return nil, nil, fmt.Errorf("no control groups are mounted under %s, and a node needs them: mount them, or run on a machine with systemd", cgroupRoot)
	}
	return v1, v2, nil
}

// makeCgroups makes the cluster's control group, under which the kubelet makes
// those of the pods: in every hierarchy of version 1, or in that of version 2.
func (c cluster) makeCgroups() error {
	v1, v2, err := hierarchies()
	if err != nil {
		return err
	}
	if unified() {
		return c.makeUnified(v2[0])
	}
	for _, root := range v1 {
		if err := os.Mkdir(filepath.Join(root, c.cgroup()), 0o755); err != nil {
			return fmt.Errorf("make a control group: %w", err)
		}
		// A new cpuset has no CPUs and no memory until it is given some.
		for _, file := range []string{"cpuset.cpus", "cpuset.mems"} {
			if err := inherit(root, c.cgroup(), file); err != nil {
				return fmt.Errorf("set up a control group: %w", err)
			}
		}
	}
	return nil
}

func inherit(root, name, file string) error {
	from, err := os.ReadFile(filepath.Join(root, file))
	if errors.Is(err, fs.ErrNotExist) {
		return nil // not the cpuset hierarchy
	}
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(root, name, file), from, 0o644)
}

// The controllers of version 2 that a node uses; without the first four the
// kubelet does not start.
var controllers = []string{"cpu", "cpuset", "memory", "pids", "io", "hugetlb"}

// makeUnified makes the control group of version 2, whose children may have
// every controller that the kubelet uses. What the machine's root group passed
// on before is noted, so that removeCgroups can put it back.
func (c cluster) makeUnified(root string) error {
	before, err := os.ReadFile(filepath.Join(root, "cgroup.subtree_control"))
	if err != nil {
		return err
	}
	if err := os.WriteFile(c.path("delegated"), before, 0o644); err != nil {
		return err
	}
	if err := delegate(root); err != nil {
		return err
	}
	group := filepath.Join(root, c.cgroup())
	if err := os.Mkdir(group, 0o755); err != nil {
		return fmt.Errorf("make a control group: %w", err)
	}
	return delegate(group)
}

// restore takes back what the root group has come to pass on: this program and
// the container runtime let it.
func (c cluster) restore(root string) {
	before, err := os.ReadFile(c.path("delegated"))
	if err != nil {
		return // it was never changed
	}
	file := filepath.Join(root, "cgroup.subtree_control")
	now, _ := os.ReadFile(file)
	for _, controller := range strings.Fields(string(now)) {
		if !slices.Contains(strings.Fields(string(before)), controller) {
			// Refused where another group has come to use it: then it stays.
			os.WriteFile(file, []byte("-"+controller), 0o644)
		}
	}
}

// delegate lets the children of a version 2 group have the controllers.
func delegate(group string) error {
	file := filepath.Join(group, "cgroup.subtree_control")
	has, err := os.ReadFile(filepath.Join(group, "cgroup.controllers"))
	if err != nil {
		return err
	}
	gives, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	for i, controller := range controllers {
		needed := i < 4
		switch {
		case slices.Contains(strings.Fields(string(gives)), controller):
		case !slices.Contains(strings.Fields(string(has)), controller):
			if needed {
				return fmt.Errorf("the control group %s has no %s controller, which a node needs", group, controller)
			}
		default:
			if err := os.WriteFile(file, []byte("+"+controller), 0o644); err != nil && needed {
				return fmt.Errorf("let the children of a control group have the %s controller: %w (in a container, first move the processes of its root group into a child group)", controller, err)
			}
		}
	}
	return nil
}

// removeCgroups removes the cluster's control groups, of which all processes
// have just been killed.
func (c cluster) removeCgroups(ctx context.Context) error {
	v1, v2, err := hierarchies()
	if err != nil {
		return nil // none are mounted, so there are none
	}
	for _, root := range append(v1, v2...) {
		err := poll(ctx, func() error { return removeGroup(filepath.Join(root, c.cgroup())) })
		if err != nil {
			return fmt.Errorf("remove the control group: %w", err)
		}
	}
	if unified() {
		c.restore(v2[0])
	}
	return nil
}

// removeGroup removes a group and those below it. Their files go with them.
func removeGroup(group string) error {
	var groups []string
	err := filepath.WalkDir(group, func(path string, entry fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err == nil && entry.IsDir() {
			groups = append(groups, path)
		}
		return err
	})
	if err != nil {
		return err
	}
	for _, path := range slices.Backward(groups) {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}
