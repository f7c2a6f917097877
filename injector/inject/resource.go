package inject

import (
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"logging.taco/injector/annotation"
)

// limits checks what the annotations ask for against the profile.
func (w *work) limits() {
	for _, q := range []struct {
		key     string
		asked   *resource.Quantity
		allowed resource.Quantity
	}{
		{annotation.CPU, w.req.CPU, w.profile.MaxCPU},
		{annotation.Memory, w.req.Memory, w.profile.MaxMemory},
		{annotation.SizeLimit, w.req.SizeLimit, w.profile.MaxSizeLimit},
	} {
		if q.asked != nil && !q.allowed.IsZero() && q.asked.Cmp(q.allowed) > 0 {
			w.r.add(Denied, LimitExceeded, q.key, w.base.Annotations[q.key], "more than the %v that the profile allows", &q.allowed)
		}
	}
	if w.req.Image != "" && !w.profile.Allows(w.req.Image) {
		w.r.add(Denied, ImageNotAllowed, annotation.Image, w.req.Image, "not an image that the profile allows")
	}
	if u := w.req.RunAsUser; u != nil && *u == 0 && !w.profile.AllowRoot {
		w.r.add(Denied, RootNotAllowed, annotation.RunAsUser, "0", "the profile does not let sidecars run as root")
	}
}

// resources are what one sidecar container asks for.
func (w *work) resources(g *group) corev1.ResourceRequirements {
	if w.base.Spec.Resources != nil {
		return corev1.ResourceRequirements{} // see warnResources
	}
	requests, limits := maps.Clone(w.profile.Requests), maps.Clone(w.profile.Limits)
	if g.output != nil {
		requests, limits = maps.Clone(w.profile.ShipRequests), maps.Clone(w.profile.ShipLimits)
	}
	if requests == nil {
		requests = corev1.ResourceList{}
	}
	if limits == nil {
		limits = corev1.ResourceList{}
	}
	if w.req.CPU != nil {
		requests[corev1.ResourceCPU] = *w.req.CPU
		if l, ok := limits[corev1.ResourceCPU]; ok && l.Cmp(*w.req.CPU) < 0 {
			limits[corev1.ResourceCPU] = *w.req.CPU
		}
	}
	if w.req.Memory != nil {
		requests[corev1.ResourceMemory] = *w.req.Memory
		limits[corev1.ResourceMemory] = *w.req.Memory
	}
	if guaranteed(&w.base.Spec) {
		cpu := w.profile.GuaranteedCPU
		if l, ok := limits[corev1.ResourceCPU]; ok {
			cpu = l
		}
		if w.req.CPU != nil {
			cpu = *w.req.CPU
		}
		memory := limits[corev1.ResourceMemory]
		if r := requests[corev1.ResourceMemory]; memory.Cmp(r) < 0 {
			memory = r
		}
		for _, list := range []corev1.ResourceList{requests, limits} {
			list[corev1.ResourceCPU], list[corev1.ResourceMemory] = cpu, memory
		}
	}
	return corev1.ResourceRequirements{Requests: deepList(requests), Limits: deepList(limits)}
}

// warnResources says where the pod changes what the sidecar asks for.
func (w *work) warnResources() {
	switch {
	case w.base.Spec.Resources != nil:
		w.r.add(Info, PodBudget, "", "", "the pod has resources of its own as a whole; the sidecar asks for none and shares them")
	case guaranteed(&w.base.Spec):
		w.r.add(Info, ClassKept, "", "", "the pod is of the Guaranteed class and stays so: the sidecar's limits equal its requests")
	}
}

// guaranteed tells whether every container has CPU and memory limits that are
// also its requests; a request that is left out is its limit.
func guaranteed(spec *corev1.PodSpec) bool {
	for _, c := range slices.Concat(spec.InitContainers, spec.Containers) {
		for _, name := range []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory} {
			limit, ok := c.Resources.Limits[name]
			if !ok || limit.IsZero() {
				return false
			}
			if request, ok := c.Resources.Requests[name]; ok && request.Cmp(limit) != 0 {
				return false
			}
		}
	}
	return true
}

// deepList is a copy that shares nothing, or nil for an empty list.
func deepList(l corev1.ResourceList) corev1.ResourceList {
	if len(l) == 0 {
		return nil
	}
	return l.DeepCopy()
}
