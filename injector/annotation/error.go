package annotation

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Kind sorts errors for reports and metrics.
type Kind string

const (
	UnknownKey   Kind = "UnknownKey"   // no such annotation
	InvalidValue Kind = "InvalidValue" // the value cannot be used
	MissingPaths Kind = "MissingPaths" // annotated, but with no files to read
)

// Place is where something stands in the pod's annotations.
type Place struct {
	Key string
	// Line of the value's YAML and key of the source there, for the config
	// annotation; 0 and empty for the others.
	Line  int
	Field string
	// Position in a list, from 1; 0: the value as a whole.
	Position int
}

// Within is the place in the annotation's value, to be put before what is said
// of it: "line 3: paths: item 2: "; empty for the value as a whole.
func (p Place) Within() string {
	var b strings.Builder
	if p.Line > 0 {
		fmt.Fprintf(&b, "line %d: ", p.Line)
	}
	if p.Field != "" {
		b.WriteString(p.Field + ": ")
	}
	if p.Position > 0 {
		fmt.Fprintf(&b, "item %d: ", p.Position)
	}
	return b.String()
}

// Error is one annotation that cannot be used.
type Error struct {
	Place
	Value  string // the faulty part where the value has several
	Reason string
	Kind   Kind
}

func (e *Error) Error() string {
	text := e.Key + ": " + e.Within()
	if e.Value != "" || e.Kind != MissingPaths {
		text += Quote(e.Value) + ": "
	}
	return text + e.Reason
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

// reasonLimit keeps what a parser has to say of a long value as short.
const reasonLimit = 300

// Fit makes a reason fit to be shown: in one line, cut when long.
func Fit(reason string) string {
	reason = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(reason, "\uFFFD"))
	if len(reason) <= reasonLimit {
		return reason
	}
	return cut(reason, reasonLimit) + "…"
}

// cut is the text's beginning, at most so many bytes of it, and whole runes.
func cut(text string, most int) string {
	for most > 0 && !utf8.RuneStart(text[most]) {
		most--
	}
	return text[:most]
}

// Quote makes a value fit to be shown: quoted, control characters escaped, cut when long.
func Quote(value string) string {
	if len(value) <= quoteLimit {
		return fmt.Sprintf("%q", value)
	}
	return fmt.Sprintf("%q… (%d bytes)", cut(value, quoteLimit), len(value))
}
