package profile

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/validation"

	"logging.taco/injector/annotation"
)

// keys are those of a profile that are no settings of files.
var keys = []string{
	"image", "image-pull-policy", "allowed-images", "native", "size-limit", "state-size-limit", "run-as-user", "set-run-as-user", "allow-root", "metrics-port",
	"requests", "limits", "ship-requests", "ship-limits", "guaranteed-cpu", "max", "namespace", "skipped-namespaces",
	"outputs", "default-output", "allowed-outputs", "namespaces",
}

// whole are the keys that a namespace cannot have of its own.
var whole = []string{"namespace", "skipped-namespaces", "namespaces"}

// decoder puts what a document says over the defaults, and collects what is
// wrong with it.
type decoder struct{ errs []error }

func (d *decoder) refuse(n *yaml.Node, key, reason string) {
	d.errs = append(d.errs, &lineError{n.Line, key, n.Value, reason})
}

func (d *decoder) join(err error) {
	if err != nil {
		d.errs = append(d.errs, err)
	}
}

// profile reads a profile, or a namespace's part of one. At is empty, or the
// namespace's place with a dot behind it.
func (d *decoder) profile(n *yaml.Node, at string, p *Profile) {
	before, here := len(d.errs), strings.TrimSuffix(at, ".")
	lines := map[string]*yaml.Node{"": n}
	var namespaces *yaml.Node
	d.join(eachKey(n, here, func(key, value *yaml.Node) {
		name := key.Value
		lines[name] = value
		switch {
		case value.ShortTag() == "!!null" && slices.Contains(slices.Concat(keys, annotation.SettingKeys), name):
			// A key without a value says nothing.
		case name == "namespaces" && at == "":
			namespaces = value // when all that they are based on is known
		case at != "" && slices.Contains(whole, name):
			d.refuse(key, here, "is not a key of a namespace, but of the profile as a whole")
		case slices.Contains(keys, name):
			d.key(name, at+name, value, p)
		default:
			if !d.setting(name, at+name, value, p) {
				d.refuse(key, here, annotation.Suggest(name, slices.Concat(keys, annotation.SettingKeys)))
			}
		}
	}))
	if len(d.errs) == before {
		d.together(lines, at, p)
	}
	if namespaces != nil {
		d.namespaces(namespaces, p)
	}
}

// setting reads a default of the annotations' settings; false: it is none.
func (d *decoder) setting(name, at string, value *yaml.Node, p *Profile) bool {
	if name == "output" {
		return false // see default-output
	}
	wrong, fault, known := p.Settings.Decode(name, value)
	if fault != "" {
		d.refuse(wrong, at, fault)
	}
	return known
}

func (d *decoder) key(name, at string, n *yaml.Node, p *Profile) {
	switch name {
	case "image":
		p.Image = d.image(n, at)
	case "image-pull-policy":
		p.ImagePullPolicy = oneOf(d, n, at, corev1.PullAlways, corev1.PullIfNotPresent, corev1.PullNever)
	case "allowed-images":
		p.AllowedImages = d.list(n, at, func(n *yaml.Node) string {
			image := d.image(n, at)
			if image != "" && image != Repository(image) {
				d.refuse(n, at, "name the repository, without tag or digest")
			}
			return image
		})
	case "native":
		p.Native = oneOf(d, n, at, annotation.NativeAuto, annotation.NativeTrue, annotation.NativeFalse)
	case "size-limit":
		d.quantity(n, at, &p.SizeLimit)
	case "state-size-limit":
		d.quantity(n, at, &p.StateSizeLimit)
	case "run-as-user":
		user, err := strconv.ParseInt(d.text(n, at), 10, 64)
		if n.Kind == yaml.ScalarNode && (err != nil || user < 1 || user > 1<<31-1) {
			d.refuse(n, at, fmt.Sprintf("is not a user id from 1 to %d", 1<<31-1))
		}
		p.User = user
	case "set-run-as-user":
		d.bool(n, at, &p.SetUser)
	case "allow-root":
		d.bool(n, at, &p.AllowRoot)
	case "metrics-port":
		port, err := annotation.ParsePort(d.text(n, at))
		switch {
		case err == nil:
			p.MetricsPort = *port
		case n.Kind == yaml.ScalarNode:
			d.refuse(n, at, err.Error())
		}
	case "requests":
		p.Requests = d.resources(n, at)
	case "limits":
		p.Limits = d.resources(n, at)
	case "ship-requests":
		p.ShipRequests = d.resources(n, at)
	case "ship-limits":
		p.ShipLimits = d.resources(n, at)
	case "guaranteed-cpu":
		d.quantity(n, at, &p.GuaranteedCPU)
	case "max":
		d.join(eachKey(n, at, func(key, value *yaml.Node) {
			switch key.Value {
			case "cpu":
				d.quantity(value, at+".cpu", &p.MaxCPU)
			case "memory":
				d.quantity(value, at+".memory", &p.MaxMemory)
			case "size-limit":
				d.quantity(value, at+".size-limit", &p.MaxSizeLimit)
			default:
				d.refuse(key, at, "is not a key here; use cpu, memory or size-limit")
			}
		}))
	case "namespace":
		p.Namespace = d.name(n, at)
	case "skipped-namespaces":
		p.SkippedNamespaces = d.list(n, at, func(n *yaml.Node) string { return d.name(n, at) })
	case "outputs":
		d.outputs(n, at, p)
	case "default-output":
		p.DefaultOutput = d.text(n, at)
	case "allowed-outputs":
		p.AllowedOutputs = d.list(n, at, func(n *yaml.Node) string { return d.text(n, at) })
	}
}

func (d *decoder) text(n *yaml.Node, at string) string {
	if n.Kind != yaml.ScalarNode {
		d.refuse(n, at, "a single value is needed here")
		return ""
	}
	return n.Value
}

func oneOf[T ~string](d *decoder, n *yaml.Node, at string, allowed ...T) T {
	value := T(d.text(n, at))
	if n.Kind == yaml.ScalarNode && !slices.Contains(allowed, value) {
		d.refuse(n, at, fmt.Sprintf("use %s, %s or %s", allowed[0], allowed[1], allowed[2]))
	}
	return value
}

func (d *decoder) bool(n *yaml.Node, at string, into *bool) {
	if n.ShortTag() != "!!bool" || n.Decode(into) != nil {
		d.refuse(n, at, "use true or false")
	}
}

// list is never nil: an empty list is not no list.
func (d *decoder) list(n *yaml.Node, at string, item func(*yaml.Node) string) []string {
	all := []string{}
	if n.Kind != yaml.SequenceNode {
		d.refuse(n, at, "a list is needed here")
	} else {
		for _, e := range n.Content {
			all = append(all, item(e))
		}
	}
	return all
}

func (d *decoder) image(n *yaml.Node, at string) string {
	image := d.text(n, at)
	if err := annotation.CheckImage(image); err != nil && n.Kind == yaml.ScalarNode {
		d.refuse(n, at, err.Error())
	}
	return image
}

func (d *decoder) name(n *yaml.Node, at string) string {
	name := d.text(n, at)
	if n.Kind == yaml.ScalarNode && len(validation.IsDNS1123Label(name)) > 0 {
		d.refuse(n, at, "is not the name of a namespace")
	}
	return name
}

func (d *decoder) quantity(n *yaml.Node, at string, into *resource.Quantity) {
	q, err := annotation.ParseQuantity(d.text(n, at), "50m or 64Mi")
	switch {
	case err == nil:
		*into = *q
	case n.Kind == yaml.ScalarNode:
		d.refuse(n, at, err.Error())
	}
}

// resources is never nil either.
func (d *decoder) resources(n *yaml.Node, at string) corev1.ResourceList {
	list := corev1.ResourceList{}
	d.join(eachKey(n, at, func(key, value *yaml.Node) {
		switch name := corev1.ResourceName(key.Value); name {
		case corev1.ResourceCPU, corev1.ResourceMemory, corev1.ResourceEphemeralStorage:
			var q resource.Quantity
			d.quantity(value, at+"."+key.Value, &q)
			list[name] = q
		default:
			d.refuse(key, at, "use cpu, memory or ephemeral-storage")
		}
	}))
	return list
}

// namespaces reads what is different for some namespaces.
func (d *decoder) namespaces(n *yaml.Node, p *Profile) {
	d.join(eachKey(n, "namespaces", func(key, value *yaml.Node) {
		at := "namespaces." + key.Value
		if _, err := path.Match(key.Value, ""); err != nil || !namespacePattern.MatchString(key.Value) {
			d.refuse(key, "namespaces", "is not the name of a namespace, nor a pattern such as team-*")
			return
		}
		if p.Skips(key.Value) {
			d.refuse(key, "namespaces", "is never injected (namespace, skipped-namespaces), so this would have no effect")
		}
		o := Override{Namespace: key.Value, Profile: p.clone()}
		if value.ShortTag() != "!!null" {
			d.profile(value, at+".", &o.Profile)
		}
		p.Namespaces = append(p.Namespaces, o)
	}))
}
