package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// A peer is a program that follows a file and writes its lines to a pipe.
type peer struct {
	name string
	args []string // the file's name is added
	// The output has the file's bytes as they are; or, where each is not empty,
	// this text once a record.
	each      string
	slow      bool   // gets a fifth of the file
	operators string // of the collector
}

var tail = peer{name: "GNU tail -n +1 -f", args: []string{"tail", "-n", "+1", "-f"}}

// ours is the sidecar with more flags.
func ours(what string, flags ...string) peer {
	return peer{name: "sidecar, " + what, args: append([]string{programs.sidecar, "stream"}, flags...)}
}

// by says what the output of a peer has once a record.
func (p peer) by(each string) peer {
	p.each = each
	return p
}

// others are the peers for which a whole file would take too long.
func others() []peer {
	byName := ours("--engine name", "--engine=name")
	byName.slow = true
	all := []peer{byName, {name: "hpcloud/tail", args: []string{programs.hpcloud}, slow: true}}
	if collector.program != "" {
		all = append(all, collected("filelog to JSON", ""))
	}
	return all
}

// collected is the collector with operators that parse lines, if there are any.
func collected(what, operators string) peer {
	return peer{name: title(what), args: []string{collector.program}, operators: operators, each: `"body":`, slow: true}
}

// programs are what is measured, as built.
var programs struct{ sidecar, hpcloud string }

// build builds them into dir; the collector into a cache, since it takes minutes.
func build(dir string, otel bool) error {
	top, err := output("go", "list", "-m", "-f", "{{.Dir}}", "logging.taco")
	if err != nil {
		return err
	}
	programs.sidecar = filepath.Join(dir, "sidecar")
	programs.hpcloud = filepath.Join(dir, "hpcloud")
	for out, pkg := range map[string]string{programs.sidecar: "./sidecar", programs.hpcloud: "./test/bench/hpcloud"} {
		if err := goBuild(top, out, pkg); err != nil {
			return err
		}
	}
	if !otel {
		return nil
	}
	return buildCollector(filepath.Join(top, "test/bench/otelcol"))
}

func goBuild(module, out, pkg string) error {
	cmd := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w", "-o", out, pkg)
	cmd.Dir, cmd.Stderr = module, os.Stderr
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=", "GOWORK=off")
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("build %s: %w", pkg, err)
	}
	return nil
}

// with are the arguments that make the peer follow the file.
func (p peer) with(dir, file string) ([]string, error) {
	if p.args[0] == collector.program {
		return collect(dir, file, p.operators, toStdout)
	}
	return append(p.args[1:len(p.args):len(p.args)], file), nil
}
