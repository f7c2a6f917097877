package backend

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// A server is a node that can be ended and started again on the same data and
// the same port.
type server struct {
	options
	product   product
	client    *http.Client
	authority *authority // of a secure one
	dir       string     // its own, removed with it
	said      lastWords
	process   atomic.Pointer[process] // nil before the first start
}

// startMost bounds each start and stop; it is reached only by a failure.
const startMost = 3 * time.Minute

func newServer(kind Kind, opts ...Option) (*server, error) {
	p, ok := products[kind]
	if !ok {
		return nil, fmt.Errorf("there is no log backend %q: use one of %q", kind, Kinds)
	}
	s := &server{product: p, options: options{address: "127.0.0.1", heap: "512m", settings: map[string]string{}, certificateLife: longLife}}
	for _, o := range opts {
		o(&s.options)
	}
	if err := s.prepare(); err != nil {
		s.remove()
		return nil, fmt.Errorf("prepare %s: %w", p.title, err)
	}
	return s, nil
}

// prepare makes what outlives the processes.
func (s *server) prepare() (err error) {
	if s.dir, err = os.MkdirTemp("", "taco-backend-"); err != nil {
		return err
	}
	running.add(s)
	if s.port == 0 {
		if s.port, err = freePort(s.address); err != nil {
			return err
		}
	}
	if s.data == "" {
		s.data = filepath.Join(s.dir, "data")
	} else if s.data, err = filepath.Abs(s.data); err != nil {
		return err
	}
	for _, dir := range []string{s.tmp(), s.data} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	s.client = &http.Client{Transport: &http.Transport{}}
	if s.product.secure {
		return s.secure()
	}
	return nil
}

func (s *server) tmp() string { return filepath.Join(s.dir, "tmp") }

func (s *server) url() string {
	scheme := "http"
	if s.product.secure {
		scheme = "https"
	}
	return scheme + "://" + net.JoinHostPort(s.address, strconv.Itoa(s.port))
}

// start starts a process and waits until the node is ready.
func (s *server) start(ctx context.Context) error {
	installed, err := s.product.install(ctx)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, startMost, fmt.Errorf("it took more than %s", startMost))
	defer cancel()
	if err := s.launch(installed, archived(installed)...); err != nil {
		return fmt.Errorf("start %s: %w", s.product.title, err)
	}
	if err := s.ready(ctx); err != nil {
		s.kill()
		return fmt.Errorf("start %s: %w\n%s", s.product.title, err, s.said.String())
	}
	return nil
}

// launch starts the process, with further options for Java.
func (s *server) launch(installed string, java ...string) error {
	args := append(java,
		// A short life: what pays off only after minutes costs start-up time.
		"-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-XX:-UsePerfData",
		"-Xmx"+s.heap, "-Djava.io.tmpdir="+s.tmp(),
		"-Dplugins="+strings.Join(s.product.plugins, ","),
		"Launcher", s.data,
		"node.name=node", "cluster.name=test", "discovery.type=single-node",
		"network.host=127.0.0.1", "transport.port=0",
		"http.host="+s.address, "http.port="+strconv.Itoa(s.port),
		// How full this machine's disk is must not decide a test.
		"cluster.routing.allocation.disk.threshold_enabled=false",
	)
	if s.product.secure {
		settings, err := s.secureSettings()
		if err != nil {
			return err
		}
		args = append(args, settings...)
	}
	for name, value := range s.settings {
		args = append(args, name+"="+value)
	}
	cmd := exec.Command("java", args...)
	var err error
	if cmd.Env, err = environment(installed); err != nil {
		return err
	}
	p, err := newProcess(cmd, &s.said)
	s.process.Store(p)
	return err
}

// ready waits until the node is healthy, or only listens if that is enough.
func (s *server) ready(ctx context.Context) error {
	p := s.process.Load()
	select {
	case <-p.started:
	case <-p.ended:
		return fmt.Errorf("it ended by itself: %s", p.cmd.ProcessState)
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if s.listening {
		return nil
	}
	every := time.NewTicker(20 * time.Millisecond)
	defer every.Stop()
	for {
		// Only this answer tells of a node that takes bulks.
		status, body, err := s.do(ctx, s.product.admin, http.MethodGet, "/_cluster/health", nil)
		if err == nil && status == http.StatusOK {
			return nil
		}
		select {
		case <-every.C:
		case <-p.ended:
			return fmt.Errorf("it ended by itself: %s", p.cmd.ProcessState)
		case <-ctx.Done():
			return fmt.Errorf("%w; the last answer: %d %v (%v)", context.Cause(ctx), status, body, err)
		}
	}
}

func (s *server) stop() error {
	err := s.process.Load().stop()
	s.client.CloseIdleConnections()
	if err != nil {
		return fmt.Errorf("stop %s: %w", s.product.title, err)
	}
	return nil
}

func (s *server) kill() {
	s.process.Load().kill()
	if s.client != nil {
		s.client.CloseIdleConnections()
	}
}

// remove ends the process and removes what it had.
func (s *server) remove() {
	s.kill()
	running.drop(s)
	os.RemoveAll(s.dir)
}
