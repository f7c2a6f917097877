package main

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// input is a file to follow, all of it there at the start.
type input struct {
	name  string
	line  func(i int) string
	peers func(sidecar, dir string) []peer
}

var inputs = []input{
	{"application lines of 212 bytes", application, func(sidecar, dir string) []peer {
		return []peer{
			tail,
			{"sidecar, raw", []string{sidecar, "stream"}},
			{"sidecar, raw, --state", []string{sidecar, "stream", "--state", filepath.Join(dir, "state")}},
			{"sidecar, raw, --multiline java", []string{sidecar, "stream", "--multiline=java"}},
			{"sidecar, json", []string{sidecar, "stream", "--emit=json"}},
		}
	}},
	{"the same with a stack trace of 12 lines in every 20th record", func(i int) string {
		if i%20 > 0 {
			return application(i)
		}
		return application(i) + trace
	}, func(sidecar, _ string) []peer {
		return []peer{
			tail,
			{"sidecar, raw, --multiline java", []string{sidecar, "stream", "--multiline=java", "--flush-timeout=100ms"}},
			{"sidecar, json, --multiline java", []string{sidecar, "stream", "--multiline=java", "--emit=json", "--flush-timeout=100ms"}},
		}
	}},
	{"lines of 40 bytes", func(i int) string { return fmt.Sprintf("10:54:39 INFO order %09d is ready now\n", i) }, func(sidecar, _ string) []peer {
		return []peer{tail, {"sidecar, raw", []string{sidecar, "stream"}}, {"sidecar, json", []string{sidecar, "stream", "--emit=json"}}}
	}},
	{"EUC-KR, every tenth line Korean", func(i int) string {
		if i%10 > 0 {
			return application(i)
		}
		return fmt.Sprintf("2026-11-21 10:54:39,365 WARN  [http-nio-8080-exec-%02d] \xb0\xe1\xc1\xa6 \xbf\xc0\xb7\xf9: \xc1\xd6\xb9\xae %09d \xc3\xb3\xb8\xae \xbd\xc7\xc6\xd0, \xb4\xd9\xbd\xc3 \xbd\xc3\xb5\xb5\xc7\xd5\xb4\xcf\xb4\xd9\n", i%20, i)
	}, func(sidecar, _ string) []peer {
		return []peer{tail, {"sidecar, raw, --charset euc-kr", []string{sidecar, "stream", "--charset=euc-kr"}}}
	}},
}

var tail = peer{"GNU tail -n +1 -f", []string{"tail", "-n", "+1", "-f"}}

func application(i int) string {
	return fmt.Sprintf("2026-11-21 10:54:39,365 INFO  [http-nio-8080-exec-%02d] com.example.shop.OrderService - processed order %09d for customer %07d in %04d ms, status OK, session %016x, trace %016x, items 3, retries 0, region eu-1\n",
		i%20, i, i*7%1000000, i%5000, i*2654435761, i*40503)
}

var trace = "java.lang.IllegalStateException: no session\n" + strings.Repeat("\tat com.example.shop.OrderService.process(OrderService.java:117)\n", 11)

type peer struct {
	name string
	args []string // the file's name is added
}

// throughput times reading a large file to its end, into a pipe that is drained.
func throughput(dir, sidecar string) error {
	for _, in := range inputs {
		file := filepath.Join(dir, "big.log")
		size, err := generate(file, in.line, int64(*megs)*1e6)
		if err != nil {
			return err
		}
		peers := in.peers(sidecar, dir)
		type figures struct{ cpu, wall, rss, private []float64 }
		all := make([]figures, len(peers))
		for range *rounds {
			for i, p := range peers {
				os.RemoveAll(filepath.Join(dir, "state"))
				began := time.Now()
				s, err := start(p.args[0], append(p.args[1:len(p.args):len(p.args)], file)...)
				if err != nil {
					return err
				}
				end, err := s.drainAll(size)
				wall := end.Sub(began).Seconds()
				rss, private := s.peak()
				cpu := s.stop()
				if err != nil {
					return fmt.Errorf("%s: %w", p.name, err)
				}
				f := &all[i]
				f.cpu, f.wall = append(f.cpu, cpu), append(f.wall, wall)
				f.rss, f.private = append(f.rss, rss), append(f.private, private)
			}
		}
		fmt.Printf("\n%s, %d MB, to a pipe\n| | MB/s | CPU-s/GB | × tail | peak RSS MiB | private |\n|---|---|---|---|---|---|\n", in.name, size/1e6)
		gb := float64(size) / 1e9
		base := median(all[0].cpu)
		for i, p := range peers {
			f := all[i]
			fmt.Printf("| %s | %.0f | %.3f | %.2f | %.1f | %.1f |\n", p.name, gb*1000/median(f.wall), median(f.cpu)/gb, median(f.cpu)/base, median(f.rss), median(f.private))
		}
	}
	return nil
}

// generate writes whole lines up to about size bytes.
func generate(name string, line func(int) string, size int64) (int64, error) {
	f, err := os.Create(name)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	w := bufio.NewWriterSize(f, 1<<20)
	var n int64
	for i := 0; n < size; i++ {
		m, err := w.WriteString(line(i))
		if err != nil {
			return n, err
		}
		n += int64(m)
	}
	return n, w.Flush()
}
