package main

import (
	"context"
	"errors"
	"fmt"
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
	"logging.taco/sidecar/telemetry"
)

// engine is what follows the files.
type engine interface {
	pipeline.Follower
	telemetry.Follower
	Unread() (bytes int64, paths []string)
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
		// Documents are longer than their lines: this much fills the bulks that
		// may be under way.
		o.MaxRange = int(c.Output.BatchSize) * c.Output.InFlight / 2
	}
	readers, err := readersOf(c)
	if err != nil {
		log.Error("the config was not validated", "error", err)
		return exitUsage
	}
	var sources []telemetry.Source
	for i, s := range c.Sources {
		r := readers[i]
		o.Sources = append(o.Sources, follow.Source{Patterns: s.Paths, Framing: r.framing})
		sources = append(sources, telemetry.Source{
			Paths: strings.Join(s.Paths, ","), Charset: r.charset, Rules: r.rules,
			Counted: c.Ships() || s.Emit != config.EmitRaw || r.charset != nil || r.rules != nil,
		})
	}
	out, err := output(c, readers, ctx.Done(), log)
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
