//go:build linux

package main

import (
	"fmt"
	"log"
	"net"
	"os"
	"os/exec"
	"runtime"

	"golang.org/x/sys/unix"
)

// The commands by which the program runs itself.
const (
	holdCommand = "_hold"
	initCommand = "_init"
	nodeCommand = "_node"
)

// hold is the part of a running cluster that is outside its namespaces: it
// starts pid 1 of them, passes connections to the API server in, and ends when
// that ends. If it is killed, the kernel kills pid 1.
func hold(data string) error {
	c, err := readCluster(data)
	if err != nil {
		return err
	}
	status := os.NewFile(3, "status")
	port := os.NewFile(4, "port")
	listener, err := net.FileListener(port)
	if err != nil {
		return fmt.Errorf("take over the port of the API server: %w", err)
	}
	port.Close()

	// The kernel's "kill the child when its parent ends" goes by thread.
	runtime.LockOSThread()
	cmd := exec.Command("/proc/self/exe", initCommand, c.Data)
	cmd.Env = c.environment()
	cmd.Dir = "/"
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.ExtraFiles = []*os.File{status}
	cmd.SysProcAttr = &unix.SysProcAttr{
		Cloneflags: unix.CLONE_NEWNET | unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWIPC | unix.CLONE_NEWUTS,
		Pdeathsig:  unix.SIGKILL,
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("make the namespaces of the node: %w", err)
	}
	status.Close()
	init, err := identify(cmd.Process.Pid)
	if err != nil {
		return err
	}
	if err := init.save(c.path(initFile)); err != nil {
		return err
	}
	network, err := os.Open(fmt.Sprintf("/proc/%d/ns/net", cmd.Process.Pid))
	if err != nil {
		return fmt.Errorf("find the network of the node: %w", err)
	}
	go func() {
		err := forward(listener, func() (net.Conn, error) { return dialIn(network, apiAddress) })
		log.Printf("the API server is no longer reachable from outside: %v", err)
	}()
	return cmd.Wait()
}
