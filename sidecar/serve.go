package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"logging.taco/sidecar/checkpoint"
	"logging.taco/sidecar/config"
	"logging.taco/sidecar/follow"
	"logging.taco/sidecar/follow/byname"
	"logging.taco/sidecar/pipeline"
	"logging.taco/sidecar/pod"
	"logging.taco/sidecar/record"
	"logging.taco/sidecar/sink"
	"logging.taco/sidecar/sink/elastic"
	"logging.taco/sidecar/sink/stdout"
	"logging.taco/sidecar/telemetry"
)

// engine is what follows the files.
type engine interface {
	pipeline.Follower
	telemetry.Follower
	Start()
	Close()
}

// rangeSize bounds what one delivery, and so what a kill -9 can repeat.
const rangeSize = 252 << 10

// serve wires the parts in the order in which the bytes flow, and runs them
// until SIGTERM or, with once, until all that is there is delivered.
func serve(c config.Config, once bool) int {
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()

	var resume []follow.Position
	var saved *checkpoint.Checkpoint
	if c.State != "" {
		var err error
		saved, resume, err = checkpoint.Open(c.State)
		if errors.Is(err, checkpoint.ErrCorrupt) {
			log.Warn("starting as if there were no checkpoint", "error", err, "from", c.From)
		} else if err != nil {
			log.Warn("the state folder cannot be used as it is; delivering all the same", "error", err)
		}
	}
	o := follow.Options{
		FromEnd:      c.From == config.FromEnd,
		MaxRecord:    int(c.MaxLine),
		MaxRange:     rangeSize,
		FlushTimeout: time.Duration(c.FlushTimeout),
		MaxHeld:      int64(c.MaxHeld),
		HoldAll:      c.WhenFull == config.WhenFullBlock,
		Resume:       resume,
		Log:          log,
	}
	if c.Ships() {
		// Documents are longer than their lines: this much fills a bulk.
		o.MaxRange = int(c.Output.BatchSize) / 2
	}
	var sources []telemetry.Source
	var framings []*record.Framing
	for _, s := range c.Sources {
		rule, err := record.ParseRule(s.Multiline)
		charset, err2 := record.ParseCharset(s.Charset)
		if err = errors.Join(err, err2); err != nil {
			log.Error("the config was not validated", "error", err)
			return exitUsage
		}
		framing := &record.Framing{Rule: rule, Charset: charset}
		framings = append(framings, framing)
		o.Sources = append(o.Sources, follow.Source{Patterns: s.Paths, Framing: framing})
		sources = append(sources, telemetry.Source{Paths: strings.Join(s.Paths, ","), Charset: charset})
	}
	out, err := output(c, framings, ctx.Done(), log)
	if err != nil {
		log.Error("the output cannot be used", "error", err)
		return exitUsage
	}
	var follower engine = follow.New(o)
	if c.Engine == config.EngineName {
		follower = byname.New(o)
	}
	metrics := telemetry.New(buildVersion(), sources, follower, out)
	if c.Metrics != "" {
		if l, err := metrics.Serve(c.Metrics); err != nil {
			log.Warn("going on without metrics", "error", err)
		} else {
			defer l.Close()
		}
	}
	follower.Start()
	metrics.Ready()

	p := &pipeline.Pipeline{
		Follower: follower, Sink: out, Checkpoint: saved, Log: log, Metrics: metrics,
		Once: once, Linger: time.Duration(c.Linger),
	}
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	return wait(ctx, done, follower, time.Duration(c.Grace), log)
}

// output makes the sink that the config names; framings has one a source.
func output(c config.Config, framings []*record.Framing, stopping <-chan struct{}, log *slog.Logger) (sink.Sink, error) {
	if !c.Ships() {
		var sources []stdout.Source
		for i, s := range c.Sources {
			sources = append(sources, stdout.Source{Emit: s.Emit, Framing: framings[i]})
		}
		return stdout.New(int(os.Stdout.Fd()), sources), nil
	}
	var sources []elastic.Source
	for i, s := range c.Sources {
		sources = append(sources, elastic.Source{Container: s.Container, Framing: framings[i]})
	}
	meta := pod.New(c.Pod, os.Getenv)
	if err := meta.Err(); err != nil {
		log.Warn("documents go out without some of the pod's metadata until it can be read", "error", err)
	}
	letters := c.Output.DeadLetter
	if letters == "" && c.State != "" {
		letters = c.State + "/dead-letter.ndjson"
	}
	return elastic.New(elastic.Options{
		Output: c.Output, Sources: sources, Pod: meta, Identity: identity(meta), DeadLetter: letters,
		Getenv: os.Getenv, UserAgent: "logging.taco/" + buildVersion(), Stopping: stopping, Log: log,
	})
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

// wait waits for the end of delivery; after a signal no longer than grace, or
// until a second signal.
func wait(ctx context.Context, done chan error, f engine, grace time.Duration, log *slog.Logger) int {
	finish := func(err error) int {
		defer f.Close()
		if err != nil {
			bytes, _ := f.Unread()
			log.Error("stopped", "error", err, "undelivered_bytes", bytes)
			return exitFailed
		}
		// What came after the end was reached is the next process's; what could
		// not be read is not.
		if u, ok := f.(interface{ Unreadable() (int64, []string) }); ok {
			if bytes, paths := u.Unreadable(); bytes > 0 {
				log.Error("stopped with bytes that could not be read", "bytes", bytes, "files", some(paths))
				return exitUndelivered
			}
		}
		return exitOK
	}
	select {
	case err := <-done:
		return finish(err)
	case <-ctx.Done():
	}
	again := make(chan os.Signal, 1)
	signal.Notify(again, syscall.SIGTERM, os.Interrupt)
	select {
	case err := <-done:
		return finish(err)
	case <-time.After(grace):
	case <-again:
	}
	bytes, paths := f.Unread()
	if bytes == 0 {
		return exitOK
	}
	log.Error("stopped with undelivered bytes", "bytes", bytes, "files", some(paths), "grace", grace)
	return exitUndelivered
}

// some names a few files of many.
func some(paths []string) string {
	const most = 5
	if len(paths) <= most {
		return strings.Join(paths, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(paths[:most], ", "), len(paths)-most)
}

// unit says what a record is.
func unit(s config.Source) string {
	what := "line"
	switch s.Multiline {
	case "", "none":
	case "java", "python", "go", "ruby", "indent":
		what = "record (lines that the rule " + s.Multiline + " joins)"
	default:
		what = fmt.Sprintf("record (its first line matches %q)", s.Multiline)
	}
	if s.Charset != "" {
		what += ", decoded from " + s.Charset + ","
	}
	return what
}

// explain tells a person what a config does.
func explain(w io.Writer, c config.Config) {
	for _, s := range c.Sources {
		owner := ""
		if s.Container != "" {
			owner = ", written by container " + s.Container
		}
		how := fmt.Sprintf("goes to stdout (%s)", s.Emit)
		if c.Ships() {
			how = "becomes a document"
		}
		fmt.Fprintf(w, "follows %s%s\n  each %s %s\n", strings.Join(s.Paths, ", "), owner, unit(s), how)
	}
	if c.Ships() {
		explainOutput(w, c)
	}
	if c.Engine == config.EngineName {
		fmt.Fprintln(w, "files are known by their names alone, which loses lines at some rotations")
	}
	state := "no checkpoint: every start reads again"
	if c.State != "" {
		state = "checkpoint in " + c.State
	}
	fmt.Fprintf(w, "%s; a file without one begins at its %s\n", state, c.From)
	fmt.Fprintf(w, "an unfinished last line goes out after %v; a line beyond %v is split\n", c.FlushTimeout, c.MaxLine)
	fmt.Fprintf(w, "after SIGTERM: follows on for up to %v until the files are quiet, delivers for up to %v\n", c.Linger, c.Grace)
	switch {
	case c.MaxHeld > 0 && c.WhenFull == config.WhenFullBlock:
		fmt.Fprintf(w, "deleted files are kept open until they are delivered; beyond %v that is said\n", c.MaxHeld)
	case c.MaxHeld > 0:
		fmt.Fprintf(w, "deleted files are kept open until they are delivered, up to %v\n", c.MaxHeld)
	}
	if c.Metrics != "" {
		fmt.Fprintf(w, "metrics and health on %s\n", c.Metrics)
	}
}

// explainOutput tells where documents go.
func explainOutput(w io.Writer, c config.Config) {
	o := c.Output
	what := map[config.IndexType]string{config.TypeIndex: "index", config.TypeDataStream: "data stream"}[o.IndexType]
	fmt.Fprintf(w, "ships to %s, %s %s\n", strings.Join(o.To, ", "), what, o.Index)
	once := "documents have ids: what is sent again is not stored again"
	if !o.IDs {
		once = "documents have no ids: what is sent again is stored again"
	}
	fmt.Fprintf(w, "  %s\n  a bulk has up to %v and goes out at most every %v where it is not full; %d at once, compressed: %t\n",
		once, o.BatchSize, o.BatchWait, o.InFlight, o.Gzip)
	fmt.Fprintf(w, "  index template: %s\n", map[config.Template]string{
		config.TemplateAuto:  "put at the start, unless one of yours is for these indices",
		config.TemplateCheck: "looked at, never put",
		config.TemplateOff:   "left alone",
	}[o.Template])
	if o.Credentials != "" {
		fmt.Fprintf(w, "  credentials from the files in %s, read again when they change\n", o.Credentials)
	}
	switch {
	case o.DeadLetter != "":
		fmt.Fprintf(w, "  records that the backend will never take go to %s\n", o.DeadLetter)
	case c.State != "":
		fmt.Fprintf(w, "  records that the backend will never take go to %s/dead-letter.ndjson\n", c.State)
	default:
		fmt.Fprintln(w, "  records that the backend will never take are lost, said and counted: there is no dead letter file")
	}
}
