package inject

import (
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"logging.taco/injector/annotation"
)

// inject is the whole way from the request to the pod; nil: denied.
func (w *work) inject() *corev1.Pod {
	w.limits()
	w.lifecycle()
	w.resolve()
	w.volumes()
	w.group()
	w.metrics()
	for _, g := range w.groups {
		w.gather(g)
	}
	if w.r.Denied() {
		return nil
	}
	for _, g := range w.groups {
		g.config = w.config(g)
	}
	if w.checkConfigs(); w.r.Denied() {
		return nil
	}
	w.warnGrace()
	w.warnProxy()
	w.warnNames()
	w.warnResources()
	for _, g := range w.groups {
		w.sidecars = append(w.sidecars, w.sidecar(g))
	}
	w.hintLimits()
	w.explain()
	return w.build()
}

// build puts everything into a copy of the pod. The copy shares what stays as it
// is, which makes it cheap, also to compare; nothing that is shared is written to.
func (w *work) build() *corev1.Pod {
	pod := new(*w.base)
	pod.Annotations = maps.Clone(w.base.Annotations)
	pod.Spec.Volumes, pod.Spec.InitContainers, pod.Spec.Containers = slices.Clone(w.base.Spec.Volumes), slices.Clone(w.base.Spec.InitContainers), slices.Clone(w.base.Spec.Containers)
	st := &status{Version: statusVersion, Owners: map[string]string{}}
	spec := &pod.Spec
	if w.native {
		st.noteEmpty(listInit, spec.InitContainers != nil && len(spec.InitContainers) == 0)
		at, _ := w.afterProxy()
		n := slices.IndexFunc(w.groups, func(g *group) bool { return g.output != nil })
		if n < 0 {
			n = len(w.groups)
		}
		streaming, shipping := w.sidecars[:n], w.sidecars[n:]
		spec.InitContainers = slices.Insert(spec.InitContainers, at, copies(shipping)...)
		spec.InitContainers = slices.Insert(spec.InitContainers, 0, copies(streaming)...)
	} else {
		spec.Containers = append(spec.Containers, copies(w.sidecars)...)
	}
	st.noteEmpty(listVolumes, spec.Volumes != nil && len(spec.Volumes) == 0)
	spec.Volumes = append(spec.Volumes, emptyDir(stateVolume, w.stateLimit()))
	spec.Volumes = append(spec.Volumes, w.shipVolumes()...)
	for _, f := range w.folders {
		spec.Volumes = append(spec.Volumes, emptyDir(f.volume, w.sizeLimit()))
	}
	for _, c := range w.sidecars {
		st.Containers = append(st.Containers, c.Name)
	}
	added := spec.Volumes[len(w.base.Spec.Volumes):]
	for _, v := range added {
		st.Volumes = append(st.Volumes, v.Name)
	}
	for _, list := range [][]corev1.Container{spec.InitContainers, spec.Containers} {
		for i := range list {
			for _, f := range w.folders {
				if c := &list[i]; c.Name == f.owner.Name {
					st.noteEmpty(listMounts+c.Name, c.VolumeMounts != nil && len(c.VolumeMounts) == 0)
					c.VolumeMounts = append(slices.Clip(c.VolumeMounts), f.mount())
					st.Mounts = append(st.Mounts, statusMount{c.Name, f.volume, f.path})
				}
			}
		}
	}
	for _, s := range w.sources {
		if s.Container == "" {
			st.Owners[s.Pattern] = s.owner.Name
		}
	}
	st.Plan = fingerprint(w.sidecars, added, st.Mounts)
	pod.Annotations[annotation.Status] = st.text()
	return pod
}

func (st *status) noteEmpty(list string, empty bool) {
	if empty {
		st.Empty = append(st.Empty, list)
	}
}

func copies(list []corev1.Container) []corev1.Container {
	out := make([]corev1.Container, len(list))
	for i := range list {
		list[i].DeepCopyInto(&out[i])
	}
	return out
}

func emptyDir(name string, limit resource.Quantity) corev1.Volume {
	limit = limit.DeepCopy()
	return corev1.Volume{Name: name, VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{SizeLimit: &limit}}}
}

func (w *work) sizeLimit() resource.Quantity {
	if w.req.SizeLimit != nil {
		return *w.req.SizeLimit
	}
	return w.profile.SizeLimit
}
