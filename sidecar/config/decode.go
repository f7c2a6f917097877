package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strings"
	"unicode/utf8"

	"gopkg.in/yaml.v3"
	"logging.taco/sidecar/record"
)

// Load decodes the named file; "-" is standard input.
func Load(file string) (Config, error) {
	var b []byte
	var err error
	if file == "-" {
		b, err = io.ReadAll(os.Stdin)
	} else {
		b, err = os.ReadFile(file)
	}
	if err != nil {
		return Config{}, fmt.Errorf("read the config: %w", err)
	}
	return Decode(file, b)
}

// Decode reads one document strictly: unknown keys, second documents and
// values out of range are errors that name the place as NAME: line N.
func Decode(name string, b []byte) (Config, error) {
	c := Default()
	d := yaml.NewDecoder(bytes.NewReader(b))
	d.KnownFields(true)
	if err := d.Decode(&c); errors.Is(err, io.EOF) {
		return c, fmt.Errorf("%s: the config is empty; it needs at least sources with paths", name)
	} else if err != nil {
		return c, fmt.Errorf("%s: %s", name, plain(err))
	}
	if err := d.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return c, fmt.Errorf("%s: more than one YAML document; keep one", name)
	}
	if err := c.Validate(); err != nil {
		var at *FieldError
		if errors.As(err, &at) {
			return c, fmt.Errorf("%s: line %d: %w", name, lineOf(b, at), err)
		}
		return c, fmt.Errorf("%s: %w", name, err)
	}
	return c, nil
}

// plain says yaml's errors in the words of somebody who has never seen Go.
func plain(err error) string {
	s := err.Error()
	s = strings.TrimPrefix(s, "yaml: ")
	s = strings.TrimPrefix(s, "unmarshal errors:\n  ")
	s = strings.ReplaceAll(s, "\n  ", "; ")
	for _, t := range []string{"config.Config", "config.Source", "config.Output"} {
		s = strings.ReplaceAll(s, " not found in type "+t, " is not a key here")
	}
	return s
}

// Encode writes a document that Decode reads back to the same Config.
func Encode(c Config) ([]byte, error) {
	var out bytes.Buffer
	e := yaml.NewEncoder(&out)
	e.SetIndent(2)
	if err := e.Encode(c); err != nil {
		return nil, fmt.Errorf("encode the config: %w", err)
	}
	return out.Bytes(), nil
}

// FieldError is a value that cannot be used: the key, the value, and why.
type FieldError struct {
	Source int    // index of the source that the key is in; -1: top level
	Key    string // with "output." before those of the output
	Value  string
	Reason string
}

func (e *FieldError) Error() string {
	where := e.Key
	if e.Source >= 0 {
		where = fmt.Sprintf("sources[%d].%s", e.Source, e.Key)
	}
	return fmt.Sprintf("%s: %q: %s", where, e.Value, e.Reason)
}

// Validate checks a Config as a whole; its error is a *FieldError.
func (c *Config) Validate() error {
	if len(c.Sources) == 0 {
		return &FieldError{-1, "sources", "", "at least one source with paths is needed"}
	}
	for i := range c.Sources {
		s := &c.Sources[i]
		if len(s.Paths) == 0 {
			return &FieldError{i, "paths", "", "at least one path is needed"}
		}
		for _, p := range s.Paths {
			if reason := pathFault(p); reason != "" {
				return &FieldError{i, "paths", p, reason}
			}
		}
		switch s.Emit {
		case "":
			if !c.Ships() {
				s.Emit = EmitRaw
			}
		case EmitRaw, EmitPrefix, EmitJSON:
		default:
			return &FieldError{i, "emit", string(s.Emit), "use raw, prefix or json"}
		}
		if c.Ships() && s.Emit != "" {
			return &FieldError{i, "emit", string(s.Emit), "emit is for stdout; with an output each record is a document"}
		}
		if err := CheckMultiline(s.Multiline); err != nil {
			return &FieldError{i, "multiline", s.Multiline, err.Error()}
		}
		if err := CheckCharset(s.Charset); err != nil {
			return &FieldError{i, "charset", s.Charset, err.Error()}
		}
		if err := s.check(i, c.Ships() || s.Emit == EmitJSON); err != nil {
			return err
		}
	}
	switch c.From {
	case FromStart, FromEnd:
	default:
		return &FieldError{-1, "from", string(c.From), "use start or end"}
	}
	switch c.Engine {
	case "", EngineInode, EngineName:
	default:
		return &FieldError{-1, "engine", string(c.Engine), "use inode or name"}
	}
	if c.MaxLine < MinMaxLine || c.MaxLine > MaxMaxLine {
		return &FieldError{-1, "max-line", c.MaxLine.String(), fmt.Sprintf("use a size from %v to %v", MinMaxLine, MaxMaxLine)}
	}
	switch c.WhenFull {
	case "", WhenFullDiscard, WhenFullBlock:
	default:
		return &FieldError{-1, "when-full", string(c.WhenFull), "use discard or block"}
	}
	for _, at := range []struct{ key, path string }{{"state", c.State}, {"pod", c.Pod}} {
		if at.path != "" && !path.IsAbs(at.path) {
			return &FieldError{-1, at.key, at.path, "use an absolute path"}
		}
	}
	return c.Output.validate()
}

// CheckMultiline tells whether a source may have this rule; its error is a
// reason, to be put after the value.
func CheckMultiline(rule string) error {
	_, err := record.ParseRule(rule)
	return err
}

// CheckCharset tells whether a source may have this charset; its error is a
// reason, to be put after the value.
func CheckCharset(name string) error {
	_, err := record.ParseCharset(name)
	return err
}

// pathFault tells why p cannot be followed, or nothing.
func pathFault(p string) string {
	switch {
	case p == "":
		return "an empty path"
	case !path.IsAbs(p):
		return "use an absolute path"
	case strings.HasSuffix(p, "/"):
		return "this is a folder; name its files, for example with *.log"
	case strings.ContainsRune(p, 0):
		return "a path cannot hold a NUL"
	}
	for _, part := range strings.Split(p, "/") {
		if part == ".." {
			return "leave out .. and write the path as it is"
		}
		if _, err := path.Match(part, ""); err != nil {
			return "the glob is malformed: a [ without its ], or a \\ at the end"
		}
	}
	if !utf8.ValidString(p) {
		return "the path is not UTF-8; use a glob that matches it"
	}
	return ""
}

// lineOf finds the line of the faulty key in the document, for the message alone.
func lineOf(doc []byte, at *FieldError) int {
	var root yaml.Node
	if yaml.Unmarshal(doc, &root) != nil || len(root.Content) == 0 {
		return 1
	}
	n := root.Content[0]
	line := n.Line
	find := func(key string) bool {
		for i := 0; n.Kind == yaml.MappingNode && i+1 < len(n.Content); i += 2 {
			if n.Content[i].Value == key {
				line, n = n.Content[i].Line, n.Content[i+1]
				return true
			}
		}
		return false
	}
	if at.Source >= 0 {
		if !find("sources") || at.Source >= len(n.Content) {
			return line
		}
		n = n.Content[at.Source]
		line = n.Line
	}
	key, found := strings.CutPrefix(at.Key, "output.")
	if found && !find("output") {
		return line
	}
	if find(key) {
		for _, item := range n.Content {
			if item.Value == at.Value {
				return item.Line
			}
		}
	}
	return line
}
