package inject

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
)

// settle keeps what others have done to an injected pod: their order of lists,
// and what they added to our containers, as long as ours is what it was. Defaults
// of the API server, a LimitRange's resources and another webhook's variables
// are then no reason for a patch.
func settle(after, pod *corev1.Pod, prior *status) {
	now, _ := readStatus(after)
	same := now != nil && now.Plan == prior.Plan
	spec, old := &after.Spec, &pod.Spec
	spec.Volumes = reorder(spec.Volumes, old.Volumes, func(v corev1.Volume) string { return v.Name })
	name := func(c corev1.Container) string { return c.Name }
	for _, lists := range [][2][]corev1.Container{{spec.InitContainers, old.InitContainers}, {spec.Containers, old.Containers}} {
		for i := range lists[0] {
			c := &lists[0][i]
			at := slices.IndexFunc(lists[1], func(o corev1.Container) bool { return o.Name == c.Name })
			if at < 0 {
				continue
			}
			was := lists[1][at].DeepCopy()
			if same && now.isOurs(c) {
				keepAdditions(c, was)
			}
			c.VolumeMounts = reorder(c.VolumeMounts, was.VolumeMounts, func(m corev1.VolumeMount) string { return m.MountPath })
		}
	}
	// A native sidecar has to come first to see the init containers' files; a
	// plain one is as good anywhere.
	spec.Containers = reorder(spec.Containers, old.Containers, name)
}

// keepAdditions gives our container what others added to it.
func keepAdditions(c, was *corev1.Container) {
	for _, e := range was.Env {
		if lastEnv(c.Env, e.Name) < 0 {
			c.Env = append(c.Env, e)
		}
	}
	c.Env = reorder(c.Env, was.Env, func(e corev1.EnvVar) string { return e.Name })
	for i := range c.Env { // a field reference's apiVersion is a default
		if at := lastEnv(was.Env, c.Env[i].Name); defaulted(c.Env[i], was.Env[at]) {
			c.Env[i] = was.Env[at]
		}
	}
	for _, m := range was.VolumeMounts {
		if !slices.ContainsFunc(c.VolumeMounts, func(n corev1.VolumeMount) bool { return n.MountPath == m.MountPath }) {
			c.VolumeMounts = append(c.VolumeMounts, m)
		}
	}
	c.Resources.Requests = union(c.Resources.Requests, was.Resources.Requests)
	c.Resources.Limits = union(c.Resources.Limits, was.Resources.Limits)
	if was.SecurityContext != nil && c.SecurityContext.SELinuxOptions == nil {
		c.SecurityContext.SELinuxOptions = was.SecurityContext.SELinuxOptions
	}
	if was.SecurityContext != nil && c.SecurityContext.RunAsUser == nil {
		c.SecurityContext.RunAsUser = was.SecurityContext.RunAsUser
	}
}

// defaulted tells whether was is e with the API server's defaults.
func defaulted(e, was corev1.EnvVar) bool {
	d := e.DeepCopy()
	if d.ValueFrom != nil && d.ValueFrom.FieldRef != nil && d.ValueFrom.FieldRef.APIVersion == "" {
		d.ValueFrom.FieldRef.APIVersion = "v1"
	}
	return sameJSON(d, &was)
}

func union(ours, theirs corev1.ResourceList) corev1.ResourceList {
	for name, q := range theirs {
		if _, ok := ours[name]; !ok {
			if ours == nil {
				ours = corev1.ResourceList{}
			}
			ours[name] = q
		}
	}
	return ours
}

// reorder is list in the order of old, where both have the same elements.
func reorder[T any](list, old []T, key func(T) string) []T {
	if len(list) == 0 || len(list) != len(old) {
		return list
	}
	place := map[string]int{}
	for i, e := range old {
		place[key(e)] = i
	}
	if len(place) != len(old) {
		return list
	}
	out := make([]T, len(list))
	for _, e := range list {
		i, ok := place[key(e)]
		if !ok {
			return list
		}
		out[i] = e
		delete(place, key(e))
	}
	return out
}
