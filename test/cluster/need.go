//go:build linux

package main

import (
	"context"
	"debug/elf"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// searchPath is where programs are looked for: not only where the caller does,
// since an ordinary user's PATH often lacks the sbin folders.
var searchPath = []string{"/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"}

// cniFolders is where distributions and others put the network plugins.
var cniFolders = []string{"/usr/lib/cni", "/opt/cni/bin", "/usr/libexec/cni"}

// The machine's programs that a node needs, and Debian's packages of them.
var needs = []struct{ program, pkg string }{
	{"containerd", "containerd"},
	{"containerd-shim-runc-v2", "containerd"},
	{"ctr", "containerd"},
	{"runc", "runc"},
	{"iptables-restore", "iptables"},
	{"ip", "iproute2"},
	{"mount", "mount"},
}

// findProgram returns where a program is, or "".
func findProgram(name string) string {
	for _, folder := range searchPath {
		file := filepath.Join(folder, name)
		if info, err := os.Stat(file); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
			return file
		}
	}
	return ""
}

// findCNI returns the folder that has all network plugins of config/cni.conflist, or "".
func findCNI() string {
	for _, folder := range cniFolders {
		if !slices.ContainsFunc([]string{"bridge", "host-local", "loopback", "portmap"}, func(plugin string) bool {
			_, err := os.Stat(filepath.Join(folder, plugin))
			return err != nil
		}) {
			return folder
		}
	}
	return ""
}

// findBusybox returns a busybox that needs no libraries, or "".
func findBusybox() string {
	file := findProgram("busybox")
	if file == "" || checkStatic(file) != nil {
		return ""
	}
	return file
}

// checkStatic is nil for a program that runs in an image without libraries.
func checkStatic(file string) error {
	program, err := elf.Open(file)
	if err != nil {
		return fmt.Errorf("%s is no program: %w", file, err)
	}
	defer program.Close()
	for _, part := range program.Progs {
		if part.Type == elf.PT_INTERP {
			return fmt.Errorf("%s needs shared libraries, and the image has none: build it with CGO_ENABLED=0", file)
		}
	}
	return nil
}

// missing returns what the machine lacks and the packages that have it.
func missing() (programs, packages []string) {
	for _, need := range needs {
		if findProgram(need.program) == "" {
			programs = append(programs, need.program)
			packages = append(packages, need.pkg)
		}
	}
	if findCNI() == "" {
		programs = append(programs, "the CNI plugins (in "+strings.Join(cniFolders, " or ")+")")
		packages = append(packages, "containernetworking-plugins")
	}
	if findBusybox() == "" {
		programs = append(programs, "a static busybox")
		packages = append(packages, "busybox-static")
	}
	return programs, slices.Compact(packages)
}

// A needError says all that the machine lacks at once, and how to get it.
type needError struct{ text string }

func (e needError) Error() string { return e.text }

// require is nil when a cluster can run here. With install it installs what is
// missing, as far as that can be done.
func require(ctx context.Context, install bool) error {
	programs, packages := missing()
	root := os.Geteuid() == 0
	apt := findProgram("apt-get")
	if install && root && apt != "" && len(packages) > 0 {
		if err := aptInstall(ctx, apt, packages); err != nil {
			return err
		}
		programs, packages = missing()
	}
	if root && len(programs) == 0 {
		return nil
	}
	var text strings.Builder
	text.WriteString("a node cannot run on this machine yet:\n")
	if !root {
		// Built as root, files of Go's cache in a user's home would be root's.
		text.WriteString("- it needs root, for namespaces, mounts and control groups; run:\n" +
			"    cluster build && " + asRoot("up") + "\n")
	}
	if len(programs) > 0 {
		fmt.Fprintf(&text, "- not installed: %s\n", strings.Join(programs, ", "))
		switch {
		case apt == "":
			fmt.Fprintf(&text, "  install them with the tools of your distribution; Debian's packages are: %s\n", strings.Join(packages, " "))
		case root:
			fmt.Fprintf(&text, "  install them with:\n    apt-get install --no-install-recommends %s\n  or let it be done: cluster up --install\n", strings.Join(packages, " "))
		default:
			fmt.Fprintf(&text, "  install them with:\n    sudo apt-get install --no-install-recommends %s\n", strings.Join(packages, " "))
		}
	}
	text.WriteString("or use a cluster that you have: set KUBECONFIG, and CLUSTER=current for make")
	return needError{text.String()}
}

// asRoot is how an ordinary user runs a command of this program as root, with
// the same Go and the same cache.
func asRoot(command string) string {
	return `sudo env "HOME=$HOME" "PATH=$PATH" cluster ` + command
}

// requireRoot is nil for root, who alone can reach what up started.
func requireRoot(command string) error {
	if os.Geteuid() == 0 {
		return nil
	}
	return needError{"it needs root; run: " + asRoot(command)}
}

func aptInstall(ctx context.Context, apt string, packages []string) error {
	fmt.Fprintf(os.Stderr, "installing %s\n", strings.Join(packages, " "))
	for _, args := range [][]string{
		{"update", "-qq"},
		append([]string{"install", "-qq", "-y", "--no-install-recommends"}, packages...),
	} {
		cmd := exec.CommandContext(ctx, apt, args...)
		cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
		cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) } // a killed dpkg leaves a mess
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("apt-get %s: %w\n%s", strings.Join(args, " "), err, strings.TrimSpace(string(out)))
		}
	}
	return nil
}

// loadModules loads the kernel modules that do not load by themselves when
// they are used, as most others do.
func loadModules() error {
	for _, module := range []struct{ name, sign string }{
		{"br_netfilter", "/proc/sys/net/bridge/bridge-nf-call-iptables"}, // Services between pods
		{"nf_conntrack", "/proc/sys/net/netfilter/nf_conntrack_max"},     // Services at all
		{"overlay", "/sys/module/overlay"},                               // the layers of images
	} {
		if _, err := os.Stat(module.sign); err == nil {
			continue
		}
		modprobe := findProgram("modprobe")
		if modprobe == "" {
			return fmt.Errorf("load the kernel module %s: there is no modprobe; install it with: apt-get install kmod", module.name)
		}
		if out, err := exec.Command(modprobe, module.name).CombinedOutput(); err != nil {
			return fmt.Errorf("load the kernel module %s: %w: %s", module.name, err, strings.TrimSpace(string(out)))
		}
	}
	return nil
}
