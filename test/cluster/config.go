//go:build linux

package main

import (
	"embed"
	"encoding/base64"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"text/template"

	"golang.org/x/sys/unix"
)

//go:embed config
var configFiles embed.FS

var configTemplates = template.Must(template.New("").Option("missingkey=error").ParseFS(configFiles, "config/*"))

// writeFiles lays out the data folder: keys, configurations, and the folders
// that the node has in place of the machine's own.
func (c cluster) writeFiles() error {
	for _, folder := range []string{"bin", "etc/cni", "images", "log", "sysctl", "tmp", "var-lib", "var-log"} {
		if err := os.MkdirAll(c.path(folder), 0o755); err != nil {
			return err
		}
	}
	if err := makeCertificates(c.path("keys"), c.Name); err != nil {
		return err
	}
	values := map[string]string{
		"Name":        c.Name,
		"Data":        c.Data,
		"CNI":         c.CNI,
		"Cgroup":      c.cgroup(),
		"Pause":       pauseImage,
		"Snapshotter": snapshotter(c.Data),
		"PodCIDR":     podCIDR,
		"DNSIP":       dnsIP,
	}
	for file, config := range map[string]string{
		"etc/containerd.toml":      "containerd.toml",
		"etc/cni/10-taco.conflist": "cni.conflist",
		"etc/kubelet.yaml":         "kubelet.yaml",
		"etc/proxy.yaml":           "proxy.yaml",
	} {
		if err := render(c.path(file), 0o644, config, values); err != nil {
			return err
		}
	}
	for _, user := range []string{"controller-manager", "scheduler", "kubelet", "proxy"} {
		if err := c.writeKubeconfig(c.path("etc", user+".kubeconfig"), user, "https://"+apiAddress); err != nil {
			return err
		}
	}
	if err := c.writeKubeconfig(c.kubeconfig(), "admin", "https://127.0.0.1:"+strconv.Itoa(c.Port)); err != nil {
		return err
	}
	// Under sudo the kubeconfig is for the one who called it.
	if id, err := strconv.Atoi(os.Getenv("SUDO_UID")); err == nil {
		if err := os.Chown(c.kubeconfig(), id, -1); err != nil {
			return err
		}
	}
	resolv := fmt.Sprintf("nameserver %s\n", dnsIP)
	if err := os.WriteFile(c.path("etc/resolv.conf"), []byte(resolv), 0o644); err != nil {
		return err
	}
	return c.save()
}

func (c cluster) writeKubeconfig(file, user, server string) error {
	values := map[string]string{"Context": "taco-" + c.Name, "User": user, "Server": server}
	for key, name := range map[string]string{"CA": "ca.crt", "Cert": user + ".crt", "Key": user + ".key"} {
		pem, err := os.ReadFile(c.path("keys", name))
		if err != nil {
			return err
		}
		values[key] = base64.StdEncoding.EncodeToString(pem)
	}
	return render(file, 0o600, "kubeconfig", values)
}

func render(file string, mode os.FileMode, config string, values any) error {
	var text strings.Builder
	if err := configTemplates.ExecuteTemplate(&text, config, values); err != nil {
		return fmt.Errorf("write %s: %w", file, err)
	}
	return os.WriteFile(file, []byte(text.String()), mode)
}

// snapshotter names how containerd stacks the layers of images: by overlayfs,
// unless the folder is itself on one (in a container), which the kernel does
// not take.
func snapshotter(folder string) string {
	var stat unix.Statfs_t
	if unix.Statfs(folder, &stat) == nil && stat.Type == unix.OVERLAYFS_SUPER_MAGIC {
		return "native"
	}
	return "overlayfs"
}

// tail returns the last lines of a file, for showing why something ended.
func tail(file string, lines int) string {
	f, err := os.Open(file)
	if err != nil {
		return ""
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && info.Size() > 16<<10 {
		f.Seek(-16<<10, io.SeekEnd)
	}
	text, _ := io.ReadAll(f)
	all := strings.Split(strings.TrimRight(string(text), "\n"), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}
