package main

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// input is a file to follow, all of it there at the start.
type input struct {
	name  string
	line  func(i int) string // a record, of one line or more
	peers func(dir string) []peer
}

const object = `{"log":"` // begins each record as JSON

// soon lets the last record, which might go on, out at once.
const soon = "--flush-timeout=1ms"

var inputs = []input{
	{"application lines of 238 bytes", application, func(dir string) []peer {
		return append([]peer{
			tail,
			ours("raw"),
			ours("raw, --state", "--state", filepath.Join(dir, "state")),
			ours("raw, --multiline java", "--multiline=java", soon),
			ours("json", "--emit=json").by(object),
		}, others()...)
	}},
	{"the same with a stack trace of 12 lines in every 20th record", func(i int) string {
		if i%20 > 0 {
			return application(i)
		}
		return application(i) + trace
	}, func(string) []peer {
		return []peer{
			tail,
			ours("raw, --multiline java", "--multiline=java", soon),
			ours("json, --multiline java", "--multiline=java", "--emit=json", soon).by(object),
		}
	}},
	{"lines of 40 bytes", func(i int) string { return fmt.Sprintf("10:54:39 INFO order %09d is ready now\n", i) }, func(string) []peer {
		return append([]peer{tail, ours("raw"), ours("json", "--emit=json").by(object)}, others()...)
	}},
	{"EUC-KR, every tenth line Korean", func(i int) string {
		if i%10 > 0 {
			return application(i)
		}
		return fmt.Sprintf("2026-11-21 10:54:39,365 WARN  [http-nio-8080-exec-%02d] \xb0\xe1\xc1\xa6 \xbf\xc0\xb7\xf9: \xc1\xd6\xb9\xae %09d \xc3\xb3\xb8\xae \xbd\xc7\xc6\xd0, \xb4\xd9\xbd\xc3 \xbd\xc3\xb5\xb5\xc7\xd5\xb4\xcf\xb4\xd9\n", i%20, i)
	}, func(string) []peer {
		return []peer{tail, ours("raw, --charset euc-kr", "--charset=euc-kr").by("\n")}
	}},
}

func application(i int) string {
	return fmt.Sprintf("2026-11-21 10:54:39,365 INFO  [http-nio-8080-exec-%02d] com.example.shop.OrderService - processed order %09d for customer %07d in %04d ms, status OK, session %016x, trace %016x, items 3, retries 0, region eu-1\n",
		i%20, i, i*7%1000000, i%5000, i*2654435761, i*40503)
}

var trace = "java.lang.IllegalStateException: no session\n" + strings.Repeat("\tat com.example.shop.OrderService.process(OrderService.java:117)\n", 11)

// sample is a file of an input.
type sample struct {
	file    string
	size    int64
	records int
}

// throughput times reading a large file to its end, into a pipe that is drained.
func throughput(dir string) error { return toPipe(dir, inputs) }

func toPipe(dir string, inputs []input) error {
	for _, in := range inputs {
		peers := in.peers(dir)
		whole, part, err := samples(dir, in.line, slices.ContainsFunc(peers, func(p peer) bool { return p.slow }))
		if err != nil {
			return err
		}
		all := make([]figures, len(peers))
		for range *rounds {
			for i, p := range peers {
				of := whole
				if p.slow {
					of = part
				}
				if err := all[i].measure(p, dir, of); err != nil {
					return fmt.Errorf("%s: %w", p.name, err)
				}
			}
		}
		fmt.Printf("\n%s, to a pipe\n| | MB of file | MB/s | CPU-s/GB | × tail | peak RSS MiB | private |\n|---|---|---|---|---|---|---|\n", in.name)
		base := median(all[0].cpu)
		for i, p := range peers {
			f := &all[i]
			fmt.Printf("| %s | %.0f | %.0f | %.3f | %.2f | %.1f | %.1f |\n", p.name, f.gb*1000,
				1000/median(f.wall), median(f.cpu), median(f.cpu)/base, median(f.rss), median(f.private))
		}
	}
	return nil
}

// figures of one peer; CPU and wall in seconds a GB.
type figures struct {
	gb                      float64
	cpu, wall, rss, private []float64
}

// measure runs a peer once.
func (f *figures) measure(p peer, dir string, of sample) error {
	os.RemoveAll(filepath.Join(dir, "state"))
	args, err := p.with(dir, of.file)
	if err != nil {
		return err
	}
	began := time.Now()
	s, err := start(nil, p.args[0], args...)
	if err != nil {
		return err
	}
	if p.each == "" {
		err = s.drain(of.size)
	} else {
		err = s.drainRecords(p.each, of.records)
	}
	wall := time.Since(began).Seconds()
	f.add(s, of, wall)
	return err
}

// add notes the figures of a run, whose subject it stops.
func (f *figures) add(s *subject, of sample, wall float64) {
	rss, private := s.peak()
	cpu := s.stop()
	f.gb = float64(of.size) / 1e9
	f.cpu, f.wall = append(f.cpu, cpu/f.gb), append(f.wall, wall/f.gb)
	f.rss, f.private = append(f.rss, rss), append(f.private, private)
}

// samples generates a file and, if asked for, one of a fifth of its size.
func samples(dir string, line func(int) string, parts bool) (whole, part sample, err error) {
	whole, err = generate(filepath.Join(dir, "big.log"), line, int64(*megs)*1e6)
	if err == nil && parts {
		part, err = generate(filepath.Join(dir, "part.log"), line, int64(*megs)*1e6/5)
	}
	return whole, part, err
}

// generate writes whole records up to about size bytes.
func generate(name string, line func(int) string, size int64) (sample, error) {
	of := sample{file: name}
	f, err := os.Create(name)
	if err != nil {
		return of, err
	}
	defer f.Close()
	w := bufio.NewWriterSize(f, 1<<20)
	for ; of.size < size; of.records++ {
		m, err := w.WriteString(line(of.records))
		if err != nil {
			return of, err
		}
		of.size += int64(m)
	}
	return of, w.Flush()
}
