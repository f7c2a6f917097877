package inject

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"gomodules.xyz/jsonpatch/v2"
	corev1 "k8s.io/api/core/v1"
)

// Patch is the JSON patch that makes before into after. It touches nothing but
// what differs: elements of lists are told apart by their names, so that an
// element that came in shifts its neighbours instead of replacing them, and
// fields that this program does not know survive in the raw object. The same
// pods give the same operations.
func Patch(before, after *corev1.Pod) ([]jsonpatch.Operation, error) {
	before, after = reduce(before, after)
	b, err := tree(before)
	if err != nil {
		return nil, fmt.Errorf("make the patch: %w", err)
	}
	a, err := tree(after)
	if err != nil {
		return nil, fmt.Errorf("make the patch: %w", err)
	}
	return diffObject(nil, "", b, a), nil
}

// tree is the pod as JSON sees it. Lists that Inject touches and that are empty
// but there stay there, as they may in the raw object.
func tree(pod *corev1.Pod) (map[string]any, error) {
	t, err := generic(pod)
	if err != nil {
		return nil, err
	}
	spec, ok := t["spec"].(map[string]any)
	if !ok {
		return t, nil
	}
	keep := func(in any, key string, there bool) {
		if m, ok := in.(map[string]any); ok && there && m[key] == nil {
			m[key] = []any{}
		}
	}
	keep(spec, "volumes", pod.Spec.Volumes != nil)
	for key, list := range map[string][]corev1.Container{"containers": pod.Spec.Containers, "initContainers": pod.Spec.InitContainers} {
		keep(spec, key, list != nil)
		for i := range list {
			keep(spec[key].([]any)[i], "volumeMounts", list[i].VolumeMounts != nil)
		}
	}
	return t, nil
}

// generic is v as maps, slices and numbers in their own digits.
func generic(v any) (map[string]any, error) {
	raw, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	var t map[string]any
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	err = d.Decode(&t)
	return t, err
}

// escape makes a key a token of a JSON pointer.
var escape = strings.NewReplacer("~", "~0", "/", "~1")

func diff(ops []jsonpatch.Operation, path string, b, a any) []jsonpatch.Operation {
	switch bv := b.(type) {
	case map[string]any:
		if av, ok := a.(map[string]any); ok {
			return diffObject(ops, path, bv, av)
		}
	case []any:
		if av, ok := a.([]any); ok {
			return diffList(ops, path, bv, av)
		}
	}
	if reflect.DeepEqual(b, a) {
		return ops
	}
	return append(ops, jsonpatch.NewOperation("replace", path, a))
}

func diffObject(ops []jsonpatch.Operation, path string, b, a map[string]any) []jsonpatch.Operation {
	keys := slices.Sorted(maps.Keys(b))
	for key := range a {
		if _, ok := b[key]; !ok {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	for _, key := range keys {
		at := path + "/" + escape.Replace(key)
		bv, inB := b[key]
		av, inA := a[key]
		switch {
		case !inA:
			ops = append(ops, jsonpatch.NewOperation("remove", at, nil))
		case !inB:
			ops = append(ops, jsonpatch.NewOperation("add", at, av))
		default:
			ops = diff(ops, at, bv, av)
		}
	}
	return ops
}

// diffList compares lists whose elements have names; others are replaced as a
// whole when they differ, as Inject never changes them.
func diffList(ops []jsonpatch.Operation, path string, b, a []any) []jsonpatch.Operation {
	bNames, okB := names(b)
	aNames, okA := names(a)
	stays, was := map[string]bool{}, map[string]any{}
	if okB && okA {
		for i, n := range bNames {
			was[n] = b[i]
		}
		for _, n := range aNames {
			_, stays[n] = was[n]
		}
		if !sameOrder(bNames, aNames, stays) {
			// Ours move, the neighbours do not: a moved element is written anew.
			for n := range stays {
				stays[n] = stays[n] && !strings.HasPrefix(n, namePrefix)
			}
		}
	}
	if !okB || !okA || !sameOrder(bNames, aNames, stays) {
		if reflect.DeepEqual(b, a) {
			return ops
		}
		return append(ops, jsonpatch.NewOperation("replace", path, a))
	}
	for i := len(b) - 1; i >= 0; i-- {
		if !stays[bNames[i]] {
			ops = append(ops, jsonpatch.NewOperation("remove", path+"/"+strconv.Itoa(i), nil))
		}
	}
	kept := 0 // the length of the list as the operations so far have made it
	for _, n := range bNames {
		if stays[n] {
			kept++
		}
	}
	for i, n := range aNames {
		at := path + "/" + strconv.Itoa(i)
		switch {
		case stays[n]:
			ops = diff(ops, at, was[n], a[i])
		case i == kept:
			ops = append(ops, jsonpatch.NewOperation("add", path+"/-", a[i]))
			kept++
		default:
			ops = append(ops, jsonpatch.NewOperation("add", at, a[i]))
			kept++
		}
	}
	return ops
}

// names tells elements apart: by name, mounts by their path too, for a volume may
// be mounted twice, and namesakes, which no valid pod has, by their order. It
// fails for a list whose elements have no names.
func names(list []any) ([]string, bool) {
	out := make([]string, len(list))
	seen := map[string]int{}
	for i, e := range list {
		m, ok := e.(map[string]any)
		if !ok {
			return nil, false
		}
		name, ok := m["name"].(string)
		if !ok {
			return nil, false
		}
		if at, ok := m["mountPath"].(string); ok {
			name += "\x00" + at
		}
		if seen[name]++; seen[name] > 1 {
			name += "\x00" + strconv.Itoa(seen[name])
		}
		out[i] = name
	}
	return out, true
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
