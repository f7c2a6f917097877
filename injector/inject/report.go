package inject

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"logging.taco/injector/annotation"
)

// Severity is what a finding means for the pod.
type Severity int

const (
	Info    Severity = iota // what was done, and why
	Warning                 // done, but the user should know
	Skipped                 // the pod is left alone
	Denied                  // the pod asks for what cannot be
)

func (s Severity) String() string {
	return [...]string{"info", "warning", "skipped", "denied"}[s]
}

// Finding is one thing that was found out about a pod.
type Finding struct {
	Severity Severity
	Reason   Reason
	// Key is the annotation that the finding is about; empty: none.
	Key string
	// Value is the part of its value that matters: an item of a list, a name.
	Value string
	// Message is one sentence without key and value, for people.
	Message string
}

// String is the finding in one line, with everything it has.
func (f Finding) String() string {
	s := ""
	if f.Key != "" {
		s += f.Key + ": "
	}
	if f.Value != "" || f.Reason == InvalidValue {
		s += annotation.Quote(f.Value) + ": "
	}
	return s + f.Message
}

// Report is everything that was found out about a pod: the one source of the
// admission message, its warnings, the metric's label and what explain prints.
type Report struct {
	Findings []Finding
	// Containers that were added, in the pod's order; for explain's cost.
	Containers []corev1.Container
}

func (r *Report) add(s Severity, reason Reason, key, value, format string, args ...any) {
	r.Findings = append(r.Findings, Finding{s, reason, key, value, fmt.Sprintf(format, args...)})
}

// deny adds a denial about a place in the annotations.
func (w *work) deny(reason Reason, at annotation.Place, value, format string, args ...any) {
	w.r.add(Denied, reason, at.Key, value, "%s%s", at.Within(), fmt.Sprintf(format, args...))
}

func (r Report) has(s Severity) bool {
	return slices.ContainsFunc(r.Findings, func(f Finding) bool { return f.Severity == s })
}

// Denied tells that the pod must not be let in: its user has to correct it.
func (r Report) Denied() bool { return r.has(Denied) }

// Skipped tells that the pod was left alone on purpose.
func (r Report) Skipped() bool { return !r.Denied() && r.has(Skipped) }

// Injected tells that the pod has its sidecar, from now on or already.
func (r Report) Injected() bool { return !r.Denied() && !r.Skipped() }

// mostReasons keeps the message of a pod with a hundred faults readable; explain
// tells all of them.
const mostReasons = 20

// Message says why the pod was denied or skipped, each reason in a sentence of
// its own with key and value; it is empty for an injected pod.
func (r Report) Message() string {
	s := Skipped
	if r.Denied() {
		s = Denied
	}
	var lines []string
	more := 0
	for _, f := range r.Findings {
		switch {
		case f.Severity != s:
		case len(lines) < mostReasons:
			lines = append(lines, f.String())
		default:
			more++
		}
	}
	if more > 0 {
		lines = append(lines, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(lines, "; ")
}

// quiet are the reasons to skip that nobody needs to be warned of.
var quiet = []Reason{NotAnnotated, OptedOut, MirrorPod, NotInjected}

// Warnings are for the person who applies the pod: the warnings of an injected
// one, and why an annotated one was left alone.
func (r Report) Warnings() []string {
	var w []string
	for _, f := range r.Findings {
		if f.Severity == Warning || f.Severity == Skipped && !slices.Contains(quiet, f.Reason) {
			w = append(w, f.String())
		}
	}
	return w
}

// Reasons are the reasons, each once and in order, of what decided: the denials,
// or else why it was skipped, or else the warnings. None: injected, nothing to say.
func (r Report) Reasons() []string {
	s := Warning
	switch {
	case r.Denied():
		s = Denied
	case r.Skipped():
		s = Skipped
	}
	var reasons []string
	for _, f := range r.Findings {
		if f.Severity == s && !slices.Contains(reasons, string(f.Reason)) {
			reasons = append(reasons, string(f.Reason))
		}
	}
	return reasons
}
