package manifest

import (
	"errors"
	"slices"
	"strings"

	"gomodules.xyz/jsonpatch/v2"
	"gopkg.in/yaml.v3"
)

// errFlow is for places that are not in lines of their own.
var errFlow = errors.New("not in block style")

// edit applies a change to the lines of a document in block style. It works from
// the lines that the parser gives for nodes and finds where they end by
// indentation; its caller checks that the result means what it should. Parsing
// costs most, so lines and tree are changed together, and the text is parsed again
// only where the tree does not know enough.
func (p *page) edit(c change) error {
	if err := p.begin(c); err != nil {
		return err
	}
	for _, op := range c.ops {
		at, err := locate(p.root, op.Path)
		inFlow := err == nil && at.parent.Style&yaml.FlowStyle != 0 && (len(at.parent.Content) > 0 || at.holder == nil || !p.opens(at.holder))
		if (err != nil || inFlow) && p.changed {
			if err = p.parse(p.text(), c); err == nil {
				at, err = locate(p.root, op.Path)
			}
		}
		if err != nil {
			return err
		}
		switch {
		case inFlow:
			text, err := editFlow(p.text(), at, op)
			if err == nil {
				err = p.parse(text, c)
			}
			if err != nil {
				return err
			}
		case at.parent.Kind == yaml.MappingNode:
			if err := p.editMapping(at, op); err != nil {
				return err
			}
		default:
			if err := p.editList(at, op); err != nil {
				return err
			}
		}
	}
	return nil
}

func (p *page) editMapping(at place, op jsonpatch.Operation) error {
	m := at.parent
	if len(m.Content) == 0 {
		return errFlow
	}
	indent := m.Content[0].Column - 1
	entry := map[string]any{at.key: op.Value}
	if at.index < 0 {
		last := len(m.Content) - 2
		line, index := p.end(m.Content[last].Line-1, indent, m.Content[last+1]), len(m.Content)
		if before := keyOf(m, "containers"); at.key == "initContainers" && before != nil {
			line, index = p.above(before.Line-1), slices.Index(m.Content, before)
		}
		if err := p.insert(line, indent, entry); err != nil {
			return err
		}
		m.Content = slices.Insert(m.Content, index, stub(at.key, line, indent), stub("", line, indent+2))
		return nil
	}
	key := m.Content[at.index-1]
	start := key.Line - 1
	if strings.TrimSpace(p.lines[start][:indent]) != "" {
		return errFlow // behind the dash of a list
	}
	end := p.end(start, indent, m.Content[at.index])
	if op.Operation == "remove" {
		if len(m.Content) == 2 {
			return errFlow // what is left would be null
		}
		p.delete(start, end)
		m.Content = slices.Delete(m.Content, at.index-1, at.index+1)
		return nil
	}
	p.delete(start, end)
	if err := p.insert(start, indent, entry); err != nil {
		return err
	}
	m.Content[at.index-1], m.Content[at.index] = stub(at.key, start, indent), stub("", start, indent+2)
	return nil
}

func (p *page) editList(at place, op jsonpatch.Operation) error {
	list := at.parent
	if len(list.Content) == 0 {
		if op.Operation != "add" {
			return errFlow
		}
		p.open(at.holder)
		line, indent := at.holder.Line, at.holder.Column-1
		if err := p.insert(line, indent, []any{op.Value}); err != nil {
			return err
		}
		list.Style &^= yaml.FlowStyle
		list.Line, list.Column = line+1, indent+1
		list.Content = []*yaml.Node{stub("", line, indent+2)}
		return nil
	}
	indent := list.Column - 1
	if op.Operation == "add" {
		line := 0
		if at.index == len(list.Content) {
			last := list.Content[at.index-1]
			line = p.end(p.dash(last, indent), indent, last)
		} else {
			line = p.above(p.dash(list.Content[at.index], indent))
		}
		if err := p.insert(line, indent, []any{op.Value}); err != nil {
			return err
		}
		list.Content = slices.Insert(list.Content, at.index, stub("", line, indent+2))
		return nil
	}
	item := list.Content[at.index]
	start := p.dash(item, indent)
	p.delete(start, p.end(start, indent, item))
	if op.Operation == "replace" {
		if err := p.insert(start, indent, []any{op.Value}); err != nil {
			return err
		}
		list.Content[at.index] = stub("", start, indent+2)
		return nil
	}
	list.Content = slices.Delete(list.Content, at.index, at.index+1)
	if len(list.Content) == 0 {
		if at.holder == nil || !p.close(at.holder) {
			return errFlow
		}
		list.Style |= yaml.FlowStyle
	}
	return nil
}

// stub stands in the tree for what was put in before a line, at an indentation.
// Its style says that lines which begin with # are its own, as it has no comments.
func stub(text string, line, indent int) *yaml.Node {
	return &yaml.Node{Kind: yaml.ScalarNode, Style: yaml.LiteralStyle, Value: text, Line: line + 1, Column: indent + 1}
}
