package main

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// latency times from append to arrival, at several rates.
func latency(dir string) error {
	fmt.Printf("\nappend to arrival\n| lines/s | | p50 ms | p99 ms | CPU %% of a core |\n|---|---|---|---|---|\n")
	for _, rate := range []int{10, 1000, 20_000} {
		for _, p := range []peer{tail, ours("raw")} {
			file := filepath.Join(dir, "paced.log")
			f, err := os.Create(file)
			if err != nil {
				return err
			}
			s, err := start(nil, p.args[0], append(p.args[1:], file)...)
			if err != nil {
				return err
			}
			fmt.Fprintln(f, time.Now().UnixNano())
			in := bufio.NewReader(s.out)
			if _, err := in.ReadString('\n'); err != nil { // it runs
				return err
			}
			const seconds = 5
			lines := rate * seconds
			go pace(f, rate, lines, func(int) string { return strconv.FormatInt(time.Now().UnixNano(), 10) + "\n" })
			began, cpu := time.Now(), s.cpuSoFar()
			var took []float64
			for range lines {
				line, err := in.ReadString('\n')
				if err != nil {
					return err
				}
				sent, err := strconv.ParseInt(strings.TrimSpace(line), 10, 64)
				if err != nil {
					return err
				}
				took = append(took, float64(time.Now().UnixNano()-sent)/1e6)
			}
			cpu = (s.cpuSoFar() - cpu) / time.Since(began).Seconds() * 100
			s.stop()
			f.Close()
			slices.Sort(took)
			fmt.Printf("| %d | %s | %.2f | %.2f | %.1f |\n", rate, p.name, took[len(took)/2], took[len(took)*99/100], cpu)
		}
	}
	return nil
}

// pace writes lines, so many a second, in bursts of at most a millisecond's worth.
func pace(f *os.File, rate, lines int, line func(i int) string) {
	began := time.Now()
	for i := range lines {
		due := began.Add(time.Duration(i) * time.Second / time.Duration(rate))
		if d := time.Until(due); d > time.Millisecond {
			time.Sleep(d)
		}
		f.WriteString(line(i))
	}
}

// idle measures the cost of following quiet files.
func idle(dir string) error {
	fmt.Printf("\nquiet files\n| files | CPU %% of a core | wake-ups/s | RSS MiB | private | ready after ms |\n|---|---|---|---|---|---|\n")
	for _, n := range []int{1, 100, 1000} {
		logs := filepath.Join(dir, fmt.Sprintf("quiet-%d", n))
		if err := os.Mkdir(logs, 0o755); err != nil {
			return err
		}
		for i := range n {
			if err := os.WriteFile(filepath.Join(logs, fmt.Sprintf("%d.log", i)), []byte("one line of a quiet file\n"), 0o644); err != nil {
				return err
			}
		}
		// The second start has the checkpoint of the first.
		args := []string{"stream", "--state", filepath.Join(logs, "state"), filepath.Join(logs, "*.log")}
		first, err := start(nil, programs.sidecar, args...)
		if err != nil {
			return err
		}
		if err := first.drain(int64(25 * n)); err != nil {
			return err
		}
		time.Sleep(time.Second)
		first.stop()
		began := time.Now()
		s, err := start(nil, programs.sidecar, args...)
		if err != nil {
			return err
		}
		extra, err := os.OpenFile(filepath.Join(logs, "0.log"), os.O_APPEND|os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		extra.WriteString("more\n")
		extra.Close()
		if err := s.drain(5); err != nil {
			return err
		}
		ready := time.Since(began)
		time.Sleep(3 * time.Second)
		const watch = 20 * time.Second
		cpu := s.cpuSoFar()
		wakes := s.wakeups(watch)
		cpu = s.cpuSoFar() - cpu
		rss, private := s.peak()
		s.stop()
		fmt.Printf("| %d | %.3f | %.1f | %.1f | %.1f | %.0f |\n", n, cpu/watch.Seconds()*100, float64(wakes)/watch.Seconds(), rss, private, ready.Seconds()*1000)
	}
	return nil
}
