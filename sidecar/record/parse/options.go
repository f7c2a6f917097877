package parse

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// Options are what an operator says of the records of some files. All are
// optional.
type Options struct {
	// Format is none, json, logfmt, ltsv, csv, tsv, apache2, nginx, syslog, csv:
	// or tsv: and the names of the columns with commas between them, or regexp:
	// and an expression (RE2) with named groups.
	Format string
	// Types are types of fields: status:integer,took:float. Others are string and bool.
	Types string
	// TimeKey is the field that has the record's time; else time, @timestamp,
	// timestamp or ts.
	TimeKey string
	// TimeFormat is rfc3339, apache, epoch, epoch_ms, epoch_us, epoch_ns, a
	// strptime format, or a Go layout. Without a format of the record the time
	// stands at the start of the text.
	TimeFormat string
	// TimeZone is of times that are written without one: a name of the IANA
	// database, or an offset such as +09:00; else UTC.
	TimeZone string
	// Drop leaves out what one of the expressions (RE2) matches; Keep, where it
	// is given, what none of them matches.
	Drop, Keep []string
	// Redact are expressions (RE2) whose matches, or whose named groups'
	// matches, are replaced by [redacted].
	Redact []string
	// Add are constant fields.
	Add map[string]string

	// Now is the clock that finds the year of a time without one; nil: the real one.
	Now func() time.Time
}

// OptionError is an option that cannot be used: its name as flags and config
// write it, its value, and why.
type OptionError struct{ Key, Value, Reason string }

func (e *OptionError) Error() string { return fmt.Sprintf("%s: %q: %s", e.Key, e.Value, e.Reason) }

// scanners of the formats without the word none. Those in times have a time of
// their own, at its place.
var (
	scanners = map[string]func(*Rules, []byte, *Reading) bool{
		"json": readJSON, "logfmt": readLogfmt, "ltsv": readLTSV, "csv": readCSV, "tsv": readTSV,
		"apache2": readApache, "nginx": readNginx, "syslog": readSyslog, "regexp": readPattern,
	}
	timed = []string{"apache2", "nginx", "syslog"}
)

// New makes rules of options; nil where these say nothing. Its error is an
// *OptionError.
func New(o Options) (*Rules, error) {
	if (o.Format == "" || o.Format == "none") && o.Types+o.TimeKey+o.TimeFormat+o.TimeZone == "" &&
		len(o.Drop)+len(o.Keep)+len(o.Redact)+len(o.Add) == 0 {
		return nil, nil
	}
	r := &Rules{}
	if err := r.setFormat(o.Format); err != nil {
		return nil, &OptionError{"format", o.Format, err.Error()}
	}
	if err := r.setTime(&o); err != nil {
		return nil, err
	}
	types, err := newTypes(o.Types)
	if err == nil && types != nil && r.scan == nil {
		err = errors.New("without a format there are no fields")
	}
	if err != nil {
		return nil, &OptionError{"types", o.Types, err.Error()}
	}
	var name Reading // of a field, as it will be in a Reading
	for key, t := range types {
		r.types = append(r.types, fieldType{string(name.storable([]byte(key), countDots([]byte(key)))), t})
	}
	if r.keep, err = newMatchers("keep", o.Keep); err != nil {
		return nil, err
	}
	if r.drop, err = newMatchers("drop", o.Drop); err != nil {
		return nil, err
	}
	if r.redact, err = newRedactions(o.Redact); err != nil {
		return nil, err
	}
	for _, key := range slices.Sorted(maps.Keys(o.Add)) {
		if reason := addFault(key); reason != "" {
			return nil, &OptionError{"add", key, reason}
		}
		r.add = append(r.add, Field{[]byte(key), []byte(o.Add[key]), String, false})
	}
	return r, nil
}

// addFault tells why a constant field cannot have this key.
func addFault(key string) string {
	first, _, _ := strings.Cut(key, ".")
	switch {
	case !utf8.ValidString(key) || len(key) > maxKey:
		return "a key is a short text in UTF-8"
	case own([]byte(first)):
		return "this key is the document's own; use another"
	case blankPart([]byte(key)):
		return "a key, and each part of it between dots, needs a name"
	}
	return ""
}

// setFormat's error is a reason, to be put after the value.
func (r *Rules) setFormat(s string) (err error) {
	name, arg, hasArg := strings.Cut(s, ":")
	scan := scanners[name]
	switch {
	case s == "" || s == "none":
		return nil
	case scan == nil:
		return errors.New("use none, json, logfmt, ltsv, csv, tsv, apache2, nginx, syslog, csv:NAME,NAME… for columns with names, or regexp:EXPRESSION with named groups")
	case name == "csv" || name == "tsv":
		if hasArg {
			r.columns, err = columnNames(arg)
		}
	case name == "regexp":
		r.pattern, err = newPattern(arg)
	case hasArg:
		err = fmt.Errorf("nothing can follow %s", name)
	}
	r.scan = scan
	return err
}

func columnNames(s string) (names [][]byte, err error) {
	for n := range strings.SplitSeq(s, ",") {
		n = strings.TrimSpace(n)
		switch {
		case n == "" || len(n) > maxKey || !utf8.ValidString(n):
			return nil, errors.New("each column needs a name")
		case slices.ContainsFunc(names, func(other []byte) bool { return string(other) == n }):
			return nil, fmt.Errorf("there are two columns %q", n)
		}
		names = append(names, []byte(n))
	}
	return names, nil
}

// setTime's error is an *OptionError.
func (r *Rules) setTime(o *Options) error {
	zone, err := parseZone(o.TimeZone)
	if err != nil {
		return &OptionError{"time-zone", o.TimeZone, err.Error()}
	}
	now := o.Now
	if now == nil {
		now = time.Now
	}
	name, _, _ := strings.Cut(o.Format, ":")
	ownPlace := slices.Contains(timed, name)
	switch {
	case r.scan == nil && o.TimeKey != "":
		return &OptionError{"time-key", o.TimeKey, "without a format there are no fields; for a time at the start of the line, time-format is enough"}
	case ownPlace && o.TimeKey != "":
		return &OptionError{"time-key", o.TimeKey, fmt.Sprintf("the format %s has its time at a place of its own", name)}
	case r.scan == nil && o.TimeFormat == "" && o.TimeZone != "":
		return &OptionError{"time-zone", o.TimeZone, "without format or time-format no time is read"}
	case r.scan == nil && o.TimeFormat == "":
		return nil
	}
	if o.TimeKey != "" && !r.has(o.TimeKey) {
		return &OptionError{"time-key", o.TimeKey, "the format has no field of this name"}
	}
	format := o.TimeFormat
	if name == "syslog" && format == "" {
		r.timing.format, err = syslogTime(zone, now)
	} else {
		r.timing.format, err = newTimeFormat(format, zone, now)
	}
	if err != nil {
		return &OptionError{"time-format", format, err.Error()}
	}
	switch {
	case r.scan == nil:
	case ownPlace:
	case o.TimeKey != "":
		r.timing.keys = [][]byte{[]byte(o.TimeKey)}
	default:
		r.timing.keys = usual
	}
	named := r.pattern != nil && r.has("time")
	r.timing.wanted = ownPlace || named || o.TimeKey != "" || o.TimeFormat != ""
	return nil
}

// has tells whether records may have a field of this name.
func (r *Rules) has(name string) bool {
	switch {
	case r.columns != nil:
		return slices.ContainsFunc(r.columns, func(c []byte) bool { return string(c) == name })
	case r.pattern != nil:
		return slices.ContainsFunc(r.pattern.groups, func(g group) bool { return string(g.key) == name })
	}
	return true
}
