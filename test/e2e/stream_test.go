package e2e

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"sync"
	"time"
)

// A stream is a running kubectl logs --follow.
type stream struct {
	b     *bench
	pod   string
	ended chan struct{}

	mu     sync.Mutex
	out    output
	err    error        // of the end
	stderr bytes.Buffer // read after the end
}

// follow begins to follow a container's log; it ends with the container.
func (b *bench) follow(pod, container string) *stream {
	b.Helper()
	s := &stream{b: b, pod: pod, ended: make(chan struct{})}
	ctx, cancel := context.WithCancel(interrupted)
	cmd := exec.CommandContext(ctx, "kubectl", "-n", b.namespace, "logs", "--follow", pod, "-c", container)
	cmd.Stderr = &s.stderr
	stdout, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		b.Fatal(err)
	}
	go func() {
		defer close(s.ended)
		in := bufio.NewScanner(stdout)
		in.Buffer(nil, 1<<20)
		for in.Scan() {
			s.mu.Lock()
			s.out.add(in.Text())
			s.mu.Unlock()
		}
		s.err = cmd.Wait()
	}()
	b.Cleanup(func() {
		cancel()
		<-s.ended
	})
	return s
}

// waitLines waits until so many lines have come.
func (s *stream) waitLines(n int) {
	s.b.Helper()
	s.b.eventually(fmt.Sprintf("%d lines of %s", n, s.pod), func() error {
		s.mu.Lock()
		defer s.mu.Unlock()
		if len(s.out.lines) < n {
			return fmt.Errorf("only %d lines", len(s.out.lines))
		}
		return nil
	})
}

// all is everything, once the container has ended.
func (s *stream) all() output {
	s.b.Helper()
	select {
	case <-s.ended:
	case <-time.After(patience):
		s.b.Fatalf("the log of %s does not end", s.pod)
	case <-interrupted.Done():
		s.b.Fatal("interrupted")
	}
	if s.err != nil {
		s.b.Fatalf("follow the log of %s: %v: %s", s.pod, s.err, &s.stderr)
	}
	return s.out
}
