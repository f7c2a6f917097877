//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// kubeletClient is the user as whom the API server calls the kubelet. The
// roles that Kubernetes brings along do not allow it that.
const kubeletClient = "kube-apiserver-kubelet-client"

const containerdSocket = "/run/containerd/containerd.sock"

// runInit is pid 1 of the node's namespaces. It starts the node and reaps what
// is left to it (containerd's shims are); when the node ends it ends, too, and
// with it everything in the namespaces.
func runInit(data string) error {
	status := os.NewFile(3, "status")
	const self = "/proc/self/exe"
	// Started without os/exec: the loop below waits for everything itself.
	pid, err := syscall.ForkExec(self, []string{self, nodeCommand, data}, &syscall.ProcAttr{
		Env:   os.Environ(),
		Files: []uintptr{0, 1, 2, status.Fd()},
	})
	if err != nil {
		return fmt.Errorf("start the node: %w", err)
	}
	status.Close()
	for {
		var how unix.WaitStatus
		child, err := unix.Wait4(-1, &how, 0, nil)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return fmt.Errorf("wait for the node: %w", err)
		}
		if child == pid {
			return fmt.Errorf("the node ended (%s)", describe(how))
		}
	}
}

func describe(how unix.WaitStatus) string {
	if how.Signaled() {
		return "by signal " + unix.SignalName(how.Signal())
	}
	return fmt.Sprintf("exit status %d", how.ExitStatus())
}

// runNode runs the node. Whoever started the cluster reads from status: "ready",
// or why it will not be.
func runNode(data string) error {
	status := os.NewFile(3, "status")
	signal.Ignore(unix.SIGPIPE) // the reader may have gone; the node goes on
	c, err := readCluster(data)
	if err == nil {
		err = c.runNode(status)
	}
	os.WriteFile(filepath.Join(data, "ended"), []byte(err.Error()+"\n"), 0o644)
	fmt.Fprintln(status, err)
	return err
}

// runNode returns when a part of the node has ended.
func (c cluster) runNode(status io.Writer) error {
	if err := unix.Sethostname([]byte(c.Name)); err != nil {
		return fmt.Errorf("set the host name: %w", err)
	}
	if err := c.setUpMounts(); err != nil {
		return err
	}
	if err := setUpNetwork(); err != nil {
		return err
	}
	ctx, end := context.WithCancelCause(context.Background())
	err := c.startAll(ctx, end)
	if err != nil {
		end(err) // without effect if a component ended: then that is why
	} else {
		fmt.Fprintln(status, "ready")
	}
	<-ctx.Done()
	return context.Cause(ctx)
}

// startAll starts all components in order. It gives up when ctx is done, as it
// is when one of them ends.
func (c cluster) startAll(ctx context.Context, end context.CancelCauseFunc) error {
	ctx, cancel := context.WithTimeoutCause(ctx, 4*time.Minute, errors.New("it took more than 4 minutes"))
	defer cancel()
	first, second := c.components()
	for _, part := range first {
		if err := c.start(part, end); err != nil {
			return err
		}
	}
	if err := c.importImages(ctx); err != nil {
		return err
	}
	api, err := newAPI(c, "https://"+apiAddress)
	if err != nil {
		return err
	}
	if err := poll(ctx, func() error { return api.get(ctx, "/readyz", nil) }); err != nil {
		return fmt.Errorf("wait for kube-apiserver (its log: %s): %w", c.log("kube-apiserver"), err)
	}
	for _, part := range second {
		if err := c.start(part, end); err != nil {
			return err
		}
	}
	if err := api.create(ctx, "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", kubeletBinding); err != nil {
		return fmt.Errorf("let kube-apiserver call the kubelet: %w", err)
	}
	return nil
}

const kubeletBinding = `{
	"apiVersion": "rbac.authorization.k8s.io/v1",
	"kind": "ClusterRoleBinding",
	"metadata": {"name": "` + kubeletClient + `"},
	"roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "system:kubelet-api-admin"},
	"subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "` + kubeletClient + `"}]
}`

func (c cluster) log(component string) string { return c.path("log", component+".log") }

// start starts a component; when it ends, whyever, end is called.
func (c cluster) start(part component, end context.CancelCauseFunc) error {
	out, err := os.Create(c.log(part.name))
	if err != nil {
		return err
	}
	defer out.Close()
	cmd := exec.Command(part.args[0], part.args[1:]...)
	cmd.Env = c.environment()
	cmd.Dir = "/"
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", part.name, err)
	}
	go func() {
		err := cmd.Wait()
		if err == nil {
			err = errors.New("exit status 0")
		}
		end(fmt.Errorf("%s ended: %w; its log is %s and ends so:\n%s", part.name, err, out.Name(), tail(out.Name(), 8)))
	}()
	return nil
}

// importImages gives containerd, once it answers, the images that are in the
// data folder.
func (c cluster) importImages(ctx context.Context) error {
	err := poll(ctx, func() error {
		conn, err := net.Dial("unix", containerdSocket)
		if err == nil {
			conn.Close()
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("wait for containerd (its log: %s): %w", c.log("containerd"), err)
	}
	files, err := fs.Glob(os.DirFS(c.path("images")), "*.tar")
	if err != nil {
		return err
	}
	for _, file := range files {
		if err := importImage(ctx, containerdSocket, c.path("images", file)); err != nil {
			return err
		}
	}
	return nil
}
