package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// A shipper is a program that follows a file and sends its lines to a bulk endpoint.
type shipper struct {
	name string
	// command is the program and its arguments.
	command func(dir, url, file string) ([]string, error)
	env     []string // beside the usual
	slow    bool     // gets a fifth of the file
}

// shippers are ours and, where they are asked for, the collector and rsyslog,
// which add no metadata of the pod and no ids.
func shippers() ([]shipper, error) {
	all := []shipper{
		{name: "sidecar, --gzip=false --ids=false", command: shipPlain},
		{name: "sidecar, gzip, ids, pod's metadata", command: shipFull, env: podEnv},
	}
	if collector.program != "" {
		for _, compression := range []string{"none", "gzip"} {
			all = append(all, shipper{name: title(compression), slow: true, command: func(dir, url, file string) ([]string, error) {
				args, err := collect(dir, file, "", fmt.Sprintf(toBulk, url, compression))
				return append([]string{collector.program}, args...), err
			}})
		}
	}
	if *rsyslog != "" {
		s, err := rsyslogs(*rsyslog)
		if err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	return all, nil
}

func shipPlain(_, url, file string) ([]string, error) {
	return []string{programs.sidecar, "ship", "--to=" + url, "--gzip=false", "--ids=false", "--template=off", file}, nil
}

// shipFull has the defaults, and what a pod has beside.
func shipFull(dir, url, file string) ([]string, error) {
	pod := filepath.Join(dir, "pod")
	if err := os.MkdirAll(pod, 0o755); err != nil {
		return nil, err
	}
	for name, text := range map[string]string{"labels": podLabels, "annotations": podAnnotations} {
		if err := os.WriteFile(filepath.Join(pod, name), []byte(text), 0o644); err != nil {
			return nil, err
		}
	}
	return []string{programs.sidecar, "ship", "--to=" + url, "--pod=" + pod, "--container=shop", "--template=off", file}, nil
}

// A pod as a Deployment makes them.
var podEnv = []string{
	"TACO_POD_NAME=shop-7c9f6d8b5-x2v4q", "TACO_POD_NAMESPACE=production",
	"TACO_POD_UID=3f1c2a9e-6f0b-4a4e-9d3c-8b7a6c5d4e3f", "TACO_NODE_NAME=node-17.eu-1.example",
}

const (
	podLabels = `app.kubernetes.io/component="backend"
app.kubernetes.io/instance="shop"
app.kubernetes.io/managed-by="Helm"
app.kubernetes.io/name="shop"
app.kubernetes.io/version="4.17.2"
pod-template-hash="7c9f6d8b5"`
	podAnnotations = `kubernetes.io/config.seen="2026-11-21T10:54:39.365432109Z"
prometheus.io/port="8080"
prometheus.io/scrape="true"`
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
	return shipLatency(dir, peers)
}

// shipped are the figures of a shipper, and what came to the endpoint in its last run.
type shipped struct {
	figures
	last tally
}

// measure runs a shipper once.
func (f *shipped) measure(s shipper, dir string, of sample) error {
	began := time.Now()
	r, err := s.start(dir, of.file)
	if err != nil {
		return err
	}
	defer r.end()
	if err := r.until(of.records, nil); err != nil {
		return err
	}
	wall := time.Since(began).Seconds()
	f.last = r.tally
	f.add(r.subject, of, wall)
	return nil
}

// shipping is a shipper at work, and the endpoint that it sends to.
type shipping struct {
	*subject
	to   *subject
	told *bufio.Reader
	tally
}

// start starts an endpoint and a shipper.
func (s shipper) start(dir, file string) (*shipping, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	to, err := start(nil, self, "bulk")
	if err != nil {
		return nil, err
	}
	r := &shipping{to: to, told: bufio.NewReader(to.out)}
	url, err := r.told.ReadString('\n')
	if err != nil {
		r.end()
		return nil, fmt.Errorf("start the bulk endpoint: %w", err)
	}
	args, err := s.command(dir, strings.TrimSpace(url), file)
	if err == nil {
		r.subject, err = start(s.env, args[0], args[1:]...)
	}
	if err != nil {
		r.end()
		return nil, err
	}
	// It prints nothing; when it ends before its time, there is nothing to wait for.
	go func(out io.Reader) {
		io.Copy(io.Discard, out)
		to.cmd.Process.Kill()
	}(r.out)
	return r, nil
}

// until waits for so many documents; each bulk is told, if told is not nil.
func (r *shipping) until(documents int, told func(tally)) error {
	for r.Documents < documents {
		line, err := r.told.ReadBytes('\n')
		if err == io.EOF {
			return fmt.Errorf("it ended after %d of %d documents", r.Documents, documents)
		}
		if err != nil {
			return err
		}
		if err := json.Unmarshal(line, &r.tally); err != nil {
			return fmt.Errorf("the bulk endpoint said %q: %w", line, err)
		}
		if told != nil {
			told(r.tally)
		}
	}
	return nil
}

// end stops both, as far as they run.
func (r *shipping) end() {
	if r.subject != nil {
		r.subject.stop()
	}
	r.to.stop()
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
