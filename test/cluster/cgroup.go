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
func makeCgroups(name string) error {
	v1, v2, err := hierarchies()
	if err != nil {
		return err
	}
	if unified() {
		root := v2[0]
		if err := delegate(root); err != nil {
			return err
		}
		if err := os.Mkdir(filepath.Join(root, name), 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("make a control group: %w", err)
		}
		return delegate(filepath.Join(root, name))
	}
	for _, root := range v1 {
		if err := os.Mkdir(filepath.Join(root, name), 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("make a control group: %w", err)
		}
		// A new cpuset has no CPUs and no memory until it is given some.
		for _, file := range []string{"cpuset.cpus", "cpuset.mems"} {
			if err := inherit(root, name, file); err != nil {
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

// delegate lets the children of a version 2 group have every controller that
// the group itself has.
func delegate(group string) error {
	has, err := os.ReadFile(filepath.Join(group, "cgroup.controllers"))
	if err != nil {
		return err
	}
	gives, err := os.ReadFile(filepath.Join(group, "cgroup.subtree_control"))
	if err != nil {
		return err
	}
	needed := []string{"cpu", "memory", "pids"} // the kubelet will not start without them
	given := strings.Fields(string(gives))
	for _, controller := range strings.Fields(string(has)) {
		needed = slices.DeleteFunc(needed, func(n string) bool { return n == controller })
		if slices.Contains(given, controller) {
			continue
		}
		file := filepath.Join(group, "cgroup.subtree_control")
		if err := os.WriteFile(file, []byte("+"+controller), 0o644); err != nil && slices.Contains([]string{"cpu", "cpuset", "memory", "pids"}, controller) {
			return fmt.Errorf("delegate the %s controller: %w (in a container, the processes of its root group must first be moved into a child group)", controller, err)
		}
	}
	if len(needed) > 0 {
		return fmt.Errorf("control group %s lacks the controllers %s, which a node needs", group, strings.Join(needed, ", "))
	}
	return nil
}

// removeCgroups removes the cluster's control groups, of which all processes
// have just been killed.
func removeCgroups(ctx context.Context, name string) error {
	v1, v2, err := hierarchies()
	if err != nil {
		return nil // none are mounted, so there are none
	}
	for _, root := range append(v1, v2...) {
		err := poll(ctx, func() error { return removeGroup(filepath.Join(root, name)) })
		if err != nil {
			return fmt.Errorf("remove the control group: %w", err)
		}
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
