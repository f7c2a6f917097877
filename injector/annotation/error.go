package annotation

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Kind sorts errors for reports and metrics.
type Kind string

const (
	UnknownKey   Kind = "UnknownKey"   // no such annotation
	InvalidValue Kind = "InvalidValue" // the value cannot be used
	MissingPaths Kind = "MissingPaths" // annotated, but with no files to read
)

// Error is one annotation that cannot be used.
type Error struct {
	Key   string
	Value string // the faulty item where the value is a list
	// Position of the faulty item in a list, from 1; 0: the value as a whole.
	Position int
	Reason   string
	Kind     Kind
}

func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Key)
	if e.Position > 0 {
		fmt.Fprintf(&b, ": item %d", e.Position)
	}
	if e.Value != "" || e.Kind != MissingPaths {
		fmt.Fprintf(&b, ": %s", Quote(e.Value))
	}
	return b.String() + ": " + e.Reason
}

// Errors are all errors of one pod, in the order of keys and positions.
type Errors []*Error

func (e Errors) Error() string {
	lines := make([]string, len(e))
	for i := range e {
		lines[i] = e[i].Error()
	}
	return strings.Join(lines, "; ")
}

// Unwrap lets errors.As find the single errors.
func (e Errors) Unwrap() []error {
	errs := make([]error, len(e))
	for i := range e {
		errs[i] = e[i]
	}
	return errs
}

// quoteLimit keeps a 64 KiB value out of messages, logs and warnings.
const quoteLimit = 120

// Quote makes a value fit to be shown: quoted, control characters escaped, cut when long.
func Quote(value string) string {
	if len(value) <= quoteLimit {
		return fmt.Sprintf("%q", value)
	}
	cut := quoteLimit
	for cut > 0 && !utf8.RuneStart(value[cut]) {
		cut--
	}
	return fmt.Sprintf("%q… (%d bytes)", value[:cut], len(value))
}
