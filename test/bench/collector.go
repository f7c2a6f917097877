package main

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
)

// collector is the OpenTelemetry collector, as built.
var collector struct{ program, version string }

// title names the collector in a table.
func title(what string) string {
	return "OpenTelemetry collector " + collector.version + ", " + what
}

// collect has the collector follow a file. Its operators parse lines, if there
// are any; exporter is where they go.
func collect(dir, file, operators, exporter string) (args []string, err error) {
	name, _, _ := strings.Cut(exporter, ":")
	config := filepath.Join(dir, "otelcol.yaml")
	return []string{"--config", config}, os.WriteFile(config, fmt.Appendf(nil, `receivers:
  filelog:
    include: [%q]
    start_at: beginning
    operators: [%s]
exporters:
  %s
service:
  pipelines:
    logs: {receivers: [filelog], exporters: [%s]}
`, file, operators, exporter, name), 0o644)
}

// Exporters of the collector. The sending queue is not the default one, with
// which the filelog receiver gets 100 lines a second out.
const (
	toStdout = `file: {path: /dev/stdout}`
	toBulk   = `elasticsearch: {endpoint: %q, compression: %s, logs_index: logs, mapping: {allowed_modes: [none]},` +
		` sending_queue: {queue_size: 1000, num_consumers: 4, block_on_overflow: true,` +
		` batch: {flush_timeout: 200ms, min_size: 5000000, max_size: 10000000, sizer: bytes}}}`
)

// buildCollector builds the collector, unless the cache has it.
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
	collector.version = string(version[1])
	cache := os.Getenv("TACO_CACHE")
	if cache == "" {
		user, err := os.UserCacheDir()
		if err != nil {
			return fmt.Errorf("find the cache folder: %w (or set TACO_CACHE)", err)
		}
		cache = filepath.Join(user, "logging.taco")
	}
	name := fmt.Sprintf("otelcol-%s-%s-%x", collector.version, runtime.Version(), sum.Sum(nil)[:4])
	collector.program = filepath.Join(cache, name)
	if _, err := os.Stat(collector.program); err == nil {
		return nil
	}
	fmt.Fprintf(os.Stderr, "bench: building the OpenTelemetry collector %s, once; this takes some minutes\n", collector.version)
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return err
	}
	if err := goBuild(module, collector.program+".new", "."); err != nil {
		return err
	}
	return os.Rename(collector.program+".new", collector.program)
}
