package main

import (
	"errors"
	"log/slog"
	"os"

	"logging.taco/sidecar/config"
	"logging.taco/sidecar/pod"
	"logging.taco/sidecar/record"
	"logging.taco/sidecar/record/parse"
	"logging.taco/sidecar/sink"
	"logging.taco/sidecar/sink/elastic"
	"logging.taco/sidecar/sink/stdout"
)

// output makes the sink that the config names; readers has one a source.
func output(c config.Config, readers []reader, stopping <-chan struct{}, log *slog.Logger) (sink.Sink, error) {
	if !c.Ships() {
		var sources []stdout.Source
		for i, s := range c.Sources {
			sources = append(sources, stdout.Source{Emit: s.Emit, Framing: readers[i].framing, Rules: readers[i].rules})
		}
		return stdout.New(int(os.Stdout.Fd()), sources), nil
	}
	return elastic.New(elasticOptions(c, readers, stopping, log))
}

// elasticOptions are what the config and the environment say of the backend.
func elasticOptions(c config.Config, readers []reader, stopping <-chan struct{}, log *slog.Logger) elastic.Options {
	var sources []elastic.Source
	for i, r := range readers {
		sources = append(sources, elastic.Source{Container: c.Sources[i].Container, Framing: r.framing, Rules: r.rules})
	}
	meta := pod.New(c.Pod, os.Getenv)
	if err := meta.Err(); err != nil {
		log.Warn("documents go out without some of the pod's metadata until it can be read", "error", err)
	}
	if keys := meta.Omitted(); len(keys) > 0 {
		log.Warn("these labels and annotations are too long for each document, and are left out", "keys", some(keys))
	}
	letters := c.Output.DeadLetter
	if letters == "" && c.State != "" {
		letters = c.State + "/dead-letter.ndjson"
	}
	return elastic.Options{
		Output: c.Output, Sources: sources, Pod: meta, Identity: identity(meta), DeadLetter: letters,
		Getenv: os.Getenv, UserAgent: "logging.taco/" + buildVersion(), Stopping: stopping, Log: log,
	}
}

// reader makes records of a source's bytes.
type reader struct {
	framing *record.Framing
	charset *record.Charset
	rules   *parse.Rules
}

// readersOf makes a reader for each source.
func readersOf(c config.Config) (all []reader, err error) {
	for _, s := range c.Sources {
		lines, err := record.ParseRule(s.Multiline)
		charset, err2 := record.ParseCharset(s.Charset)
		rules, err3 := s.Parse()
		if err = errors.Join(err, err2, err3); err != nil {
			return nil, err
		}
		all = append(all, reader{&record.Framing{Rule: lines, Charset: charset}, charset, rules})
	}
	return all, nil
}

// identity tells this pod, or without one this machine, from all others.
func identity(p *pod.Pod) string {
	if p.UID() != "" {
		return p.UID()
	}
	machine, _ := os.ReadFile("/etc/machine-id")
	host, _ := os.Hostname()
	return string(machine) + host
}
