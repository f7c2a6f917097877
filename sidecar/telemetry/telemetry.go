// Package telemetry shows the agent's counters as Prometheus metrics, and its
// health, over HTTP. It writes the text format itself: the usual client
// library would cost every pod some two MiB of memory for two dozen numbers.
//
// Labels are few: the configured pattern, never a file.
package telemetry

import (
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"time"

	"logging.taco/sidecar/follow"
	"logging.taco/sidecar/record"
	"logging.taco/sidecar/record/parse"
	"logging.taco/sidecar/sink"
)

// Metrics collects what the pipeline reports and reads the rest where it is
// kept. All methods may be called at once.
type Metrics struct {
	version  string
	sources  []counters
	follower Follower
	output   Output

	stale, written, failed atomic.Int64 // written: nanoseconds since 1970
	ready                  atomic.Bool
}

// Follower is what follows the files.
type Follower interface {
	Counts() follow.Counts
	Backlogs() []follow.Backlog
}

// Output is where records go.
type Output interface {
	Metrics() []sink.Metric
}

type counters struct {
	Source
	delivered atomic.Int64
	ranges    atomic.Int64
	records   atomic.Int64
}

// Source is what is known of a source from the start.
type Source struct {
	Paths   string          // its patterns, joined by commas
	Charset *record.Charset // counts what it cannot decode
	Rules   *parse.Rules    // count what they leave out and cannot read
	Counted bool            // the output looks inside, and so can count records
}

// New makes the metrics of the sources.
func New(version string, sources []Source, f Follower, o Output) *Metrics {
	m := &Metrics{version: version, sources: make([]counters, len(sources)), follower: f, output: o}
	for i := range sources {
		m.sources[i].Source = sources[i]
	}
	return m
}

// Delivered counts a range of a source; records where the source's are counted.
func (m *Metrics) Delivered(source int, bytes int64, records int) {
	m.sources[source].records.Add(int64(records))
	m.sources[source].delivered.Add(bytes)
	m.sources[source].ranges.Add(1)
}

// Stale counts a range whose file was truncated under it.
func (m *Metrics) Stale() { m.stale.Add(1) }

// CheckpointWritten notes a written checkpoint.
func (m *Metrics) CheckpointWritten(at time.Time) { m.written.Store(at.UnixNano()) }

// CheckpointFailed counts a checkpoint that could not be written.
func (m *Metrics) CheckpointFailed() { m.failed.Add(1) }

// Ready says that the first look is done.
func (m *Metrics) Ready() { m.ready.Store(true) }

// Write writes all metrics in Prometheus' text format, version 0.0.4.
func (m *Metrics) Write(w io.Writer) {
	seconds := func(nanos int64) float64 { return float64(nanos) / 1e9 }
	metric := func(name, kind, help string, value any, labels ...string) {
		fmt.Fprintf(w, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, kind)
		sample(w, name, value, labels...)
	}
	metric("taco_build_info", "gauge", "The agent's version; always 1.", 1, "version", m.version)

	pending := m.follower.Backlogs()
	// A value that is nil is not known, and left out.
	bySource := func(name, kind, help string, value func(i int, c *counters) any) {
		fmt.Fprintf(w, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, kind)
		for i := range m.sources {
			if v := value(i, &m.sources[i]); v != nil {
				sample(w, name, v, "paths", m.sources[i].Paths)
			}
		}
	}
	bySource("taco_delivered_bytes_total", "counter", "Bytes of records that the output has taken.",
		func(_ int, c *counters) any { return c.delivered.Load() })
	bySource("taco_delivered_records_total", "counter",
		"Records that the output has taken; a split one counts by its parts. Raw output of UTF-8 is not looked into, and so not counted.",
		func(_ int, c *counters) any {
			if !c.Counted {
				return nil
			}
			return c.records.Load()
		})
	bySource("taco_deliveries_total", "counter", "Deliveries, each of one or more whole records.",
		func(_ int, c *counters) any { return c.ranges.Load() })
	bySource("taco_pending_bytes", "gauge", "Bytes in files that are not delivered yet.",
		func(i int, _ *counters) any { return pending[i].Bytes })
	bySource("taco_pending_files", "gauge", "Files that have bytes which are not delivered yet.",
		func(i int, _ *counters) any { return pending[i].Files })
	bySource("taco_undecodable_characters_total", "counter", "Characters written as U+FFFD, since the charset does not have them.",
		func(_ int, c *counters) any { return c.Charset.Undecodable() })
	bySource("taco_dropped_records_total", "counter", "Records that keep and drop rules have left out.",
		func(_ int, c *counters) any { return c.Rules.Counts().Dropped })
	bySource("taco_redacted_records_total", "counter", "Records from which something was redacted.",
		func(_ int, c *counters) any { return c.Rules.Counts().Redacted })
	bySource("taco_parse_errors_total", "counter", "Records that are not of their format; they are delivered as they are.",
		func(_ int, c *counters) any { return c.Rules.Counts().ParseErrors })
	bySource("taco_time_errors_total", "counter", "Records whose time is missing or cannot be read; that of reading is taken.",
		func(_ int, c *counters) any { return c.Rules.Counts().TimeErrors })

	for _, o := range m.output.Metrics() {
		fmt.Fprintf(w, "# HELP %s %s\n# TYPE %s %s\n", o.Name, o.Help, o.Name, o.Kind)
		for _, v := range o.Samples {
			if v.Label == "" {
				sample(w, o.Name, v.Value)
			} else {
				sample(w, o.Name, v.Value, v.Label, v.Of)
			}
		}
	}

	c := m.follower.Counts()
	metric("taco_generations_open", "gauge", "Files that are open.", c.Open)
	metric("taco_generations_found_total", "counter", "Files found.", c.Generations)
	metric("taco_generations_retired_total", "counter", "Files delivered to their end and closed.", c.Retired)
	metric("taco_rotations_total", "counter", "Files that were replaced, renamed or unlinked.", c.Rotations)
	metric("taco_truncations_total", "counter", "Files that were truncated or overwritten.", c.Truncations)
	metric("taco_stale_deliveries_total", "counter", "Deliveries taken back because the file was truncated meanwhile.", m.stale.Load())
	metric("taco_looks_total", "counter", "Looks at all patterns.", c.Looks)
	metric("taco_inotify_overflows_total", "counter", "Overflows of the kernel's event queue, each answered by a look.", c.Overflows)
	metric("taco_read_errors_total", "counter", "Attempts to open or read a file that failed.", c.ReadErrors)
	metric("taco_skipped_bytes_total", "counter", "Bytes of holes (leading NULs) that are no content.", c.HoleBytes, "reason", "hole")
	metric("taco_held_bytes", "gauge", "Bytes in deleted files that are kept open for delivery.", c.HeldBytes)
	metric("taco_discarded_bytes_total", "counter", "Bytes that are lost.", c.LostBytes, "reason", "truncated")
	sample(w, "taco_discarded_bytes_total", c.GivenUpBytes, "reason", "held")
	metric("taco_checkpoint_failures_total", "counter", "Checkpoints that could not be written.", m.failed.Load())
	metric("taco_checkpoint_timestamp_seconds", "gauge", "When the checkpoint was last written.", seconds(m.written.Load()))
	if rss, ok := residentBytes(); ok {
		metric("process_resident_memory_bytes", "gauge", "Resident memory size in bytes.", rss)
	}
}

// labelEscapes are the three that the format has.
var labelEscapes = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)

// sample writes one line; labels are names and values in turn.
func sample(w io.Writer, name string, value any, labels ...string) {
	io.WriteString(w, name)
	for i := 0; i < len(labels); i += 2 {
		fmt.Fprintf(w, `%c%s="%s"`, "{,"[min(i, 1)], labels[i], labelEscapes.Replace(labels[i+1]))
	}
	if len(labels) > 0 {
		io.WriteString(w, "}")
	}
	fmt.Fprintf(w, " %v\n", value)
}
