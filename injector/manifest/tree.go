package manifest

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"gomodules.xyz/jsonpatch/v2"
	"gopkg.in/yaml.v3"
)

// place is where an operation works: a node and the key or index in it.
type place struct {
	parent *yaml.Node
	key    string
	// index in parent.Content of the value; -1: there is none yet. For a
	// sequence it is where the value is or will be.
	index int
	// holder and holderIndex are the key of parent and its place, where parent
	// is the value of a key.
	holder *yaml.Node
}

var unescape = strings.NewReplacer("~1", "/", "~0", "~")

// locate follows a JSON pointer to the node that its last step is in.
func locate(root *yaml.Node, pointer string) (place, error) {
	p := place{parent: root}
	steps := strings.Split(strings.TrimPrefix(pointer, "/"), "/")
	for i, step := range steps {
		p.key = unescape.Replace(step)
		p.index = -1
		var holder *yaml.Node
		switch p.parent.Kind {
		case yaml.MappingNode:
			for j := 0; j+1 < len(p.parent.Content); j += 2 {
				if p.parent.Content[j].Value == p.key {
					holder, p.index = p.parent.Content[j], j+1
				}
			}
		case yaml.SequenceNode:
			n, err := strconv.Atoi(p.key)
			if p.key == "-" {
				n, err = len(p.parent.Content), nil
			}
			if err != nil || n < 0 || n > len(p.parent.Content) {
				return p, fmt.Errorf("%s: no such element", pointer)
			}
			p.index = n
		default:
			return p, fmt.Errorf("%s: not an object or a list", pointer)
		}
		if i == len(steps)-1 {
			return p, nil
		}
		if p.index < 0 || p.index >= len(p.parent.Content) {
			return p, fmt.Errorf("%s: no such place", pointer)
		}
		p.parent, p.holder = p.parent.Content[p.index], holder
	}
	return p, errors.New("an empty pointer")
}

// editTree applies a patch to a tree.
func editTree(root *yaml.Node, ops []jsonpatch.Operation) error {
	for _, op := range ops {
		p, err := locate(root, op.Path)
		if err != nil {
			return err
		}
		if p.parent.Kind == yaml.SequenceNode && len(p.parent.Content) == 0 {
			p.parent.Style &^= yaml.FlowStyle // [] before
		}
		var value yaml.Node
		if op.Operation != "remove" {
			text, err := render(op.Value)
			if err != nil {
				return err
			}
			var doc yaml.Node
			if err := yaml.Unmarshal([]byte(text), &doc); err != nil {
				return err
			}
			value = *doc.Content[0]
		}
		list := p.parent.Kind == yaml.SequenceNode
		switch {
		case op.Operation == "remove" && list:
			p.parent.Content = slices.Delete(p.parent.Content, p.index, p.index+1)
		case op.Operation == "remove":
			p.parent.Content = slices.Delete(p.parent.Content, p.index-1, p.index+1)
		case op.Operation == "add" && list:
			p.parent.Content = slices.Insert(p.parent.Content, p.index, &value)
		case p.index < 0:
			key := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: p.key}
			p.parent.Content = append(p.parent.Content, key, &value)
		default:
			p.parent.Content[p.index] = &value
		}
	}
	return nil
}
