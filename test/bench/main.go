// Command bench measures the sidecar side by side with its peers in one run:
// CPU of the process alone, speed, memory, latency and idle cost. The figures
// of one machine on one day are in RESULTS.md; ratios travel, seconds do not.
//
//	go run ./test/bench [-rounds 5] [-size 1GB] [-only throughput,latency,idle]
package main

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

var (
	rounds = flag.Int("rounds", 5, "runs of each subject; medians are printed")
	megs   = flag.Int("size", 1000, "MB of lines a throughput run")
	only   = flag.String("only", "throughput,latency,idle", "what to measure, separated by commas")
)

func main() {
	flag.Parse()
	if err := bench(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func bench() error {
	dir, err := os.MkdirTemp("", "taco-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	bin := filepath.Join(dir, "sidecar")
	build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", bin, "logging.taco/sidecar")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		return fmt.Errorf("build the sidecar: %w", err)
	}
	kernel, _ := os.ReadFile("/proc/sys/kernel/osrelease")
	fmt.Printf("%s, Linux %s, %d CPUs, medians of %d runs\n", runtime.Version(), strings.TrimSpace(string(kernel)), runtime.NumCPU(), *rounds)
	for _, what := range strings.Split(*only, ",") {
		run := map[string]func(string, string) error{"throughput": throughput, "latency": latency, "idle": idle}[what]
		if run == nil {
			return fmt.Errorf("-only %q: use throughput, latency or idle", what)
		}
		if err := run(dir, bin); err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
	}
	return nil
}

// median of some figures; it sorts them.
func median(v []float64) float64 {
	slices.Sort(v)
	return v[len(v)/2]
}
