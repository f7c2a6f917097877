package manifest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"

	"gopkg.in/yaml.v3"
)

// maxNodes and maxDepth bound what aliases may blow a document up to.
const (
	maxNodes = 1_000_000
	maxDepth = 1000
)

var errTooLarge = errors.New("the document is too large, or an alias is in itself")

// toJSON is a tree as JSON, with the tree's order of keys.
func toJSON(n *yaml.Node) ([]byte, error) {
	var w jsonWriter
	if err := w.value(n, 0); err != nil {
		return nil, err
	}
	return w.out.Bytes(), nil
}

// toJSONAsWritten is toJSON of a jsonTree, with numbers in their own digits.
func toJSONAsWritten(n *yaml.Node) ([]byte, error) {
	w := jsonWriter{asWritten: true}
	if err := w.value(n, 0); err != nil {
		return nil, err
	}
	return w.out.Bytes(), nil
}

type jsonWriter struct {
	out       bytes.Buffer
	nodes     int
	asWritten bool
	above     int // lines above the tree, for errors
}

func (w *jsonWriter) value(n *yaml.Node, depth int) error {
	if w.nodes++; w.nodes > maxNodes || depth > maxDepth {
		return errTooLarge
	}
	switch n.Kind {
	case yaml.AliasNode:
		return w.value(n.Alias, depth+1)
	case yaml.SequenceNode:
		w.out.WriteByte('[')
		for i, e := range n.Content {
			if i > 0 {
				w.out.WriteByte(',')
			}
			if err := w.value(e, depth+1); err != nil {
				return err
			}
		}
		w.out.WriteByte(']')
		return nil
	case yaml.MappingNode:
		keys, values, err := w.entries(n, depth)
		if err != nil {
			return err
		}
		w.out.WriteByte('{')
		for i, key := range keys {
			if i > 0 {
				w.out.WriteByte(',')
			}
			w.plain(key)
			w.out.WriteByte(':')
			if err := w.value(values[key], depth+1); err != nil {
				return err
			}
		}
		w.out.WriteByte('}')
		return nil
	}
	return w.scalar(n)
}

// entries are a mapping's keys in order and their values, with merged mappings
// (<<) where the mapping does not have the key itself.
func (w *jsonWriter) entries(n *yaml.Node, depth int) (keys []string, values map[string]*yaml.Node, err error) {
	if w.nodes += len(n.Content) / 2; w.nodes > maxNodes || depth > maxDepth {
		return nil, nil, errTooLarge
	}
	values = map[string]*yaml.Node{}
	var merged []*yaml.Node
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		if k.ShortTag() == "!!merge" {
			if v.Kind == yaml.AliasNode {
				v = v.Alias
			}
			if v.Kind == yaml.SequenceNode {
				merged = append(merged, v.Content...)
			} else {
				merged = append(merged, v)
			}
			continue
		}
		if k.Kind != yaml.ScalarNode {
			return nil, nil, fmt.Errorf("line %d: a key has to be a text", w.above+k.Line)
		}
		if _, ok := values[k.Value]; ok {
			return nil, nil, fmt.Errorf("line %d: the key %q is there twice", w.above+k.Line, k.Value)
		}
		keys = append(keys, k.Value)
		values[k.Value] = v
	}
	for _, m := range merged {
		if m.Kind == yaml.AliasNode {
			m = m.Alias
		}
		if m.Kind != yaml.MappingNode {
			return nil, nil, fmt.Errorf("line %d: only mappings can be merged", w.above+m.Line)
		}
		more, of, err := w.entries(m, depth+1)
		if err != nil {
			return nil, nil, err
		}
		for _, k := range more {
			if _, ok := values[k]; !ok {
				keys = append(keys, k)
				values[k] = of[k]
			}
		}
	}
	return keys, values, nil
}

func (w *jsonWriter) scalar(n *yaml.Node) error {
	tag := n.ShortTag()
	if w.asWritten && (tag == "!!int" || tag == "!!float") {
		w.out.WriteString(n.Value)
		return nil
	}
	switch tag {
	case "!!null":
		w.out.WriteString("null")
	case "!!bool":
		var b bool
		if err := n.Decode(&b); err != nil {
			return err
		}
		w.plain(b)
	case "!!int":
		var i int64
		if err := n.Decode(&i); err != nil {
			var u uint64
			if n.Decode(&u) != nil {
				return err
			}
			w.plain(u)
			return nil
		}
		w.plain(i)
	case "!!float":
		var f float64
		if err := n.Decode(&f); err != nil {
			return err
		}
		if math.IsInf(f, 0) || math.IsNaN(f) {
			return fmt.Errorf("line %d: %s is not a number that Kubernetes knows", w.above+n.Line, n.Value)
		}
		w.plain(f)
	default: // text, and dates, which Kubernetes takes for text
		if on, ok := oldBools[n.Value]; ok && n.Style == 0 && tag == "!!str" {
			w.plain(on)
			return nil
		}
		w.plain(n.Value)
	}
	return nil
}

// oldBools are what kubectl, whose YAML is 1.1, takes for true and false besides,
// where no quotes say otherwise.
var oldBools = map[string]bool{
	"y": true, "Y": true, "yes": true, "Yes": true, "YES": true, "on": true, "On": true, "ON": true,
	"n": false, "N": false, "no": false, "No": false, "NO": false, "off": false, "Off": false, "OFF": false,
}

// plain writes what cannot fail.
func (w *jsonWriter) plain(v any) {
	e := json.NewEncoder(&w.out)
	e.SetEscapeHTML(false)
	_ = e.Encode(v)
	w.out.Truncate(w.out.Len() - 1) // Encode's newline
}
