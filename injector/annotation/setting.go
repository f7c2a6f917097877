package annotation

import (
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"logging.taco/sidecar/config"
)

// lists are the settings that are lists of expressions: in an annotation one a
// line, in YAML a list. Add, the other one with several items, has KEY=VALUE in
// each line, and is a map in YAML.
var lists = []string{"drop", "keep", "redact"}

// fault is what is wrong with a value.
type fault struct {
	item   int // of a list, from 1; 0: the value as a whole
	value  string
	reason string
}

// set takes the value of an annotation's key without its prefix. Known is false
// for a key that is no setting.
func (s *Settings) set(key, value string) (f *fault, known bool) {
	if list := slices.Contains(lists, key); list || key == "add" {
		if strings.TrimSpace(value) == "" {
			return &fault{0, value, emptyValue}, true
		}
		var items []string
		for line := range strings.SplitSeq(strings.TrimRight(value, " \t\r\n"), "\n") {
			items = append(items, strings.TrimSpace(line))
		}
		if list {
			return s.setList(key, items), true
		}
		return s.setAdd(items), true
	}
	reason := ""
	switch key {
	case "mode":
		s.Mode, reason = Delivery(value), oneOf(value, string(Stream), string(Ship))
	case "output":
		s.Output, reason = parseName(value)
	case "split":
		var on bool
		on, reason = parseBool(value)
		s.Split = &on
	case "emit":
		s.Emit, reason = config.Emit(value), oneOf(value, string(config.EmitRaw), string(config.EmitPrefix), string(config.EmitJSON))
	case "multiline":
		s.Multiline, reason = value, checked(value, Settings{Multiline: value})
	case "charset":
		s.Charset, reason = value, checked(value, Settings{Charset: value})
	case "format":
		s.Format, reason = value, checked(value, Settings{Rules: config.Rules{Format: value}})
	case "types":
		s.Types, reason = value, checked(value, Settings{Rules: config.Rules{Format: "json", Types: value}})
	case "time-key":
		s.TimeKey, reason = value, checked(value, Settings{Rules: config.Rules{Format: "json", TimeKey: value}})
	case "time-format":
		s.TimeFormat, reason = value, checked(value, Settings{Rules: config.Rules{Format: "json", TimeFormat: value}})
	case "time-zone":
		s.TimeZone, reason = value, checked(value, Settings{Rules: config.Rules{Format: "json", TimeZone: value}})
	default:
		return nil, false
	}
	if reason != "" {
		return &fault{0, value, reason}, true
	}
	return nil, true
}

const emptyValue = "the value is empty; leave the key out for the default"

// checked is what the sidecar has against a value by itself. An empty one asks
// for nothing, and so is a slip.
func checked(value string, s Settings) (reason string) {
	if strings.TrimSpace(value) == "" {
		return emptyValue
	}
	s.Emit = config.EmitJSON
	if wrong := s.Check(); wrong != nil {
		return wrong.Reason
	}
	return ""
}

// setList takes a list of expressions.
func (s *Settings) setList(key string, items []string) *fault {
	for i, item := range items {
		if item == "" {
			return &fault{i + 1, item, "empty; it would match every record"}
		}
		var one Settings
		*one.list(key) = []string{item}
		if reason := checked(item, one); reason != "" {
			return &fault{i + 1, item, reason}
		}
	}
	*s.list(key) = items
	return nil
}

func (s *Settings) list(key string) *[]string {
	switch key {
	case "drop":
		return &s.Drop
	case "keep":
		return &s.Keep
	}
	return &s.Redact
}

// setAdd takes constant fields as an annotation has them.
func (s *Settings) setAdd(items []string) *fault {
	pairs := make([][2]string, len(items))
	for i, item := range items {
		key, value, ok := strings.Cut(item, "=")
		if !ok {
			return &fault{i + 1, item, "a field is needed, as KEY=VALUE"}
		}
		pairs[i] = [2]string{strings.TrimSpace(key), strings.TrimSpace(value)}
	}
	return s.setPairs(pairs)
}

func (s *Settings) setPairs(pairs [][2]string) *fault {
	add := map[string]string{}
	for i, p := range pairs {
		key, value := p[0], p[1]
		if _, twice := add[key]; twice {
			return &fault{i + 1, key, "the field is here twice"}
		}
		add[key] = value
		one := Settings{Emit: config.EmitJSON, Rules: config.Rules{Add: map[string]string{key: value}}}
		if wrong := one.Check(); wrong != nil {
			return &fault{i + 1, key, wrong.Reason}
		}
	}
	s.Add = add
	return nil
}

// Decode takes a key of YAML. What is wrong, where something is, is a reason to
// be put after the value of the node at; known is false for a key that is no setting.
func (s *Settings) Decode(key string, n *yaml.Node) (at *yaml.Node, reason string, known bool) {
	var f *fault
	var nodes []*yaml.Node
	switch {
	case slices.Contains(lists, key) && n.Kind == yaml.SequenceNode:
		items := []string{} // an empty list is not no list
		for _, e := range n.Content {
			if e.Kind != yaml.ScalarNode {
				return e, "an expression is needed here", true
			}
			nodes, items = append(nodes, e), append(items, e.Value)
		}
		f = s.setList(key, items)
	case slices.Contains(lists, key):
		if n.Kind != yaml.ScalarNode {
			return n, "a list of expressions is needed here", true
		}
		f = s.setList(key, []string{n.Value})
	case key == "add":
		if n.Kind != yaml.MappingNode {
			return n, "a map of fields and their values is needed here", true
		}
		var pairs [][2]string
		for i := 0; i+1 < len(n.Content); i += 2 {
			name, value := n.Content[i], n.Content[i+1]
			for _, e := range []*yaml.Node{name, value} {
				if e.Kind != yaml.ScalarNode {
					return e, "a single value is needed here", true
				}
			}
			nodes, pairs = append(nodes, name), append(pairs, [2]string{name.Value, value.Value})
		}
		f = s.setPairs(pairs)
	default:
		if _, known = new(Settings).set(key, ""); !known {
			return n, "", false
		}
		if n.Kind != yaml.ScalarNode {
			return n, "a single value is needed here", true
		}
		f, _ = s.set(key, n.Value)
	}
	switch {
	case f == nil:
		return nil, "", true
	case f.item > 0 && f.item <= len(nodes):
		return nodes[f.item-1], f.reason, true
	}
	return n, f.reason, true
}
