package annotation

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// parseSources reads the value of the config annotation: a YAML list of sources,
// each with paths and perhaps settings of its own.
//
//   - paths: [/var/log/access.log, "worker:/var/log/*.log"]
//     mode: ship
//   - paths: /var/log/app.log
//     multiline: java
func parseSources(value string) (sources []Source, errs Errors) {
	root, fault := parseYAML(value)
	if fault != "" {
		return nil, Errors{{Place: Place{Key: Config}, Value: value, Kind: InvalidValue, Reason: fault}}
	}
	d := &decoder{}
	if root.Kind != yaml.SequenceNode || len(root.Content) == 0 {
		d.refuse(root, "", "a list of sources is needed, such as - paths: [/var/log/app.log]")
		return nil, d.errs
	}
	for _, n := range root.Content {
		sources = append(sources, d.source(n))
	}
	return sources, d.errs
}

// parseYAML is the root of the one document in text.
func parseYAML(text string) (root *yaml.Node, fault string) {
	if strings.TrimSpace(text) == "" {
		return nil, "empty; give a YAML list of sources, or leave the key out"
	}
	d := yaml.NewDecoder(strings.NewReader(text))
	var doc yaml.Node
	if err := d.Decode(&doc); errors.Is(err, io.EOF) {
		return nil, "empty; give a YAML list of sources, or leave the key out"
	} else if err != nil {
		return nil, "not YAML: " + strings.TrimPrefix(err.Error(), "yaml: ")
	}
	if err := d.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return nil, "more than one YAML document; keep one"
	}
	return doc.Content[0], ""
}

// decoder collects what is wrong with the config annotation.
type decoder struct{ errs Errors }

func (d *decoder) refuse(n *yaml.Node, field, reason string) {
	value := n.Value
	if n.Kind == yaml.AliasNode {
		value, reason = "*"+value, "anchors and aliases are not taken here; write it out"
	}
	d.errs = append(d.errs, &Error{Place: Place{Key: Config, Line: n.Line, Field: field}, Value: value, Kind: InvalidValue, Reason: reason})
}

func (d *decoder) source(n *yaml.Node) (s Source) {
	if n.Kind != yaml.MappingNode {
		d.refuse(n, "", "a source is needed, such as paths: [/var/log/app.log]")
		return s
	}
	s.Places = map[string]Place{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		name := key.Value
		if key.Kind != yaml.ScalarNode {
			d.refuse(key, "", "a key is needed, such as paths")
			continue
		}
		if _, twice := s.Places[name]; twice {
			d.refuse(key, "", "the key is here twice")
			continue
		}
		s.Places[name] = Place{Key: Config, Line: key.Line, Field: name}
		if name == "paths" {
			s.Paths = d.paths(value)
			continue
		}
		at, fault, known := s.Settings.Decode(name, value)
		switch {
		case !known && slices.Contains(Keys, Prefix+name):
			d.refuse(key, "", fmt.Sprintf("is for the pod as a whole; use the annotation %s%s", Prefix, name))
		case !known:
			d.refuse(key, "", Suggest(name, append([]string{"paths"}, SettingKeys...)))
		case fault != "":
			d.refuse(at, name, fault)
		}
	}
	if _, ok := s.Places["paths"]; !ok {
		d.refuse(n, "", "a source needs paths")
	}
	return s
}

// paths reads a text as the paths annotation has it, or a list with one path an
// item, in which commas have no meaning.
func (d *decoder) paths(n *yaml.Node) (paths []Path) {
	if n.Kind == yaml.ScalarNode {
		paths, errs := parsePaths(n.Value)
		for i := range paths {
			paths[i].Place = Place{Key: Config, Line: n.Line, Field: "paths", Position: paths[i].Position}
		}
		for _, e := range errs {
			e.Place = Place{Key: Config, Line: n.Line, Field: "paths", Position: e.Position}
		}
		d.errs = append(d.errs, errs...)
		return paths
	}
	if n.Kind != yaml.SequenceNode || len(n.Content) == 0 {
		d.refuse(n, "paths", "a path or a list of paths is needed")
		return nil
	}
	for _, item := range n.Content {
		if item.Kind != yaml.ScalarNode {
			d.refuse(item, "paths", "a path is needed")
			continue
		}
		p, fault := parsePath(item.Value)
		p.Place = Place{Key: Config, Line: item.Line, Field: "paths"}
		if same := find(paths, p); fault == "" && same != nil {
			fault = fmt.Sprintf("the same as in line %d", same.Line)
		}
		if fault != "" {
			d.refuse(item, "paths", fault)
			continue
		}
		paths = append(paths, p)
	}
	return paths
}
