//go:build linux

package main

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// The addresses inside the namespace. They are the same for every cluster:
// each has a network of its own, out of which no packet can leave.
const (
	nodeIP     = "10.244.0.1"
	podCIDR    = "10.244.0.0/24"
	serviceIP  = "10.96.0.1" // the kubernetes Service
	dnsIP      = "10.96.0.10"
	services   = "10.96.0.0/16"
	apiAddress = "127.0.0.1:6443"
)

// A cluster is known by its name; all that it has on the machine is its data
// folder, one control group of the same name, and its processes.
type cluster struct {
	Name string
	Data string // absolute, without symbolic links
	Bin  string // the folder of the Kubernetes binaries
	Port int    // of 127.0.0.1 on the host, on which the API server answers
	CNI  string // the folder of the network plugins
	DNS  string // the DNS server's program; "" for none
}

var validName = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,38}[a-z0-9])?$`)

// locate returns the cluster of that name, running or not.
func locate(name string) (cluster, error) {
	if !validName.MatchString(name) {
		return cluster{}, usageError(fmt.Sprintf("--name %q: a name is 1 to 40 lower-case letters, digits and dashes", name))
	}
	tmp, err := filepath.EvalSymlinks(os.TempDir())
	if err == nil {
		tmp, err = filepath.Abs(tmp)
	}
	if err != nil {
		return cluster{}, fmt.Errorf("find the folder for temporary files: %w", err)
	}
	for _, hidden := range []string{"/run", "/proc", "/var/lib", "/var/log"} {
		if tmp == hidden || strings.HasPrefix(tmp, hidden+"/") {
			return cluster{}, fmt.Errorf("TMPDIR is %s, but the node has a %s of its own: set TMPDIR to another folder", tmp, hidden)
		}
	}
	return cluster{Name: name, Data: filepath.Join(tmp, "taco-cluster-"+name)}, nil
}

// path is a path inside the data folder.
func (c cluster) path(elem ...string) string {
	return filepath.Join(append([]string{c.Data}, elem...)...)
}

func (c cluster) kubeconfig() string { return c.path("kubeconfig") }

// cgroup is the name of the cluster's control group. The hash keeps clusters
// of one name but different TMPDIRs apart.
func (c cluster) cgroup() string {
	sum := sha256.Sum256([]byte(c.Data))
	return fmt.Sprintf("taco-cluster-%s-%x", c.Name, sum[:4])
}

// save writes down what the cluster was started with.
func (c cluster) save() error {
	text, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(c.path("cluster.json"), append(text, '\n'), 0o644)
}

// readCluster reads what save wrote into the data folder.
func readCluster(data string) (c cluster, err error) {
	text, err := os.ReadFile(filepath.Join(data, "cluster.json"))
	if err != nil {
		return c, err
	}
	if err := json.Unmarshal(text, &c); err != nil {
		return c, fmt.Errorf("read %s: %w", filepath.Join(data, "cluster.json"), err)
	}
	return c, nil
}

// running returns the running cluster of that name, or an error that says why
// there is none and what to do.
func running(name string) (cluster, error) {
	c, err := locate(name)
	if err != nil {
		return c, err
	}
	up := "start it with: cluster up"
	if name != defaultName {
		up += " --name " + name
	}
	saved, err := readCluster(c.Data)
	if errors.Is(err, fs.ErrNotExist) {
		return c, fmt.Errorf("cluster %s is not running; %s", name, up)
	}
	if err != nil {
		return c, err
	}
	if !saved.alive() {
		if why := saved.lastWords(); why != "" {
			return c, fmt.Errorf("cluster %s has ended: %s\n%s", name, why, up)
		}
		return c, fmt.Errorf("cluster %s has ended; %s", name, up)
	}
	return saved, nil
}

// alive says whether both of the cluster's outermost processes are there.
func (c cluster) alive() bool {
	for _, file := range []string{holdFile, initFile} {
		p, err := readProcess(c.path(file))
		if err != nil || !p.alive() {
			return false
		}
	}
	return true
}

// lastWords is what the node said before it ended by itself, if it did.
func (c cluster) lastWords() string {
	text, _ := os.ReadFile(c.path("ended"))
	return strings.TrimSpace(string(text))
}

// lock makes the data folder if need be and locks it, so that only one command
// at a time starts or ends a cluster of that name. The lock is on the folder
// itself: no lock file stays behind. It holds until the file is closed.
func (c cluster) lock(ctx context.Context) (*os.File, error) {
	for {
		if err := os.Mkdir(c.Data, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, fmt.Errorf("make the data folder: %w", err)
		}
		d, err := c.lockExisting(ctx)
		if errors.Is(err, fs.ErrNotExist) {
			continue // removed by a down just now
		}
		return d, err
	}
}

// lockExisting is lock, but without a data folder it is fs.ErrNotExist.
func (c cluster) lockExisting(ctx context.Context) (*os.File, error) {
	d, err := os.OpenFile(c.Data, os.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return nil, fmt.Errorf("open the data folder: %w", err)
	}
	info, err := d.Stat()
	if err == nil && int(info.Sys().(*syscall.Stat_t).Uid) != os.Geteuid() {
		err = fmt.Errorf("%s belongs to another user: choose another --name", c.Data)
	}
	if err == nil {
		err = waitLock(ctx, d)
	}
	if err != nil {
		d.Close()
		return nil, err
	}
	// While it waited, another command may have removed the folder.
	if now, err := os.Lstat(c.Data); err != nil || !os.SameFile(info, now) {
		d.Close()
		return nil, fs.ErrNotExist
	}
	return d, nil
}

// waitLock locks an open file when whoever has the lock gives it back.
func waitLock(ctx context.Context, f *os.File) error {
	err := poll(ctx, func() error { return unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) })
	if err != nil {
		return fmt.Errorf("wait for another command to give back the lock of %s: %w", f.Name(), err)
	}
	return nil
}
