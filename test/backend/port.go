package backend

import (
	"fmt"
	"net"
	"os"
	"strconv"
	"sync/atomic"
)

// Ports are taken in turn, and from below those that the kernel gives to
// outgoing connections: such a connection, of any program, could otherwise take
// one while its node is down.
const (
	portsFrom  = 10000
	portsCount = 10000
)

var nextPort atomic.Uint32

func init() { nextPort.Store(uint32(os.Getpid() * 101)) }

func freePort(address string) (int, error) {
	var err error
	for range 1000 {
		port := portsFrom + int(nextPort.Add(1)%portsCount)
		var l net.Listener
		if l, err = net.Listen("tcp", net.JoinHostPort(address, strconv.Itoa(port))); err == nil {
			return port, l.Close()
		}
	}
	return 0, fmt.Errorf("find a free port of %s: %w", address, err)
}
