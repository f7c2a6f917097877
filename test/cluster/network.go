//go:build linux

package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"
)

// setUpNetwork makes, inside the new network namespace, what the node needs
// before the first pod: a bridge with the node's address.
func setUpNetwork() error {
	for _, line := range []string{
		"link set lo up",
		"link add cni0 type bridge",
		"addr add " + nodeIP + "/24 dev cni0",
		"link set cni0 up",
		// For the node's own connections to a Service the route is looked up
		// before kube-proxy's rules change the address, so there must be one.
		// It leads nowhere: what no rule translates dies on the bridge.
		"route add " + services + " dev cni0",
	} {
		if out, err := exec.Command("ip", strings.Fields(line)...).CombinedOutput(); err != nil {
			return fmt.Errorf("ip %s: %w: %s", line, err, strings.TrimSpace(string(out)))
		}
	}
	if err := os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("1"), 0o644); err != nil {
		return err
	}
	// Lets kube-proxy's rules see what goes from pod to pod over the bridge.
	if err := os.WriteFile("/proc/sys/net/bridge/bridge-nf-call-iptables", []byte("1"), 0o644); err != nil {
		return fmt.Errorf("%w (is the kernel module br_netfilter there? try: modprobe br_netfilter)", err)
	}
	return nil
}

// inNetwork calls f in the network namespace of another process. What f opens
// there belongs to that namespace and may be used everywhere.
func inNetwork(ns *os.File, f func() error) error {
	done := make(chan error)
	go func() {
		// Never unlocked: the thread ends with the goroutine, so that nothing
		// else ever runs in that namespace by chance.
		runtime.LockOSThread()
		if err := unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET); err != nil {
			done <- fmt.Errorf("enter the network of the node: %w", err)
			return
		}
		done <- f()
	}()
	return <-done
}

// dialIn connects to an address (a literal one: name resolution would take
// other threads) inside the namespace.
func dialIn(ns *os.File, address string) (conn net.Conn, err error) {
	err = inNetwork(ns, func() (err error) {
		conn, err = net.Dial("tcp", address)
		return err
	})
	return conn, err
}

// listenIn listens on an address inside the namespace.
func listenIn(ns *os.File, address string) (l net.Listener, err error) {
	err = inNetwork(ns, func() (err error) {
		l, err = net.Listen("tcp", address)
		return err
	})
	return l, err
}
