package inject

import (
	"reflect"

	corev1 "k8s.io/api/core/v1"
)

// reduce gives copies of two pods without most of what is equal in both: what a
// patch is not about need not become JSON. Elements of lists stay, with their names.
func reduce(before, after *corev1.Pod) (b, a *corev1.Pod) {
	b, a = new(*before), new(*after)

	annotations := [2]map[string]string{b.Annotations, a.Annotations}
	b.Annotations, a.Annotations = nil, nil
	same(&b.ObjectMeta, &a.ObjectMeta)
	b.Annotations, a.Annotations = annotations[0], annotations[1]
	same(&b.Status, &a.Status)

	lists := [2]corev1.PodSpec{b.Spec, a.Spec}
	for _, spec := range []*corev1.PodSpec{&b.Spec, &a.Spec} {
		spec.Volumes, spec.InitContainers, spec.Containers = nil, nil, nil
	}
	same(&b.Spec, &a.Spec)
	name := func(v *corev1.Volume) string { return v.Name }
	b.Spec.Volumes, a.Spec.Volumes = reduceList(lists[0].Volumes, lists[1].Volumes, name, reduceVolume)
	b.Spec.InitContainers, a.Spec.InitContainers = reduceList(lists[0].InitContainers, lists[1].InitContainers, containerName, reduceContainer)
	b.Spec.Containers, a.Spec.Containers = reduceList(lists[0].Containers, lists[1].Containers, containerName, reduceContainer)
	return b, a
}

// same empties two values that are equal.
func same[T any](b, a *T) {
	if reflect.DeepEqual(b, a) {
		*b, *a = *new(T), *new(T)
	}
}

// reduceList reduces the elements that have the same name, and of namesakes the
// same place among them.
func reduceList[T any](before, after []T, name func(*T) string, reduce func(b, a *T)) (b, a []T) {
	type place struct {
		name string
		nth  int
	}
	if before == nil || after == nil {
		return before, after
	}
	b, a = append([]T{}, before...), append([]T{}, after...)
	places, seen := map[place]*T{}, map[string]int{}
	for i := range b {
		n := name(&b[i])
		places[place{n, seen[n]}] = &b[i]
		seen[n]++
	}
	clear(seen)
	for i := range a {
		n := name(&a[i])
		if e := places[place{n, seen[n]}]; e != nil {
			reduce(e, &a[i])
		}
		seen[n]++
	}
	return b, a
}

func reduceVolume(b, a *corev1.Volume) { same(&b.VolumeSource, &a.VolumeSource) }

func containerName(c *corev1.Container) string { return c.Name }

func reduceContainer(b, a *corev1.Container) {
	name, mounts := b.Name, [2][]corev1.VolumeMount{b.VolumeMounts, a.VolumeMounts}
	b.VolumeMounts, a.VolumeMounts = nil, nil
	same(b, a)
	b.Name, a.Name = name, name
	b.VolumeMounts, a.VolumeMounts = mounts[0], mounts[1]
	if reflect.DeepEqual(mounts[0], mounts[1]) {
		b.VolumeMounts, a.VolumeMounts = nil, nil
	}
}
