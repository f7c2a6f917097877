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

// editLines applies a patch to the lines of a document in block style. It works
// from the lines that the parser gives for nodes and finds where they end by
// indentation; its caller checks that the result means what it should.
func editLines(text string, ops []jsonpatch.Operation) (string, error) {
	for _, op := range ops {
		var root yaml.Node
		if err := yaml.Unmarshal([]byte(text), &root); err != nil {
			return "", err
		}
		at, err := locate(root.Content[0], op.Path)
		if err != nil {
			return "", err
		}
		p := newPage(text)
		if at.parent.Style&yaml.FlowStyle != 0 && (len(at.parent.Content) > 0 || at.holder == nil || !p.opens(at.holder)) {
			if text, err = editFlow(text, at, op); err != nil {
				return "", err
			}
			continue
		}
		if at.parent.Kind == yaml.MappingNode {
			err = p.editMapping(at, op)
		} else {
			err = p.editList(at, op)
		}
		if err != nil {
			return "", err
		}
		text = strings.Join(p.lines, "")
	}
	return text, nil
}

// page is a document's lines, each with its end.
type page struct {
	lines   []string
	newline string
}

func newPage(text string) *page {
	p := &page{lines: strings.SplitAfter(text, "\n"), newline: "\n"}
	if strings.Contains(text, "\r\n") {
		p.newline = "\r\n"
	}
	if last := len(p.lines) - 1; p.lines[last] == "" {
		p.lines = p.lines[:last]
	} else {
		p.lines[last] += p.newline
	}
	return p
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
		line := p.end(m.Content[last].Line-1, indent, m.Content[last+1])
		if before := keyOf(m, "containers"); at.key == "initContainers" && before != nil {
			line = p.above(before.Line - 1)
		}
		return p.insert(line, indent, entry)
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
		p.lines = slices.Delete(p.lines, start, end)
		return nil
	}
	p.lines = slices.Delete(p.lines, start, end)
	return p.insert(start, indent, entry)
}

func (p *page) editList(at place, op jsonpatch.Operation) error {
	list := at.parent
	if len(list.Content) == 0 {
		if op.Operation != "add" {
			return errFlow
		}
		p.open(at.holder)
		return p.insert(at.holder.Line, at.holder.Column-1, []any{op.Value})
	}
	indent := list.Column - 1
	if op.Operation == "add" && at.index == len(list.Content) {
		last := list.Content[at.index-1]
		return p.insert(p.end(p.dash(last, indent), indent, last), indent, []any{op.Value})
	}
	item := list.Content[at.index]
	start := p.dash(item, indent)
	if op.Operation == "add" {
		return p.insert(p.above(start), indent, []any{op.Value})
	}
	p.lines = slices.Delete(p.lines, start, p.end(start, indent, item))
	if op.Operation == "replace" {
		return p.insert(start, indent, []any{op.Value})
	}
	if len(list.Content) == 1 && (at.holder == nil || !p.close(at.holder)) {
		return errFlow
	}
	return nil
}

// insert puts a rendered value before a line.
func (p *page) insert(line, indent int, value any) error {
	text, err := render(value)
	if err != nil {
		return err
	}
	var added []string
	for l := range strings.Lines(text) {
		added = append(added, strings.Repeat(" ", indent)+strings.TrimSuffix(l, "\n")+p.newline)
	}
	p.lines = slices.Insert(p.lines, line, added...)
	return nil
}

// end is the line after the last one of an entry or item that starts in a line,
// at an indentation. Comments and empty lines behind it are not part of it.
func (p *page) end(start, indent int, value *yaml.Node) int {
	end := start + 1
	text := lastLeaf(value).Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0
	for i := start + 1; i < len(p.lines); i++ {
		line := strings.TrimRight(p.lines[i], " \t\r\n")
		content := strings.TrimLeft(line, " ")
		deeper := len(line)-len(content) > indent
		switch {
		case content == "":
		case content[0] == '#' && (!deeper || !text):
		case deeper, isDash(line, indent) && value.Kind == yaml.SequenceNode && value.Column-1 == indent:
			end = i + 1
		default:
			return end
		}
	}
	return end
}

// above is the first of the comment lines that stand right above a line.
func (p *page) above(line int) int {
	for line > 0 && strings.HasPrefix(strings.TrimLeft(p.lines[line-1], " "), "#") {
		line--
	}
	return line
}

// dash is the line of an item's dash.
func (p *page) dash(item *yaml.Node, indent int) int {
	line := item.Line - 1
	for line > 0 && !isDash(p.lines[line], indent) {
		line--
	}
	return line
}

func isDash(line string, indent int) bool {
	return len(line) > indent && line[indent] == '-' && strings.TrimSpace(line[:indent]) == ""
}

// opens tells whether a line is "key: []", open makes it into "key:", and close
// back again.
func (p *page) opens(key *yaml.Node) bool {
	return strings.HasSuffix(strings.TrimRight(p.lines[key.Line-1], " \t\r\n"), ": []")
}

func (p *page) open(key *yaml.Node) {
	line := strings.TrimRight(p.lines[key.Line-1], " \t\r\n")
	p.lines[key.Line-1] = strings.TrimSuffix(line, " []") + p.newline
}

func (p *page) close(key *yaml.Node) bool {
	line := strings.TrimRight(p.lines[key.Line-1], " \t\r\n")
	p.lines[key.Line-1] = line + " []" + p.newline
	return strings.HasSuffix(line, ":")
}

func keyOf(m *yaml.Node, key string) *yaml.Node {
	for i := 0; i+1 < len(m.Content); i += 2 {
		if m.Content[i].Value == key {
			return m.Content[i]
		}
	}
	return nil
}

func lastLeaf(n *yaml.Node) *yaml.Node {
	for len(n.Content) > 0 {
		n = n.Content[len(n.Content)-1]
	}
	return n
}
