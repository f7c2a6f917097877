//go:build linux

package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

// run builds the packages into the folder bin, without cgo and so programs
// without shared libraries.
func (s step) run(ctx context.Context, bin string, show *progress) error {
	show.begin("building " + s.what)
	defer show.end()
	// Takes a second, besides downloading what would be downloaded anyway.
	packages, err := s.call(ctx, append([]string{"list", "-deps"}, s.packages...), func(n int) {
		show.step(fmt.Sprintf("%d modules downloaded", n))
	})
	if err != nil {
		return err
	}
	total := strings.Count(packages, "\n")
	out := filepath.Join(bin, s.out)
	if s.out == "" {
		out += "/"
	}
	_, err = s.call(ctx, slices.Concat([]string{"build", "-v"}, buildFlags, []string{"-ldflags=" + s.ldflags, "-o", out}, s.packages), func(n int) {
		show.step(fmt.Sprintf("%d of %d packages", n, total))
	})
	return err
}

// call calls go and returns what it writes to its standard output. Each line
// of progress, for a module downloaded or a package compiled, is passed to step
// with its number.
func (s step) call(ctx context.Context, args []string, step func(n int)) (string, error) {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = s.module
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=", "GOWORK=off", "GOOS="+runtime.GOOS, "GOARCH="+runtime.GOARCH)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 10 * time.Second
	var out bytes.Buffer
	cmd.Stdout = &out
	said, err := cmd.StderrPipe()
	if err != nil {
		return "", err
	}
	if err := cmd.Start(); err != nil {
		return "", err
	}
	rest := readSteps(said, step)
	err = cmd.Wait()
	if ctx.Err() != nil {
		return "", context.Cause(ctx)
	}
	if err != nil {
		return "", fmt.Errorf("go %s: %w\n%s", args[0], err, rest)
	}
	return out.String(), nil
}

// readSteps reads what go says: a line for each module that it downloads and,
// with -v, for each package that it compiles. The last of all other lines,
// which are of errors, it returns.
func readSteps(said io.Reader, step func(n int)) string {
	var n int
	var rest []string
	lines := bufio.NewScanner(said)
	for lines.Scan() {
		line := lines.Text()
		if strings.HasPrefix(line, "go: downloading ") || !strings.ContainsAny(line, " \t:") {
			n++
			step(n)
		} else {
			rest = append(rest, line)
		}
	}
	io.Copy(io.Discard, said) // had a line been too long
	return strings.Join(rest[max(0, len(rest)-20):], "\n")
}
