package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// ship times shipping a large file to a bulk endpoint that answers at once, and
// then single lines.
func ship(dir string) error {
	peers, err := shippers()
	if err != nil {
		return err
	}
	whole, part, err := samples(dir, application, slices.ContainsFunc(peers, func(s shipper) bool { return s.slow }))
	if err != nil {
		return err
	}
	all := make([]shipped, len(peers))
	for range *rounds {
		for i, s := range peers {
			of := whole
			if s.slow {
				of = part
			}
			if err := all[i].measure(s, dir, of); err != nil {
				return fmt.Errorf("%s: %w", s.name, err)
			}
		}
	}
	fmt.Printf("\napplication lines of 238 bytes, to a bulk endpoint that keeps nothing\n" +
		"| | MB of file | MB/s | CPU-s/GB | peak RSS MiB | private | bulks | MB of documents | MB sent |\n|---|---|---|---|---|---|---|---|---|\n")
	for i, s := range peers {
		f := &all[i]
		fmt.Printf("| %s | %.0f | %.0f | %.2f | %.1f | %.1f | %d | %.0f | %.0f |\n", s.name, f.gb*1000,
			1000/median(f.wall), median(f.cpu), median(f.rss), median(f.private), f.last.Bulks, float64(f.last.Plain)/1e6, float64(f.last.Wire)/1e6)
	}
	if err := shipLatency(dir, peers); err != nil {
		return err
	}
	return shipDown(dir)
}

// shipped are the figures of a shipper, and what came to the endpoint in its last run.
type shipped struct {
	figures
	last tally
}

// measure runs a shipper once.
func (f *shipped) measure(s shipper, dir string, of sample) error {
	r, err := s.start(dir, of.file)
	if err != nil {
		return err
	}
	defer r.end()
	if err := r.until(of.records, nil); err != nil {
		return err
	}
	f.last = r.tally
	f.add(r.subject, of, time.Since(r.began).Seconds())
	return nil
}

// shipLatency times lines from being written to being answered for by the endpoint.
func shipLatency(dir string, peers []shipper) error {
	fmt.Printf("\nwritten to answered\n| lines/s | | p50 ms | p99 ms | CPU %% of a core | bulks/s |\n|---|---|---|---|---|---|\n")
	for _, rate := range []int{10, 1000} {
		for _, s := range peers {
			if err := s.latency(dir, rate); err != nil {
				return fmt.Errorf("%s: %w", s.name, err)
			}
		}
	}
	return nil
}

func (s shipper) latency(dir string, rate int) error {
	f, err := os.Create(filepath.Join(dir, "paced.log"))
	if err != nil {
		return err
	}
	defer f.Close()
	r, err := s.start(dir, f.Name())
	if err != nil {
		return err
	}
	defer r.end()
	f.WriteString(application(0))
	if err := r.until(1, nil); err != nil { // it runs
		return err
	}
	const seconds = 5
	lines := rate * seconds
	written := make([]int64, lines)
	done := make(chan struct{})
	began, cpu, bulks := time.Now(), r.cpuSoFar(), r.Bulks
	go func() {
		pace(f, rate, lines, func(i int) string {
			line := application(i)
			written[i] = time.Now().UnixNano()
			return line
		})
		close(done)
	}()
	// Lines come in order, so the n-th document is the n-th line.
	arrived := make([]int64, 0, lines)
	err = r.until(lines+1, func(t tally) {
		for len(arrived) < t.Documents-1 {
			arrived = append(arrived, t.At)
		}
	})
	span := time.Since(began).Seconds()
	if err != nil {
		return err
	}
	<-done
	took := make([]float64, lines)
	for i := range took {
		took[i] = float64(arrived[i]-written[i]) / 1e6
	}
	slices.Sort(took)
	fmt.Printf("| %d | %s | %.1f | %.1f | %.1f | %.1f |\n", rate, s.name, took[lines/2], took[lines*99/100],
		(r.cpuSoFar()-cpu)/span*100, float64(r.Bulks-bulks)/span)
	return nil
}

// shipDown measures the memory of ours with 1000 files while nobody listens at
// the backend's address, and after that.
func shipDown(dir string) error {
	const files, lines, down = 1000, 500, 15 * time.Second
	logs := filepath.Join(dir, "down")
	if err := os.Mkdir(logs, 0o755); err != nil {
		return err
	}
	for i := range files {
		if _, err := generate(filepath.Join(logs, fmt.Sprintf("%d.log", i)), application, lines*238); err != nil {
			return err
		}
	}
	fmt.Printf("\n%d files of %d KB, with the backend down for %v\n| | peak RSS MiB, down | private | peak RSS MiB, all delivered | private |\n|---|---|---|---|---|\n",
		files, lines*238/1000, down)
	for _, s := range []shipper{plain, full} {
		if err := s.measureDown(dir, filepath.Join(logs, "*.log"), files*lines, down); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
	}
	return nil
}

func (s shipper) measureDown(dir, files string, records int, down time.Duration) error {
	nobody, err := receive(anyPort)
	if err != nil {
		return err
	}
	nobody.process.stop()
	from, err := s.shipTo(dir, nobody.url, files)
	if err != nil {
		return err
	}
	defer from.stop()
	time.Sleep(down)
	rss, private := from.peak()
	to, err := receive(strings.TrimPrefix(nobody.url, "http://"))
	if err != nil {
		return err
	}
	defer to.process.stop()
	to.endWith(from)
	if err := to.until(records, nil); err != nil {
		return err
	}
	rssAfter, privateAfter := from.peak()
	fmt.Printf("| %s | %.1f | %.1f | %.1f | %.1f |\n", s.name, rss, private, rssAfter, privateAfter)
	return nil
}
