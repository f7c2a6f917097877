package record

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
)

// Rule tells the first line of a record from those that continue it.
type Rule struct {
	name string
	// continues tells whether a line, without its newline and in UTF-8,
	// belongs to the record before it. Nil: every line is a record.
	continues func(line []byte) bool
}

// Rules that have names.
var named = map[string]func([]byte) bool{
	"none":   nil,
	"java":   java,
	"python": python,
	"go":     golang,
	"ruby":   ruby,
	"indent": indented,
}

// ParseRule reads none, java, python, go, ruby, indent, or a regular
// expression (RE2) that the first line of a record matches. An error is a
// reason, to be put after the value.
func ParseRule(s string) (Rule, error) {
	if s == "" {
		s = "none"
	}
	if f, ok := named[s]; ok {
		return Rule{s, f}, nil
	}
	if regexp.QuoteMeta(s) == s && !strings.ContainsAny(s, " :") {
		// A bare word is a misspelt name more likely than an expression.
		return Rule{}, fmt.Errorf("no rule has this name: use none, java, python, go, ruby, indent, or a regular expression for a first line, such as ^%s", s)
	}
	first, err := regexp.Compile(s)
	if err != nil {
		return Rule{}, fmt.Errorf("not a regular expression for a first line: %w", err)
	}
	return Rule{s, func(line []byte) bool { return !first.Match(line) }}, nil
}

func (r Rule) String() string { return r.name }

func indented(line []byte) bool {
	return len(line) > 0 && (line[0] == ' ' || line[0] == '\t')
}

func blank(line []byte) bool { return len(line) == 0 || len(line) == 1 && line[0] == '\r' }

func hasAnyPrefix(line []byte, prefixes ...string) bool {
	for _, p := range prefixes {
		if len(line) >= len(p) && string(line[:len(p)]) == p {
			return true
		}
	}
	return false
}

// java joins a stack trace, its causes, and the exception's own line, which
// loggers print below their message (Throwable.printStackTrace).
func java(line []byte) bool {
	if indented(line) {
		return true
	}
	if len(line) == 0 || line[0] < 'A' {
		return false // most first lines begin with a digit or a bracket
	}
	if hasAnyPrefix(line, "Caused by: ", "Suppressed: ", "... ", "Wrapped by: ") {
		return true
	}
	return errorName(line, "Exception", "Error", "Throwable")
}

// errorName tells whether a line begins with a dotted name that ends with one
// of the suffixes, followed by a colon or by nothing.
func errorName(line []byte, suffixes ...string) bool {
	n := 0
	for n < len(line) && (line[n] == '.' || line[n] == '$' || line[n] == '_' || line[n] >= '0' && line[n] <= '9' || line[n]|0x20 >= 'a' && line[n]|0x20 <= 'z') {
		n++
	}
	if n < len(line) && line[n] != ':' && line[n] != '\r' {
		return false
	}
	for _, s := range suffixes {
		if n >= len(s) && string(line[n-len(s):n]) == s {
			return true
		}
	}
	return false
}

// python joins a traceback, those chained to it, and the exception's line.
func python(line []byte) bool {
	if indented(line) || blank(line) {
		return true
	}
	return hasAnyPrefix(line, "Traceback (most recent call last):",
		"During handling of the above exception", "The above exception was the direct cause") ||
		errorName(line, "Error", "Exception", "Warning", "Interrupt", "Exit", "StopIteration")
}

// golang joins a panic or a fatal error with its goroutines.
func golang(line []byte) bool {
	if indented(line) || blank(line) {
		return true
	}
	if hasAnyPrefix(line, "goroutine ", "created by ", "[signal ", "exit status ", "rax ", "runtime stack:") {
		return true
	}
	// A frame: a package path, a function, its arguments in parentheses.
	end := bytes.TrimRight(line, "\r")
	open := bytes.IndexByte(end, '(')
	return open > 0 && end[len(end)-1] == ')' && bytes.IndexByte(end[:open], ' ') < 0 && bytes.IndexByte(end[:open], '.') > 0
}

// ruby joins a backtrace; the line that names the error class is a first one.
func ruby(line []byte) bool {
	if indented(line) || hasAnyPrefix(line, "from ") {
		return true
	}
	at := bytes.Index(line, []byte(".rb:"))
	if at < 0 || !bytes.Contains(line[at:], []byte(":in ")) || bytes.IndexByte(line[:at], ' ') >= 0 {
		return false
	}
	end := bytes.TrimRight(line, "\r")
	return end[len(end)-1] != ')'
}
