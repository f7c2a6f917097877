package annotation

// Prefix begins every key that belongs to the injector.
const Prefix = "logging.taco/"

const (
	// Paths names the files to read: absolute files or globs, separated by
	// commas or newlines; container:/path names the container that writes them.
	// It is the one key that a pod needs.
	Paths = Prefix + "paths"

	// Mode is stream (files → the sidecar's stdout → kubectl logs), the default,
	// or ship (files → Elasticsearch or OpenSearch).
	Mode = Prefix + "mode"

	// Output is the name of one of the profile's outputs, which mode: ship sends
	// to. Default the profile's.
	Output = Prefix + "output"

	// Split is true for one streaming container per path, so that
	// kubectl logs POD -c … tells them apart. Default false. Not with mode: ship.
	Split = Prefix + "split"

	// Emit is how a record is written to stdout: raw, prefix or json. Not with
	// mode: ship.
	Emit = Prefix + "emit"

	// Multiline tells which lines belong together: none, java, python, go, ruby,
	// indent, or a regular expression for the first line of a record.
	Multiline = Prefix + "multiline"

	// Charset is that of the files, a WHATWG name such as euc-kr or shift_jis;
	// what comes out is UTF-8. Default utf-8.
	Charset = Prefix + "charset"

	// Format names the parser that finds fields in a record: none, json, logfmt,
	// ltsv, csv, tsv, apache2, nginx, syslog, csv: or tsv: and the columns' names,
	// or regexp: and an expression with named groups.
	Format = Prefix + "format"

	// Types are types of fields, such as status:integer,took:float.
	Types = Prefix + "types"

	// TimeKey is the field with the record's time.
	TimeKey = Prefix + "time-key"

	// TimeFormat is how the time is written: rfc3339, apache, epoch, epoch_ms,
	// epoch_us, epoch_ns, a strptime format or a Go layout. Without a format of
	// the record, the time stands at its start.
	TimeFormat = Prefix + "time-format"

	// TimeZone is that of times that do not say theirs: a name such as
	// Asia/Seoul, or an offset such as +09:00.
	TimeZone = Prefix + "time-zone"

	// Drop has an expression in each line: a record that one of them matches does
	// not go out.
	Drop = Prefix + "drop"

	// Keep has an expression in each line: a record that none of them matches
	// does not go out.
	Keep = Prefix + "keep"

	// Redact has an expression in each line: what they match, or their named
	// groups, is replaced by [redacted]. The profile's come on top.
	Redact = Prefix + "redact"

	// Add has a constant field in each line, as KEY=VALUE.
	Add = Prefix + "add"

	// Config is a YAML list of sources where files differ: each has paths, and
	// any of the settings above, mode to add, for itself.
	Config = Prefix + "config"

	// Native is true for a native sidecar (an init container that restarts),
	// false for a plain container, auto for what the cluster can do.
	Native = Prefix + "native"

	// Image is the sidecar's image, one of those that the profile allows.
	Image = Prefix + "image"

	// CPU is what each sidecar container requests, such as 10m.
	CPU = Prefix + "cpu"

	// Memory is what each sidecar container requests and may use, such as 32Mi.
	Memory = Prefix + "memory"

	// RunAsUser is the numeric user of the sidecar, where it should not be
	// that of the container that writes the files.
	RunAsUser = Prefix + "run-as-user"

	// SizeLimit is how much a log volume that the injector makes may hold
	// before the pod is evicted, such as 500Mi.
	SizeLimit = Prefix + "size-limit"

	// MetricsPort is where the sidecar serves its metrics; of several, each takes
	// the next one that the pod's containers do not name. 0: nowhere.
	MetricsPort = Prefix + "metrics-port"

	// Inject is false for a pod that is to be left alone whatever else it says.
	Inject = Prefix + "inject"

	// Status is written by the injector: what it added, so that it can be
	// found and taken out again. Nobody else needs to write it.
	Status = Prefix + "status"
)

// Keys are all keys that Parse knows, in the order in which they are explained.
var Keys = []string{Paths, Mode, Output, Split, Emit, Multiline, Charset, Format, Types, TimeKey, TimeFormat, TimeZone,
	Drop, Keep, Redact, Add, Config, Native, Image, CPU, Memory, RunAsUser, SizeLimit, MetricsPort, Inject, Status}
