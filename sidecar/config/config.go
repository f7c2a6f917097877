// Package config is the contract between the injector, which writes it, and
// the sidecar, which reads it: one YAML document that says which files to
// follow and how to deliver them. Its keys are the sidecar's flags without the
// dashes, so that a reader learns one vocabulary.
//
//	sources:
//	- paths: ["/var/log/*.log"]
//	  container: app
//	  emit: raw
//	state: /taco/state
//	grace: 25s
//
// Decode reads and validates a document, Encode writes one. The package opens
// no files but the one that Load names, and knows nothing of Kubernetes.
package config

import "time"

// Config is a whole document, with every default applied.
type Config struct {
	// Sources are followed in this order; at least one.
	Sources []Source `yaml:"sources"`
	// State is the folder of the checkpoint; empty: every start reads by From.
	State string `yaml:"state,omitempty"`
	// From is where a file without a checkpoint begins.
	From From `yaml:"from,omitempty"`
	// Engine is how files are known; empty: EngineInode.
	Engine Engine `yaml:"engine,omitempty"`
	// FlushTimeout is how long an unfinished last line waits for its newline.
	FlushTimeout Duration `yaml:"flush-timeout,omitempty"`
	// Linger is how long, at most, to keep following after SIGTERM until the files are quiet.
	Linger Duration `yaml:"linger,omitempty"`
	// Grace is how long, at most, delivery may take after SIGTERM.
	Grace Duration `yaml:"grace,omitempty"`
	// MaxLine is the length in bytes beyond which a record is split.
	MaxLine Size `yaml:"max-line,omitempty"`
	// MaxHeld bounds the bytes of deleted files that are kept open for delivery; 0: no bound.
	MaxHeld Size `yaml:"max-held,omitempty"`
	// WhenFull is what happens to deleted files beyond MaxHeld; empty: WhenFullDiscard.
	WhenFull WhenFull `yaml:"when-full,omitempty"`
	// Metrics is the address of /metrics, /healthz and /readyz; empty: none.
	Metrics string `yaml:"metrics,omitempty"`
	// Output is where records are shipped; without an address they go to stdout.
	Output Output `yaml:"output,omitempty"`
	// Pod is the folder with the pod's labels and annotations, as the downward API writes them; empty: none.
	Pod string `yaml:"pod,omitempty"`
}

// Source is a set of files that are delivered in the same way.
type Source struct {
	// Paths are absolute files or globs (`*`, `?`, `[…]`, `**`), existing or not.
	Paths []string `yaml:"paths"`
	// Container is the name of the container that writes the files, where known.
	Container string `yaml:"container,omitempty"`
	// Emit is how a record is written to stdout.
	Emit Emit `yaml:"emit,omitempty"`
	// Multiline names the rule by which lines belong together; see record.ParseRule.
	Multiline string `yaml:"multiline,omitempty"`
	// Charset is a WHATWG name; empty: utf-8.
	Charset string `yaml:"charset,omitempty"`
	// Rules say what a record means, after Multiline and Charset.
	Rules `yaml:",inline"`
}

// Emit is how a record is written to stdout.
type Emit string

const (
	EmitRaw    Emit = "raw"    // the line as it is
	EmitPrefix Emit = "prefix" // the file's path, a colon and a space, the line
	EmitJSON   Emit = "json"   // one object a line: log, log_file, time…
)

// Engine is how files are known.
type Engine string

const (
	EngineInode Engine = "inode" // by inode and content
	EngineName  Engine = "name"  // by name: for file systems whose inode numbers change
)

// WhenFull is what happens to deleted, undelivered files beyond MaxHeld.
type WhenFull string

const (
	WhenFullDiscard WhenFull = "discard" // the oldest is given up, said and counted
	WhenFullBlock   WhenFull = "block"   // nothing is given up; the alarm stays
)

// From is where a file without a checkpoint begins.
type From string

const (
	FromStart From = "start"
	FromEnd   From = "end" // what is there at the sidecar's start is left out
)

// Defaults of the keys that have one.
const (
	DefaultFlushTimeout = Duration(5 * time.Second)
	DefaultGrace        = Duration(25 * time.Second)
	DefaultMaxLine      = Size(1 << 20)
	// MinMaxLine keeps a line longer than the bytes that mark a position.
	MinMaxLine = Size(1 << 10)
	// MaxMaxLine bounds the agent's buffer, and so its memory.
	MaxMaxLine = Size(4 << 20)
)

// Default is a document without sources: every default, nothing else.
func Default() Config {
	return Config{
		From:         FromStart,
		FlushTimeout: DefaultFlushTimeout,
		Grace:        DefaultGrace,
		MaxLine:      DefaultMaxLine,
		Output:       DefaultOutput(),
	}
}
