package manifest

import (
	"regexp"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// page is a document's lines, each with its end, and its tree. What has been put
// in is in the tree as a stub, of which only the place is right.
type page struct {
	lines   []string
	newline string
	root    *yaml.Node
	within  *yaml.Node // the part of root that is changed now; what is behind it has been
	changed bool       // root is not as it was parsed
}

// oddBreak is what the parser counts as the end of a line, and a page does not.
var oddBreak = regexp.MustCompile("\r[^\n]|\r$|[\u0085\u2028\u2029]")

func newPage(text string, root *yaml.Node) *page {
	p := &page{lines: strings.SplitAfter(text, "\n"), newline: "\n", root: root}
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

func (p *page) text() string { return strings.Join(p.lines, "") }

// begin finds the part of the tree that a change is about.
func (p *page) begin(c change) error {
	p.within = p.root
	if c.at == "" {
		return nil
	}
	at, err := locate(p.root, c.at)
	if err != nil || at.index < 0 || at.index >= len(at.parent.Content) {
		return errFlow
	}
	p.within = at.parent.Content[at.index]
	return nil
}

// parse begins the page anew, in the middle of a change.
func (p *page) parse(text string, c change) error {
	var doc yaml.Node
	if err := yaml.Unmarshal([]byte(text), &doc); err != nil {
		return err
	}
	if len(doc.Content) == 0 {
		return errFlow
	}
	*p = *newPage(text, doc.Content[0])
	return p.begin(c)
}

// insert puts a rendered value before a line.
func (p *page) insert(line, indent int, value any) error {
	text, err := render(value)
	if err != nil {
		return err
	}
	var added []string
	margin := strings.Repeat(" ", indent)
	for l := range strings.Lines(text) {
		added = append(added, margin+strings.TrimSuffix(l, "\n")+p.newline)
	}
	p.lines = slices.Insert(p.lines, line, added...)
	p.shift(line, len(added))
	return nil
}

func (p *page) delete(start, end int) {
	p.lines = slices.Delete(p.lines, start, end)
	p.shift(end, start-end)
}

// shift moves the nodes at or behind a line, as far as they are still needed.
func (p *page) shift(line, by int) {
	p.changed = true
	var move func(*yaml.Node)
	move = func(n *yaml.Node) {
		if n.Line > line {
			n.Line += by
		}
		for _, c := range n.Content {
			move(c)
		}
	}
	move(p.within)
}

// end is the line after the last one of an entry or item that starts in a line,
// at an indentation. Comments and empty lines behind it are not part of it.
func (p *page) end(start, indent int, value *yaml.Node) int {
	end := start + 1
	leaf := lastLeaf(value)
	text := leaf.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0
	kept := text && strings.HasSuffix("\n"+leaf.Value, "\n\n") // |+: empty lines are its own
	for i := start + 1; i < len(p.lines); i++ {
		line := strings.TrimRight(p.lines[i], " \t\r\n")
		content := strings.TrimLeft(line, " ")
		deeper := len(line)-len(content) > indent
		switch {
		case content == "":
			if kept && end == i {
				end = i + 1
			}
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
