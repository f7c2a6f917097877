//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
)

// expose lets pods reach servers of the machine, as long as the context lasts
// and the cluster runs: each spec is PORT or PORT=ADDRESS, by which the node's
// PORT leads to 127.0.0.1:PORT or to ADDRESS. It calls ready when all do.
func (c cluster) expose(ctx context.Context, specs []string, ready func()) error {
	init, err := readProcess(c.path(initFile))
	if err != nil {
		return err
	}
	network, err := os.Open(fmt.Sprintf("/proc/%d/ns/net", init.pid))
	if err != nil {
		return fmt.Errorf("find the network of the node: %w", err)
	}
	defer network.Close()
	for _, spec := range specs {
		port, address, ok := strings.Cut(spec, "=")
		if !ok {
			address = "127.0.0.1:" + port
		}
		if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
			return usageError(fmt.Sprintf("expose %q: want PORT or PORT=ADDRESS", spec))
		}
		l, err := listenIn(network, net.JoinHostPort(nodeIP, port))
		if err != nil {
			return fmt.Errorf("expose %s: %w", spec, err)
		}
		defer l.Close()
		go forward(l, func() (net.Conn, error) { return net.Dial("tcp", address) })
	}
	ready()
	err = c.stay(ctx)
	if errors.Is(err, errEnded) {
		return nil
	}
	return err
}
