package backend

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"os"
	"os/signal"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// running are all servers of this process.
var running = registry{servers: map[*server]bool{}, shared: map[Kind]*shared{}}

type registry struct {
	mu      sync.Mutex
	main    bool // Main will end them
	servers map[*server]bool
	shared  map[Kind]*shared
	tests   int
}

// A shared server is started by the first test that asks for it.
type shared struct {
	once sync.Once
	s    *server
	err  error
}

func (r *registry) add(s *server) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.servers[s] = true
}

func (r *registry) drop(s *server) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.servers, s)
}

// Main runs the tests and ends the nodes that they share. After ^C it ends all
// nodes and removes their data.
func Main(m *testing.M) int {
	running.mu.Lock()
	running.main = true
	running.mu.Unlock()
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	go func() {
		s := <-stop
		running.end()
		os.Exit(128 + int(s.(syscall.Signal)))
	}()
	code := m.Run()
	running.end()
	return code
}

// end kills the processes and removes their folders.
func (r *registry) end() {
	r.mu.Lock()
	servers := slices.Collect(maps.Keys(r.servers))
	r.mu.Unlock()
	for _, s := range servers {
		s.remove()
	}
}

// Shared returns the node that all tests of the program share, started when the
// first asks for it. What begins with its Prefix is this test's alone, and is
// deleted when the test ends. The program's TestMain has to call Main.
func Shared(t testing.TB, kind Kind) *Node {
	t.Helper()
	running.mu.Lock()
	if !running.main {
		running.mu.Unlock()
		t.Fatal("a shared backend ends with backend.Main: call it in TestMain")
	}
	running.tests++
	number := running.tests
	one := running.shared[kind]
	if one == nil {
		one = &shared{}
		running.shared[kind] = one
	}
	running.mu.Unlock()
	one.once.Do(func() {
		if one.s, one.err = newServer(kind); one.err == nil {
			one.err = one.s.start(t.Context())
		}
	})
	if one.err != nil {
		giveUp(t, one.err)
	}
	n := &Node{server: one.s, t: t, user: one.s.product.admin, Prefix: one.s.product.prefix + prefix(number, t.Name())}
	t.Cleanup(n.deletePrefix)
	return n
}

// deletePrefix deletes the indices of a test: a node takes a thousand of them.
func (n *Node) deletePrefix() {
	// The test's own context is done.
	status, body, err := n.do(context.Background(), n.product.admin, http.MethodDelete, "/"+n.Prefix+"*", nil)
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("status %d: %v", status, body)
	}
	if err != nil {
		n.t.Errorf("delete the indices of the test: %v", err)
	}
}

var notInNames = regexp.MustCompile(`[^a-z0-9]+`)

// prefix is one that the name of an index may begin with.
func prefix(number int, test string) string {
	name := strings.Trim(notInNames.ReplaceAllString(strings.ToLower(strings.TrimPrefix(test, "Test")), "-"), "-")
	return fmt.Sprintf("t%d-%.60s-", number, name)
}
