package profile

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"logging.taco/injector/annotation"
)

// namespacePattern is a namespace's name, perhaps with * and ? in it.
var namespacePattern = regexp.MustCompile(`^[a-z0-9*?]([a-z0-9*?-]{0,61}[a-z0-9*?])?$`)

// together checks a profile as a whole, where each of its values is fine by
// itself. Nodes are the document's values by key, for the lines; what is not in
// the document is said of the document's own place.
func (d *decoder) together(nodes map[string]*yaml.Node, at string, p *Profile) {
	refuse := func(keys []string, format string, args ...any) {
		line := nodes[""].Line
		for _, key := range slices.Backward(keys) {
			if n := nodes[key]; n != nil {
				line = n.Line
			}
		}
		d.errs = append(d.errs, fmt.Errorf("line %d: %s%s: %s", line, at, keys[0], fmt.Sprintf(format, args...)))
	}
	for _, r := range []struct {
		prefix           string
		requests, limits corev1.ResourceList
	}{{"", p.Requests, p.Limits}, {"ship-", p.ShipRequests, p.ShipLimits}} {
		requests, limits := r.prefix+"requests", r.prefix+"limits"
		for _, name := range slices.Sorted(maps.Keys(r.limits)) {
			limit := r.limits[name]
			if request := r.requests[name]; request.Cmp(limit) > 0 {
				refuse([]string{requests, limits}, "%s %v is more than its limit of %v", name, &request, &limit)
			}
		}
		for _, name := range slices.Sorted(maps.Keys(r.requests)) {
			if request := r.requests[name]; exceeds(request, p.maxOf(name)) {
				refuse([]string{requests, "max"}, "%s %v is more than the max.%s of %v", name, &request, name, p.maxOf(name))
			}
		}
		if limit := r.limits[corev1.ResourceMemory]; exceeds(limit, &p.MaxMemory) {
			refuse([]string{limits, "max"}, "memory %v is more than the max.memory of %v", &limit, &p.MaxMemory)
		} else if !limit.IsZero() && limit.Cmp(annotation.LeastMemory) < 0 {
			refuse([]string{limits}, "memory %v is %s", &limit, annotation.TooFewBytes(annotation.LeastMemory, "32Mi"))
		}
	}
	if exceeds(p.SizeLimit, &p.MaxSizeLimit) {
		refuse([]string{"size-limit", "max"}, "%v is more than the max.size-limit of %v", &p.SizeLimit, &p.MaxSizeLimit)
	}

	for _, v := range []struct {
		key   string
		limit resource.Quantity
	}{{"size-limit", p.SizeLimit}, {"state-size-limit", p.StateSizeLimit}} {
		if v.limit.Cmp(annotation.LeastSize) < 0 {
			refuse([]string{v.key}, "%v is %s", &v.limit, annotation.TooFewBytes(annotation.LeastSize, "500Mi"))
		}
	}

	settings := p.Settings
	settings.Mode = annotation.Ship // for which every one of them means something
	if wrong := settings.Check(); wrong != nil {
		refuse([]string{wrong.Key}, "%q: %s", wrong.Value, wrong.Reason)
	}

	names := strings.Join(slices.Sorted(maps.Keys(p.Outputs)), ", ")
	for _, name := range p.AllowedOutputs {
		if _, ok := p.Outputs[name]; !ok {
			refuse([]string{"allowed-outputs", "outputs"}, "%q: there is no such output; there are: %s", name, names)
		}
	}
	_, known := p.Outputs[p.DefaultOutput]
	switch {
	case p.DefaultOutput == "":
		if p.Settings.Mode == annotation.Ship {
			refuse([]string{"mode"}, "pods that say nothing cannot ship without a default-output")
		}
	case !known:
		refuse([]string{"default-output", "outputs"}, "%q: there is no such output; there are: %s", p.DefaultOutput, names)
	case !p.AllowsOutput(p.DefaultOutput):
		refuse([]string{"default-output", "allowed-outputs"}, "%q: is not one of the allowed-outputs", p.DefaultOutput)
	}
}

// maxOf is what pods may ask for of a resource; nil: it is not bounded.
func (p *Profile) maxOf(name corev1.ResourceName) *resource.Quantity {
	switch name {
	case corev1.ResourceCPU:
		return &p.MaxCPU
	case corev1.ResourceMemory:
		return &p.MaxMemory
	}
	return nil
}

func exceeds(q resource.Quantity, most *resource.Quantity) bool {
	return most != nil && !most.IsZero() && q.Cmp(*most) > 0
}
