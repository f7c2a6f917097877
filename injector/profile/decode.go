package profile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"logging.taco/injector/annotation"
	"logging.taco/sidecar/config"
)

// Load decodes the named file.
func Load(file string) (Profile, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return Profile{}, fmt.Errorf("read the profile: %w", err)
	}
	return Decode(file, b)
}

// document is the YAML's shape. Values are text with a line, so that each fault
// can be told with its place.
type document struct {
	Image             text            `yaml:"image"`
	ImagePullPolicy   text            `yaml:"image-pull-policy"`
	AllowedImages     []text          `yaml:"allowed-images"`
	Emit              text            `yaml:"emit"`
	Native            text            `yaml:"native"`
	SizeLimit         text            `yaml:"size-limit"`
	StateSizeLimit    text            `yaml:"state-size-limit"`
	User              *int64          `yaml:"run-as-user"`
	SetUser           *bool           `yaml:"set-run-as-user"`
	AllowRoot         *bool           `yaml:"allow-root"`
	Requests          map[string]text `yaml:"requests"`
	Limits            map[string]text `yaml:"limits"`
	ShipRequests      map[string]text `yaml:"ship-requests"`
	ShipLimits        map[string]text `yaml:"ship-limits"`
	GuaranteedCPU     text            `yaml:"guaranteed-cpu"`
	Max               maxima          `yaml:"max"`
	Namespace         text            `yaml:"namespace"`
	SkippedNamespaces []text          `yaml:"skipped-namespaces"`
	Outputs           yaml.Node       `yaml:"outputs"`
	DefaultOutput     text            `yaml:"default-output"`
}

type maxima struct {
	CPU       text `yaml:"cpu"`
	Memory    text `yaml:"memory"`
	SizeLimit text `yaml:"size-limit"`
}

// text is a scalar with its line; line 0: not in the document.
type text struct {
	value string
	line  int
}

func (t *text) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind != yaml.ScalarNode {
		return fmt.Errorf("line %d: a single value is needed here", n.Line)
	}
	t.value, t.line = n.Value, n.Line
	return nil
}

// Decode reads a profile strictly; errors name the place as NAME: line N. An
// empty document is the default profile.
func Decode(name string, b []byte) (Profile, error) {
	var doc document
	d := yaml.NewDecoder(bytes.NewReader(b))
	d.KnownFields(true)
	if err := d.Decode(&doc); err != nil && !errors.Is(err, io.EOF) {
		return Profile{}, fmt.Errorf("%s: %s", name, plain(err))
	}
	if err := d.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return Profile{}, fmt.Errorf("%s: more than one YAML document; keep one", name)
	}
	p := Default()
	if err := doc.apply(&p); err != nil {
		return Profile{}, fmt.Errorf("%s: %w", name, err)
	}
	return p, nil
}

// plain says yaml's errors in the words of somebody who has never seen Go.
func plain(err error) string {
	s := strings.TrimPrefix(err.Error(), "yaml: ")
	s = strings.TrimPrefix(s, "unmarshal errors:\n  ")
	s = strings.ReplaceAll(s, "\n  ", "; ")
	for _, t := range []string{"profile.document", "profile.maxima", "config.Output"} {
		s = strings.ReplaceAll(s, " not found in type "+t, " is not a key here")
	}
	return s
}

// apply puts what the document says over the defaults.
func (doc *document) apply(p *Profile) error {
	var errs []error
	fault := func(t text, key, reason string) {
		errs = append(errs, &lineError{t.line, key, t.value, reason})
	}
	image := func(t text, key string) string {
		if strings.ContainsAny(t.value, " \t\n") || t.value == "" {
			fault(t, key, "is not an image reference such as registry/repository:tag")
		}
		return t.value
	}
	quantity := func(t text, key string, into *resource.Quantity) {
		if t.line == 0 {
			return
		}
		q, err := resource.ParseQuantity(t.value)
		if err != nil || q.Sign() <= 0 {
			fault(t, key, "is not a positive quantity such as 50m or 64Mi")
			return
		}
		*into = q
	}
	if doc.Image.line > 0 {
		p.Image = image(doc.Image, "image")
	}
	for _, t := range doc.AllowedImages {
		r := image(t, "allowed-images")
		if r != Repository(r) {
			fault(t, "allowed-images", "name the repository, without tag or digest")
		}
		p.AllowedImages = append(p.AllowedImages, r)
	}
	if t := doc.ImagePullPolicy; t.line > 0 {
		switch v := corev1.PullPolicy(t.value); v {
		case corev1.PullAlways, corev1.PullIfNotPresent, corev1.PullNever:
			p.ImagePullPolicy = v
		default:
			fault(t, "image-pull-policy", "use Always, IfNotPresent or Never")
		}
	}
	if t := doc.Emit; t.line > 0 {
		switch v := config.Emit(t.value); v {
		case config.EmitRaw, config.EmitPrefix, config.EmitJSON:
			p.Emit = v
		default:
			fault(t, "emit", "use raw, prefix or json")
		}
	}
	if t := doc.Native; t.line > 0 {
		switch v := annotation.NativePolicy(t.value); v {
		case annotation.NativeAuto, annotation.NativeTrue, annotation.NativeFalse:
			p.Native = v
		default:
			fault(t, "native", "use auto, true or false")
		}
	}
	quantity(doc.SizeLimit, "size-limit", &p.SizeLimit)
	quantity(doc.StateSizeLimit, "state-size-limit", &p.StateSizeLimit)
	quantity(doc.GuaranteedCPU, "guaranteed-cpu", &p.GuaranteedCPU)
	quantity(doc.Max.CPU, "max.cpu", &p.MaxCPU)
	quantity(doc.Max.Memory, "max.memory", &p.MaxMemory)
	quantity(doc.Max.SizeLimit, "max.size-limit", &p.MaxSizeLimit)
	list := func(m map[string]text, key string, into *corev1.ResourceList) {
		if m == nil {
			return
		}
		*into = corev1.ResourceList{}
		for _, name := range []string{"cpu", "memory", "ephemeral-storage"} {
			if t, ok := m[name]; ok {
				var q resource.Quantity
				quantity(t, key+"."+name, &q)
				(*into)[corev1.ResourceName(name)] = q
				delete(m, name)
			}
		}
		for _, name := range slices.Sorted(maps.Keys(m)) {
			fault(m[name], key+"."+name, "use cpu, memory or ephemeral-storage")
		}
	}
	list(doc.Requests, "requests", &p.Requests)
	list(doc.Limits, "limits", &p.Limits)
	list(doc.ShipRequests, "ship-requests", &p.ShipRequests)
	list(doc.ShipLimits, "ship-limits", &p.ShipLimits)
	if doc.User != nil {
		p.User = *doc.User
		if p.User < 1 || p.User > 1<<31-1 {
			errs = append(errs, fmt.Errorf("run-as-user: %d: is not a user id from 1 to %d", p.User, 1<<31-1))
		}
	}
	if doc.SetUser != nil {
		p.SetUser = *doc.SetUser
	}
	if doc.AllowRoot != nil {
		p.AllowRoot = *doc.AllowRoot
	}
	if doc.Namespace.line > 0 {
		p.Namespace = doc.Namespace.value
	}
	if doc.SkippedNamespaces != nil {
		p.SkippedNamespaces = nil
		for _, t := range doc.SkippedNamespaces {
			p.SkippedNamespaces = append(p.SkippedNamespaces, t.value)
		}
	}
	for _, r := range []struct {
		key              string
		requests, limits corev1.ResourceList
	}{{"requests", p.Requests, p.Limits}, {"ship-requests", p.ShipRequests, p.ShipLimits}} {
		for _, name := range slices.Sorted(maps.Keys(r.limits)) {
			limit := r.limits[name]
			if request := r.requests[name]; request.Cmp(limit) > 0 {
				errs = append(errs, fmt.Errorf("%s.%s: %v is more than its limit of %v", r.key, name, &request, &limit))
			}
		}
	}
	outputs, err := decodeOutputs(&doc.Outputs)
	errs = append(errs, err)
	p.Outputs = outputs
	if t := doc.DefaultOutput; t.line > 0 {
		if _, ok := outputs[t.value]; !ok && err == nil {
			fault(t, "default-output", "there is no such output")
		}
		p.DefaultOutput = t.value
	}
	return errors.Join(errs...)
}
