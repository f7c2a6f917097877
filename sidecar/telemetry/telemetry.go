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
	Unread() (bytes int64, paths []string)
}

// Output is where records go.
type Output interface {
	Metrics() []sink.Metric
}

type counters struct {
	Source
	delivered atomic.Int64
	ranges    atomic.Int64
}

// Source is what is known of a source from the start.
type Source struct {
	Paths   string          // its patterns, joined by commas
	Charset *record.Charset // counts what it cannot decode
}

// New makes the metrics of the sources.
func New(version string, sources []Source, f Follower, o Output) *Metrics {
	m := &Metrics{version: version, sources: make([]counters, len(sources)), follower: f, output: o}
	for i := range sources {
		m.sources[i].Source = sources[i]
	}
	return m
}

// Delivered counts a range of a source.
func (m *Metrics) Delivered(source int, bytes int64) {
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

	bySource := func(name, help string, value func(*counters) int64) {
		fmt.Fprintf(w, "# HELP %s %s\n# TYPE %s counter\n", name, help, name)
		for i := range m.sources {
			sample(w, name, value(&m.sources[i]), "paths", m.sources[i].Paths)
		}
	}
	bySource("taco_delivered_bytes_total", "Bytes of records that the output has taken.",
		func(c *counters) int64 { return c.delivered.Load() })
	bySource("taco_deliveries_total", "Deliveries, each of one or more whole records.",
		func(c *counters) int64 { return c.ranges.Load() })
	bySource("taco_undecodable_characters_total", "Characters written as U+FFFD, since the charset does not have them.",
		func(c *counters) int64 { return c.Charset.Undecodable() })
	pending, paths := m.follower.Unread()
	metric("taco_pending_bytes", "gauge", "Bytes in files that are not delivered yet.", pending)
	metric("taco_pending_files", "gauge", "Files that have bytes which are not delivered yet.", len(paths))

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
	metric("taco_read_errors_total", "counter", "Attempts to read a file that failed.", c.ReadErrors)
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
