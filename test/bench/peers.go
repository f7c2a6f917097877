package main

import (
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
)

// A peer is a program that follows a file and writes its lines to a pipe.
type peer struct {
	name string
	args []string // the file's name is added
	// The output has the file's bytes as they are; or, where each is not empty,
	// this text once a record.
	each string
	slow bool // gets a fifth of the file
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
	if programs.otelcol != "" {
		all = append(all, peer{
			name: "OpenTelemetry collector " + programs.otelVersion + ", filelog to JSON", args: []string{programs.otelcol},
			each: `"body":`, slow: true,
		})
	}
	return all
}

// programs are what is measured, as built.
var programs struct{ sidecar, hpcloud, otelcol, otelVersion string }

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

// buildCollector builds the OpenTelemetry collector, unless the cache has it.
func buildCollector(module string) error {
	sum := sha256.New()
	var text []byte
	for _, name := range []string{"main.go", "go.sum", "go.mod"} {
		var err error
		if text, err = os.ReadFile(filepath.Join(module, name)); err != nil {
			return err
		}
		sum.Write(text)
	}
	version := regexp.MustCompile(`filelogreceiver v(\S+)`).FindSubmatch(text)
	if version == nil {
		return fmt.Errorf("%s requires no filelog receiver", module)
	}
	programs.otelVersion = string(version[1])
	cache := os.Getenv("TACO_CACHE")
	if cache == "" {
		user, err := os.UserCacheDir()
		if err != nil {
			return fmt.Errorf("find the cache folder: %w (or set TACO_CACHE)", err)
		}
		cache = filepath.Join(user, "logging.taco")
	}
	name := fmt.Sprintf("otelcol-%s-%s-%x", programs.otelVersion, runtime.Version(), sum.Sum(nil)[:4])
	programs.otelcol = filepath.Join(cache, name)
	if _, err := os.Stat(programs.otelcol); err == nil {
		return nil
	}
	fmt.Fprintf(os.Stderr, "bench: building the OpenTelemetry collector %s, once; this takes some minutes\n", programs.otelVersion)
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return err
	}
	if err := goBuild(module, programs.otelcol+".new", "."); err != nil {
		return err
	}
	return os.Rename(programs.otelcol+".new", programs.otelcol)
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
	if p.args[0] != programs.otelcol {
		return append(p.args[1:len(p.args):len(p.args)], file), nil
	}
	config := filepath.Join(dir, "otelcol.yaml")
	return []string{"--config", config}, os.WriteFile(config, fmt.Appendf(nil, `receivers:
  filelog:
    include: [%q]
    start_at: beginning
exporters:
  file:
    path: /dev/stdout
service:
  pipelines:
    logs: {receivers: [filelog], exporters: [file]}
`, file), 0o644)
}
