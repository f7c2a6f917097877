package inject

import (
	"net/netip"
	"net/url"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"logging.taco/injector/annotation"
)

// What the pod's author should know, where the sidecar can do its part.

// warnVolume says where somebody else has to write the files, or nobody can.
func (w *work) warnVolume(s *source) {
	if kind := w.readOnlyKind(s.cover.Name); kind != "" {
		w.deny(ReadOnlyVolume, s.Place, s.String(), "the volume %s at %s is %s, to which no program can write; name the files that are written", s.cover.Name, s.cover.MountPath, kind)
		return
	}
	if !s.cover.ReadOnly {
		return
	}
	var writers []string
	for _, c := range slices.Concat(w.base.Spec.InitContainers, w.base.Spec.Containers) {
		if slices.ContainsFunc(c.VolumeMounts, func(m corev1.VolumeMount) bool { return m.Name == s.cover.Name && !m.ReadOnly }) {
			writers = append(writers, c.Name)
		}
	}
	advice := "no container of this pod does"
	if len(writers) > 0 {
		advice = "name the one that does: " + strings.Join(writers, " or ")
	}
	w.r.add(Warning, ReadOnlyVolume, s.Key, s.String(), "%scontainer %s mounts %s read-only and cannot write the files; %s", s.Within(), s.owner.Name, s.cover.Name, advice)
}

// readOnlyKind is what a volume is, if it is of a kind that is never written to. No
// sidecar gets one of these, however far a glob reaches: there are no logs in it,
// and perhaps secrets.
func (w *work) readOnlyKind(name string) string {
	for _, v := range w.base.Spec.Volumes {
		if v.Name != name {
			continue
		}
		switch {
		case v.ConfigMap != nil:
			return "a ConfigMap"
		case v.Secret != nil:
			return "a Secret"
		case v.DownwardAPI != nil, v.Projected != nil:
			return "a projection"
		case v.Image != nil:
			return "an image"
		}
	}
	return ""
}

// warnNames says where the names of Services are not found: on the node's network,
// a pod has the node's name servers unless it asks for the cluster's.
func (w *work) warnNames() {
	spec := &w.base.Spec
	first := spec.DNSPolicy == corev1.DNSClusterFirst || spec.DNSPolicy == "" // which is not for the node's network
	if spec.DNSPolicy != corev1.DNSDefault && (!spec.HostNetwork || !first) {
		return
	}
	for _, o := range w.outputs {
		for _, to := range o.To {
			u, err := url.Parse(to)
			if err != nil || isAddress(u.Hostname()) || !perhapsService(u.Hostname()) {
				continue
			}
			advice := "dnsPolicy ClusterFirst"
			if spec.HostNetwork {
				advice = "dnsPolicy ClusterFirstWithHostNet"
			}
			w.r.add(Warning, ServiceUnknown, annotation.Output, o.name, "this pod asks the node's name servers; if %s is a Service, they do not know it: the pod needs %s", u.Hostname(), advice)
			break
		}
	}
}

func isAddress(host string) bool {
	_, err := netip.ParseAddr(host)
	return err == nil
}

// perhapsService tells whether a name can be a Service's: name.namespace, perhaps
// with svc and the cluster's domain.
func perhapsService(host string) bool {
	labels := strings.Split(strings.TrimSuffix(host, "."), ".")
	return host != "localhost" && (len(labels) <= 2 || labels[2] == "svc")
}

// hintLimits says where a namespace's rules would be the next to refuse the pod.
func (w *work) hintLimits() {
	limited := func(c corev1.Container) bool {
		l, ok := c.Resources.Limits[corev1.ResourceCPU]
		return ok && !l.IsZero()
	}
	all := slices.Concat(w.base.Spec.InitContainers, w.base.Spec.Containers)
	for _, c := range w.sidecars {
		if w.base.Spec.Resources == nil && !limited(c) && !slices.ContainsFunc(all, func(c corev1.Container) bool { return !limited(c) }) {
			w.r.add(Info, NoCPULimit, "", c.Name, "has no CPU limit, and every container of the pod has one; where a ResourceQuota asks for it, set limits in the profile")
		}
	}
}
