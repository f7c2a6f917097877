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
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"logging.taco/sidecar/config"
)

// Request is what the annotations ask for. A zero field was not asked for: the
// profile decides.
type Request struct {
	Paths     []Path
	Mode      Delivery
	Output    string
	Split     bool
	Emit      config.Emit
	Multiline string
	Charset   string
	Native    NativePolicy
	Image     string
	CPU       *resource.Quantity
	Memory    *resource.Quantity
	RunAsUser *int64
	SizeLimit *resource.Quantity
	// OptOut is set by inject: "false"; the other fields are then empty.
	OptOut bool
}

// Path is one item of the paths annotation.
type Path struct {
	// Container is the container that writes the files; empty: not said.
	Container string
	// Pattern is an absolute file or glob, cleaned.
	Pattern string
	// Position counts the items from 1.
	Position int
}

// String is the item as it is written in the annotation.
func (p Path) String() string {
	if p.Container == "" {
		return p.Pattern
	}
	return p.Container + ":" + p.Pattern
}

// Delivery is where the lines go, the value of the mode annotation.
type Delivery string

const (
	Stream Delivery = "stream" // to the sidecar's standard output
	Ship   Delivery = "ship"   // to an output of the profile
)

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
	req.Mode = Stream
	var errs Errors
	for _, key := range keys {
		value := pod.Annotations[key]
		if e := req.set(key, value); e != nil {
			errs = append(errs, e...)
		}
	}
	errs = append(errs, req.together(pod.Annotations)...)
	if _, ok := pod.Annotations[Paths]; !ok {
		errs = append(errs, &Error{Key: Paths, Kind: MissingPaths,
			Reason: "needed, as it names the files to read, for example /var/log/app.log"})
	}
	if len(errs) > 0 {
		return Request{}, true, errs
	}
	return req, true, nil
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
	fault := ""
	switch key {
	case Paths:
		var errs Errors
		r.Paths, errs = parsePaths(value)
		return errs
	case Mode:
		r.Mode = Delivery(value)
		fault = oneOf(value, string(Stream), string(Ship))
	case Output:
		r.Output, fault = parseName(value)
	case Split:
		r.Split, fault = parseBool(value)
	case Emit:
		r.Emit = config.Emit(value)
		fault = oneOf(value, string(config.EmitRaw), string(config.EmitPrefix), string(config.EmitJSON))
	case Multiline:
		r.Multiline, fault = value, reason(value, config.CheckMultiline)
	case Charset:
		r.Charset, fault = value, reason(value, config.CheckCharset)
	case Native:
		r.Native = NativePolicy(value)
		fault = oneOf(value, string(NativeAuto), string(NativeTrue), string(NativeFalse))
	case Image:
		r.Image, fault = parseImage(value)
	case CPU:
		r.CPU, fault = parseQuantity(value, "10m")
	case Memory:
		r.Memory, fault = parseQuantity(value, "32Mi")
	case SizeLimit:
		r.SizeLimit, fault = parseQuantity(value, "500Mi")
	case RunAsUser:
		r.RunAsUser, fault = parseUser(value)
	case Inject:
		_, fault = parseBool(value)
	default:
		return Errors{{Key: key, Value: value, Kind: UnknownKey, Reason: suggest(key)}}
	}
	if fault == "" {
		return nil
	}
	return Errors{{Key: key, Value: value, Kind: InvalidValue, Reason: fault}}
}

// together finds the keys that contradict the mode. Each would be without any
// effect, which is not what its author expects.
func (r *Request) together(annotations map[string]string) (errs Errors) {
	refuse := func(key, reason string) {
		if value, ok := annotations[key]; ok {
			errs = append(errs, &Error{Key: key, Value: value, Kind: InvalidValue, Reason: reason})
		}
	}
	switch r.Mode {
	case Stream:
		refuse(Output, "names what mode: ship sends to, and this pod streams; leave it out, or add "+Mode+": ship")
	case Ship:
		refuse(Emit, "is for stdout, and this pod ships: each record becomes a document; leave it out")
		if r.Split {
			refuse(Split, "tells files apart in kubectl logs, and this pod ships: each document names its file; leave it out")
		}
	}
	return errs
}
