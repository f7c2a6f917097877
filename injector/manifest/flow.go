package manifest

import (
	"encoding/json"
	"strings"

	"gomodules.xyz/jsonpatch/v2"
	"gopkg.in/yaml.v3"
)

// editFlow applies an operation inside a mapping or list in flow style, such as
// {a: 1, b: 2}, which may stand in the middle of a line.
func editFlow(text string, at place, op jsonpatch.Operation) (string, error) {
	n := at.parent
	start := offset(text, n)
	if start >= len(text) || text[start] != '{' && text[start] != '[' {
		return "", errFlow
	}
	raw, err := json.Marshal(op.Value)
	if err != nil {
		return "", err
	}
	value := string(raw)
	step, at0 := 1, at.index // nodes of an entry; the entry's first node
	if n.Kind == yaml.MappingNode {
		step, at0 = 2, at.index-1
		if at.index < 0 {
			key, err := json.Marshal(at.key)
			if err != nil {
				return "", err
			}
			value, at0 = string(key)+": "+value, 0 // a new key comes first
		}
	}
	isNew := at.index < 0 || op.Operation == "add" && n.Kind == yaml.SequenceNode
	last := len(n.Content) - step
	switch {
	case isNew && len(n.Content) == 0:
		return text[:start+1] + value + text[start+1:], nil
	case isNew && at0 <= last:
		i := offset(text, n.Content[at0])
		return text[:i] + value + ", " + text[i:], nil
	case isNew:
		i := flowEnd(text, n.Content[last])
		return text[:i] + ", " + value + text[i:], nil
	case op.Operation != "remove":
		v := n.Content[at.index]
		return text[:offset(text, v)] + value + text[flowEnd(text, v):], nil
	case at0 < last:
		return text[:offset(text, n.Content[at0])] + text[offset(text, n.Content[at0+step]):], nil
	case at0 > 0:
		return text[:flowEnd(text, n.Content[at0-1])] + text[flowEnd(text, n.Content[at.index]):], nil
	}
	return text[:start+1] + text[flowEnd(text, n.Content[at.index]):], nil
}

// offset is where a node begins in the text. The parser counts characters.
func offset(text string, n *yaml.Node) int {
	at := 0
	for range n.Line - 1 {
		at += strings.IndexByte(text[at:], '\n') + 1
	}
	column := 1
	for i := range text[at:] {
		if column == n.Column {
			return at + i
		}
		column++
	}
	return len(text)
}

// flowEnd is where a node inside a mapping or list in flow style ends.
func flowEnd(text string, n *yaml.Node) int {
	start := offset(text, n)
	depth := 0
	for i := start; i < len(text); i++ {
		switch c := text[i]; c {
		case '"', '\'':
			if depth == 0 && i > start {
				continue // in the middle of a plain scalar
			}
			if i = quoteEnd(text, i); depth == 0 {
				return i
			}
			i--
		case '{', '[':
			depth++
		case '}', ']', ',':
			if c != ',' {
				depth--
			}
			if c != ',' && depth == 0 {
				return i + 1
			}
			if depth < 0 || c == ',' && depth == 0 {
				return start + len(strings.TrimRight(text[start:i], " \t\r\n"))
			}
		}
	}
	return len(text)
}

// quoteEnd is where the quoted text that begins at i ends.
func quoteEnd(text string, i int) int {
	quote := text[i]
	for i++; i < len(text); i++ {
		switch {
		case quote == '"' && text[i] == '\\':
			i++
		case quote == '\'' && strings.HasPrefix(text[i:], "''"):
			i++
		case text[i] == quote:
			return i + 1
		}
	}
	return len(text)
}
