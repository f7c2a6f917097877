// Package annotation reads what a pod asks for: its logging.taco/ annotations,
// parsed into a typed Request. A wrong value is never dropped in silence; each
// becomes an *Error that names key, value, position and reason, and all of them
// are reported at once.
//
// The package looks at the pod's annotations alone. Whether a named container
// exists, an image is allowed or a folder may be covered is decided in package
// inject, which knows the rest of the pod and the administrator's profile.
package annotation

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// Request is what the annotations ask for. A zero field was not asked for: the
// profile decides.
type Request struct {
	// Sources are what to read, in the annotations' order: first what paths
	// names, then what config does.
	Sources []Source
	// Settings are for the sources that do not say otherwise.
	Settings  Settings
	Native    NativePolicy
	Image     string
	CPU       *resource.Quantity
	Memory    *resource.Quantity
	RunAsUser *int64
	SizeLimit *resource.Quantity
	// MetricsPort is the first of the sidecars' ports; 0: none.
	MetricsPort *int32
	// OptOut is set by inject: "false"; the other fields are then empty.
	OptOut bool
}

// Source is a set of files that are read and delivered in the same way.
type Source struct {
	Paths []Path
	// Settings are the source's own; see Request.Settings for the others.
	Settings Settings
	// Places are where the source's own settings stand, by key without prefix.
	Places map[string]Place
}

// Path is one file or glob of a source.
type Path struct {
	Place
	// Container is the container that writes the files; empty: not said.
	Container string
	// Pattern is an absolute file or glob, cleaned.
	Pattern string
}

// String is the path as it is written in the annotation.
func (p Path) String() string {
	if p.Container == "" {
		return p.Pattern
	}
	return p.Container + ":" + p.Pattern
}

// NativePolicy says whether the sidecar is an init container that restarts.
type NativePolicy string

const (
	NativeAuto  NativePolicy = "auto"
	NativeTrue  NativePolicy = "true"
	NativeFalse NativePolicy = "false"
)

// Parse reads the pod's annotations. Present is false when the pod has none of
// ours but perhaps a status: then there is nothing to do. The error, where there
// is one, is an Errors.
func Parse(pod *corev1.Pod) (req Request, present bool, err error) {
	keys := ours(pod.Annotations)
	if len(keys) == 0 {
		return Request{}, false, nil
	}
	if v, ok := pod.Annotations[Inject]; ok {
		on, fault := parseBool(v)
		if fault == "" && !on {
			return Request{OptOut: true}, true, nil
		}
	}
	var errs Errors
	for _, key := range keys {
		errs = append(errs, req.set(key, pod.Annotations[key])...)
	}
	if !slices.Contains(keys, Paths) && !slices.Contains(keys, Config) {
		errs = append(errs, &Error{Place: Place{Key: Paths}, Kind: MissingPaths,
			Reason: "needed, as it names the files to read, for example /var/log/app.log"})
	}
	if n := req.paths(); n > maxPaths && len(errs) == 0 {
		errs = append(errs, &Error{Place: Place{Key: Config}, Value: pod.Annotations[Config], Kind: InvalidValue,
			Reason: fmt.Sprintf("%d paths in all, more than the %d that one pod may have; use globs", n, maxPaths)})
	}
	if len(errs) > 0 {
		for _, e := range errs {
			e.Reason = Fit(e.Reason)
		}
		return Request{}, true, errs
	}
	return req, true, nil
}

// paths is the number of paths of all sources.
func (r *Request) paths() (n int) {
	for _, s := range r.Sources {
		n += len(s.Paths)
	}
	return n
}

// ours are the keys that Parse has to look at, sorted.
func ours(annotations map[string]string) []string {
	var keys []string
	for k := range annotations {
		if strings.HasPrefix(k, Prefix) && k != Status {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	return keys
}

// set parses one annotation into its field.
func (r *Request) set(key, value string) Errors {
	reason := ""
	switch {
	case !slices.Contains(Keys, key): // below
	case len(value) > maxValue:
		reason = fmt.Sprintf("longer than %d KiB", maxValue>>10)
	case !utf8.ValidString(value):
		reason = "not UTF-8"
	}
	if reason != "" {
		return Errors{{Place: Place{Key: key}, Value: value, Kind: InvalidValue, Reason: reason}}
	}
	switch key {
	case Paths:
		paths, errs := parsePaths(value)
		r.Sources = slices.Insert(r.Sources, 0, Source{Paths: paths})
		return errs
	case Config:
		sources, errs := parseSources(value)
		r.Sources = append(r.Sources, sources...)
		return errs
	case Native:
		r.Native = NativePolicy(value)
		reason = oneOf(value, string(NativeAuto), string(NativeTrue), string(NativeFalse))
	case Image:
		r.Image, reason = parseImage(value)
	case CPU:
		r.CPU, reason = parseQuantity(value, "10m")
	case Memory:
		r.Memory, reason = parseBytes(value, "32Mi", LeastMemory)
	case SizeLimit:
		r.SizeLimit, reason = parseBytes(value, "500Mi", LeastSize)
	case RunAsUser:
		r.RunAsUser, reason = parseUser(value)
	case MetricsPort:
		var err error
		if r.MetricsPort, err = ParsePort(value); err != nil {
			reason = err.Error()
		}
	case Inject:
		_, reason = parseBool(value)
	default:
		f, known := r.Settings.set(strings.TrimPrefix(key, Prefix), value)
		switch {
		case !known:
			return Errors{{Place: Place{Key: key}, Value: value, Kind: UnknownKey, Reason: Suggest(key, Keys)}}
		case f != nil:
			return Errors{{Place: Place{Key: key, Position: f.item}, Value: f.value, Kind: InvalidValue, Reason: f.reason}}
		}
	}
	if reason == "" {
		return nil
	}
	return Errors{{Place: Place{Key: key}, Value: value, Kind: InvalidValue, Reason: reason}}
}
