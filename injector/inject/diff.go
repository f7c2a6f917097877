package inject

import (
	"bytes"
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strings"

	"gomodules.xyz/jsonpatch/v2"
)

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
	all := maps.Clone(b)
	maps.Copy(all, a)
	for _, key := range slices.Sorted(maps.Keys(all)) {
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
	p := &patch{ops: ops}
	bNames, okB := names(b)
	aNames, okA := names(a)
	l := lists{
		before: bNames, after: aNames,
		value:   func(j int) any { return a[j] },
		element: func(path string, i, j int) { p.ops = diff(p.ops, path, b[i], a[j]) },
	}
	if okB && okA && l.patch(p, path) || reflect.DeepEqual(b, a) {
		return p.ops
	}
	return append(ops, jsonpatch.NewOperation("replace", path, a))
}

// names fails for a list whose elements have no names.
func names(list []any) ([]string, bool) {
	out := make([]string, len(list))
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
		out[i] = name
	}
	return numbered(out), true
}
