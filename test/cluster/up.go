//go:build linux

package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// up starts the cluster, or finds it running, and returns when its node takes
// pods. If the context is done before, it leaves nothing behind; if the node
// does not start, only the logs.
func (c cluster) up(ctx context.Context, say func(format string, args ...any)) error {
	lock, err := c.lock(ctx)
	if err != nil {
		return err
	}
	defer lock.Close()
	if saved, err := readCluster(c.Data); err == nil && saved.alive() {
		err := saved.healthy(ctx)
		if err == nil && c.DNS != "" && saved.DNS == "" {
			return fmt.Errorf("it is running without DNS; end it first: cluster down --name %s", c.Name)
		}
		if err == nil {
			say("already running")
			return nil
		}
		say("running, but not well, so it is started anew: %v", err)
	}
	// An earlier one may have been ended by something else than down.
	if err := errors.Join(c.stop(), c.empty()); err != nil {
		return fmt.Errorf("clean up after an earlier cluster: %w", err)
	}
	say("starting")
	started := time.Now()
	if err := c.launch(ctx); err != nil {
		stopped := c.stop()
		if ctx.Err() != nil && stopped == nil {
			stopped = os.RemoveAll(c.Data)
		}
		return errors.Join(err, stopped)
	}
	say("node ready after %.1f s", time.Since(started).Seconds())
	return nil
}

// healthy is nil when a running cluster takes pods.
func (c cluster) healthy(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	api, err := newAPI(c, c.server())
	if err != nil {
		return err
	}
	return api.nodeReady(ctx, c.Name)
}

// server is where the API server answers, outside the namespaces.
func (c cluster) server() string { return "https://127.0.0.1:" + strconv.Itoa(c.Port) }

// launch starts a cluster of which there is nothing yet and waits for it.
func (c cluster) launch(ctx context.Context) error {
	listener, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return fmt.Errorf("find a port for the API server: %w", err)
	}
	defer listener.Close()
	c.Port = listener.Addr().(*net.TCPAddr).Port
	if err := loadModules(); err != nil {
		return err
	}
	if err := c.makeCgroups(); err != nil {
		return err
	}
	if err := c.writeFiles(); err != nil {
		return fmt.Errorf("lay out the data folder: %w", err)
	}
	if err := c.writeImages(); err != nil {
		return err
	}
	status, err := c.startHold(listener)
	if err != nil {
		return fmt.Errorf("start the node: %w", err)
	}
	defer status.Close()

	ctx, ended := context.WithCancelCause(ctx)
	ready := make(chan struct{})
	go func() {
		in := bufio.NewReader(status)
		word, _ := in.ReadString('\n')
		if word == "ready\n" {
			close(ready)
			word = ""
		}
		rest, _ := io.ReadAll(in)
		why := strings.TrimSpace(word + string(rest))
		if why == "" {
			why = fmt.Sprintf("the node ended; its log is %s and ends so:\n%s", c.log("node"), tail(c.log("node"), 8))
		}
		ended(errors.New(why))
	}()
	err = c.wait(ctx, ready)
	if ctx.Err() != nil {
		return context.Cause(ctx) // rather than what was being waited for
	}
	return err
}

// wait returns when the cluster can be used, or when ctx is done.
func (c cluster) wait(ctx context.Context, ready <-chan struct{}) error {
	ctx, cancel := context.WithTimeoutCause(ctx, 5*time.Minute, errors.New("it took more than 5 minutes"))
	defer cancel()
	select {
	case <-ready:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	api, err := newAPI(c, c.server())
	if err != nil {
		return err
	}
	if err := poll(ctx, func() error { return api.nodeReady(ctx, c.Name) }); err != nil {
		return fmt.Errorf("wait for the node (its log: %s): %w", c.log("kubelet"), err)
	}
	// No pod can be made without it.
	if err := poll(ctx, func() error { return api.get(ctx, "/api/v1/namespaces/default/serviceaccounts/default", nil) }); err != nil {
		return fmt.Errorf("wait for the default ServiceAccount (the log: %s): %w", c.log("kube-controller-manager"), err)
	}
	if c.DNS != "" {
		return c.startDNS(ctx)
	}
	return nil
}

// startHold starts the process that stays, apart from the caller's terminal,
// and returns what the node has to say.
func (c cluster) startHold(listener *net.TCPListener) (status *os.File, err error) {
	port, err := listener.File()
	if err != nil {
		return nil, err
	}
	defer port.Close()
	out, err := os.Create(c.log("node"))
	if err != nil {
		return nil, err
	}
	defer out.Close()
	status, theirs, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer theirs.Close()
	cmd := exec.Command("/proc/self/exe", holdCommand, c.Data)
	cmd.Env = c.environment()
	cmd.Dir = "/"
	cmd.Stdout, cmd.Stderr = out, out
	cmd.ExtraFiles = []*os.File{theirs, port}
	cmd.SysProcAttr = &unix.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		status.Close()
		return nil, err
	}
	go cmd.Wait() // so that it is no zombie, should it end before this process
	hold, err := identify(cmd.Process.Pid)
	if err == nil {
		err = hold.save(c.path(holdFile))
	}
	if err != nil {
		cmd.Process.Kill()
		status.Close()
		return nil, err
	}
	return status, nil
}

// stay waits until the cluster ends by itself, which is an error, or the
// context is done.
func (c cluster) stay(ctx context.Context) error {
	hold, err := readProcess(c.path(holdFile))
	if err != nil {
		return err
	}
	fd, err := hold.open()
	if err == nil {
		defer unix.Close(fd)
		for !exited(fd, 200) {
			if ctx.Err() != nil {
				return nil
			}
		}
	}
	return fmt.Errorf("%w: %s", errEnded, c.lastWords())
}

var errEnded = errors.New("the cluster has ended")
