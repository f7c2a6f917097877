package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"logging.taco/sidecar/config"
)

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
		explainRules(w, s.Rules)
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

// explainRules tells what is made of a record.
func explainRules(w io.Writer, r config.Rules) {
	if len(r.Keep) > 0 {
		fmt.Fprintf(w, "  only those that match one of %q\n", r.Keep)
	}
	if len(r.Drop) > 0 {
		fmt.Fprintf(w, "  not those that match one of %q\n", r.Drop)
	}
	if len(r.Redact) > 0 {
		fmt.Fprintf(w, "  what matches one of %q is replaced by [redacted]\n", r.Redact)
	}
	parsed := r.Format != "" && r.Format != "none"
	if parsed {
		fmt.Fprintf(w, "  fields by the format %s; what is not of it goes out as it is, with parse_error\n", r.Format)
	}
	if r.Types != "" {
		fmt.Fprintf(w, "  types of fields: %s\n", r.Types)
	}
	if parsed || r.TimeFormat != "" {
		key, format, zone := "from the field "+r.TimeKey, r.TimeFormat, r.TimeZone
		switch {
		case !parsed:
			key = "from the start of the line"
		case r.TimeKey == "":
			key = "where the format has it"
		}
		if format == "" {
			format = "the usual ones"
		}
		if zone == "" {
			zone = "UTC"
		}
		fmt.Fprintf(w, "  time %s, written as %s, in %s where it does not say\n", key, format, zone)
	}
	for _, key := range slices.Sorted(maps.Keys(r.Add)) {
		fmt.Fprintf(w, "  adds %s=%s\n", key, r.Add[key])
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
