// Command bench measures the sidecar side by side with its peers in one run:
// CPU of the process alone, speed, memory, latency and idle cost; and the injector,
// under admissions. The figures
// of one machine on one day are in RESULTS.md; ratios travel, seconds do not.
//
//	go run ./test/bench [-rounds 5] [-size 1000] [-only throughput,latency,idle,ship,parse,admissions] [-otel]
package main

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"slices"
	"strings"
	"syscall"
)

var (
	rounds  = flag.Int("rounds", 5, "runs of each subject; medians are printed")
	megs    = flag.Int("size", 1000, "MB of lines a throughput run")
	only    = flag.String("only", "throughput,latency,idle,ship,parse,admissions", "what to measure, separated by commas")
	rsyslog = flag.String("rsyslog", "", "ship with rsyslog too, whose Debian packages are installed or unpacked below this `folder`")
	otel    = flag.Bool("otel", false, "compare with the OpenTelemetry collector, which is built the first time")
)

func main() {
	if len(os.Args) == 3 && os.Args[1] == "bulk" {
		serveBulk(os.Args[2])
	}
	// What is started here is to end with us, which the kernel takes to be the thread.
	runtime.LockOSThread()
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
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	go func() {
		s := <-stop
		os.RemoveAll(dir)
		os.Exit(128 + int(s.(syscall.Signal)))
	}()
	if err := build(dir, *otel); err != nil {
		return err
	}
	kernel, _ := os.ReadFile("/proc/sys/kernel/osrelease")
	load, _ := os.ReadFile("/proc/loadavg")
	fmt.Printf("%s, Linux %s, %d CPUs, load average %s at the start, medians of %d runs\n",
		runtime.Version(), strings.TrimSpace(string(kernel)), runtime.NumCPU(), strings.Join(strings.Fields(string(load))[:3], " "), *rounds)
	for _, what := range strings.Split(*only, ",") {
		run := map[string]func(string) error{"throughput": throughput, "latency": latency, "idle": idle, "ship": ship, "parse": parse, "admissions": admissions}[what]
		if run == nil {
			return fmt.Errorf("-only %q: use throughput, latency, idle, ship, parse or admissions", what)
		}
		if err := run(dir); err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
	}
	return nil
}

// output is what a program prints, without its last newline.
func output(name string, args ...string) (string, error) {
	out, err := exec.Command(name, args...).Output()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w", name, strings.Join(args, " "), err)
	}
	return strings.TrimSpace(string(out)), nil
}

// median of some figures; it sorts them.
func median(v []float64) float64 {
	slices.Sort(v)
	return v[len(v)/2]
}
