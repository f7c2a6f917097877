package inject

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"gomodules.xyz/jsonpatch/v2"
	corev1 "k8s.io/api/core/v1"
)

// Patch is the JSON patch that makes before into after. It touches nothing but
// what differs: elements of lists are told apart by their names, so that an
// element that came in shifts its neighbours instead of replacing them, and
// fields that this program does not know survive in the raw object. The same
// pods give the same operations.
//
// What Inject changes, annotations, volumes, containers and their mounts, is
// compared as it is; the rest, if it ever differs, as JSON.
func Patch(before, after *corev1.Pod) ([]jsonpatch.Operation, error) {
	p := &patch{}
	p.generic("", rest(before), rest(after))
	p.texts("/metadata/annotations", before.Annotations, after.Annotations)
	b, a := &before.Spec, &after.Spec
	patchList(p, "/spec/containers", b.Containers, a.Containers, containerName, p.container)
	patchList(p, "/spec/initContainers", b.InitContainers, a.InitContainers, containerName, p.container)
	patchList(p, "/spec/volumes", b.Volumes, a.Volumes, volumeName, func(at string, b, a *corev1.Volume) { p.generic(at, b, a) })
	if p.err != nil {
		return nil, fmt.Errorf("make the patch: %w", p.err)
	}
	return p.ops, nil
}

// patch is one that is being made.
type patch struct {
	ops []jsonpatch.Operation
	err error // the first one
}

func (p *patch) add(operation, path string, value any) {
	p.ops = append(p.ops, jsonpatch.NewOperation(operation, path, value))
}

// rest is the pod without what Patch compares by itself.
func rest(pod *corev1.Pod) *corev1.Pod {
	r := new(*pod)
	r.Annotations = nil
	r.Spec.Volumes, r.Spec.InitContainers, r.Spec.Containers = nil, nil, nil
	return r
}

func volumeName(v *corev1.Volume) string { return v.Name }

func containerName(c *corev1.Container) string { return c.Name }

// mountName tells mounts apart by their path too, for a volume may be mounted twice.
func mountName(m *corev1.VolumeMount) string { return m.Name + "\x00" + m.MountPath }

func (p *patch) container(at string, b, a *corev1.Container) {
	withoutMounts := [2]corev1.Container{*b, *a}
	for i := range withoutMounts {
		withoutMounts[i].VolumeMounts = nil
	}
	p.generic(at, &withoutMounts[0], &withoutMounts[1])
	patchList(p, at+"/volumeMounts", b.VolumeMounts, a.VolumeMounts, mountName, func(at string, b, a *corev1.VolumeMount) { p.generic(at, b, a) })
}

// generic compares as JSON what is not equal anyway.
func (p *patch) generic(at string, b, a any) {
	if p.err != nil || reflect.DeepEqual(b, a) {
		return
	}
	was, err := generic(b)
	if err != nil {
		p.err = err
		return
	}
	is, err := generic(a)
	if err != nil {
		p.err = err
		return
	}
	p.ops = diffObject(p.ops, at, was, is)
}

// texts compares maps of texts.
func (p *patch) texts(at string, b, a map[string]string) {
	switch {
	case len(b) == 0 && len(a) == 0:
		return
	case len(b) == 0:
		p.add("add", at, a)
		return
	case len(a) == 0:
		p.add("remove", at, nil)
		return
	}
	all := maps.Clone(b)
	maps.Copy(all, a)
	for _, key := range slices.Sorted(maps.Keys(all)) {
		bv, inB := b[key]
		av, inA := a[key]
		switch path := at + "/" + escape.Replace(key); {
		case !inA:
			p.add("remove", path, nil)
		case !inB:
			p.add("add", path, av)
		case bv != av:
			p.add("replace", path, av)
		}
	}
}

// patchList compares lists whose elements have names. Lists that are empty but
// there are so in the raw object too.
func patchList[T any](p *patch, at string, b, a []T, name func(*T) string, element func(at string, b, a *T)) {
	switch {
	case b == nil && a == nil:
		return
	case b == nil:
		p.add("add", at, a)
		return
	case a == nil:
		p.add("remove", at, nil)
		return
	}
	namesOf := func(list []T) []string {
		names := make([]string, len(list))
		for i := range list {
			names[i] = name(&list[i])
		}
		return numbered(names)
	}
	l := lists{
		before: namesOf(b), after: namesOf(a),
		value:   func(i int) any { return a[i] },
		element: func(at string, i, j int) { element(at, &b[i], &a[j]) },
	}
	if !l.patch(p, at) && !reflect.DeepEqual(b, a) {
		p.add("replace", at, a)
	}
}

// lists are two lists by the names of their elements.
type lists struct {
	before, after []string
	value         func(j int) any             // of an element of after
	element       func(path string, i, j int) // patches element i of before to be j of after
}

// patch makes one list into the other, element by element; false: the order of
// those that stay is another, and that of others is not ours to keep apart.
func (l lists) patch(p *patch, path string) bool {
	was, stays := map[string]int{}, map[string]bool{}
	for i, n := range l.before {
		was[n] = i
	}
	for _, n := range l.after {
		_, stays[n] = was[n]
	}
	if !sameOrder(l.before, l.after, stays) {
		// Ours move, the neighbours do not: a moved element is written anew.
		for n := range stays {
			stays[n] = stays[n] && !strings.HasPrefix(n, namePrefix)
		}
	}
	if !sameOrder(l.before, l.after, stays) {
		return false
	}
	kept := 0 // the length of the list as the operations so far have made it
	for i := len(l.before) - 1; i >= 0; i-- {
		if stays[l.before[i]] {
			kept++
		} else {
			p.add("remove", fmt.Sprintf("%s/%d", path, i), nil)
		}
	}
	for j, n := range l.after {
		switch {
		case stays[n]:
			l.element(fmt.Sprintf("%s/%d", path, j), was[n], j)
			continue
		case j == kept:
			p.add("add", path+"/-", l.value(j))
		default:
			p.add("add", fmt.Sprintf("%s/%d", path, j), l.value(j))
		}
		kept++
	}
	return true
}

// numbered tells namesakes, which no valid pod has, apart by their order.
func numbered(names []string) []string {
	seen := map[string]int{}
	for i, n := range names {
		if seen[n]++; seen[n] > 1 {
			names[i] = fmt.Sprintf("%s\x00%d", n, seen[n])
		}
	}
	return names
}

// sameOrder tells whether those that stay follow one another alike in both lists.
func sameOrder(b, a []string, stays map[string]bool) bool {
	var order []string
	for _, n := range b {
		if stays[n] {
			order = append(order, n)
		}
	}
	for _, n := range a {
		if stays[n] {
			if order[0] != n {
				return false
			}
			order = order[1:]
		}
	}
	return true
}
