package profile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"gopkg.in/yaml.v3"
)

// Load decodes the named file.
func Load(file string) (Profile, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return Profile{}, fmt.Errorf("read the profile: %w", err)
	}
	return Decode(file, b)
}

// maxSize is more than any profile has: a ConfigMap holds 1 MiB.
const maxSize = 1 << 20

// Decode reads a profile strictly; errors name the place as NAME: line N, and all
// are reported at once. An empty document is the default profile.
func Decode(name string, b []byte) (Profile, error) {
	root, err := parse(b)
	if err != nil {
		return Profile{}, fmt.Errorf("%s: %w", name, err)
	}
	p := Default()
	d := &decoder{}
	if root != nil {
		d.profile(root, "", &p)
	}
	if len(d.errs) > 0 {
		for i, err := range d.errs {
			d.errs[i] = fmt.Errorf("%s: %w", name, err)
		}
		return Profile{}, errors.Join(d.errs...)
	}
	return p, nil
}

// parse is the root of the one document; nil: it is empty.
func parse(b []byte) (*yaml.Node, error) {
	if len(b) > maxSize {
		return nil, fmt.Errorf("%d bytes; a profile has at most %d", len(b), maxSize)
	}
	var doc yaml.Node
	d := yaml.NewDecoder(bytes.NewReader(b))
	if err := d.Decode(&doc); errors.Is(err, io.EOF) {
		return nil, nil
	} else if err != nil {
		return nil, errors.New(plain(err))
	}
	if err := d.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return nil, errors.New("more than one YAML document; keep one")
	}
	if root := doc.Content[0]; root.ShortTag() != "!!null" {
		return root, nil
	}
	return nil, nil
}

// plain says yaml's errors in the words of somebody who has never seen Go.
func plain(err error) string {
	s := strings.TrimPrefix(err.Error(), "yaml: ")
	s = strings.TrimPrefix(s, "unmarshal errors:\n  ")
	s = strings.ReplaceAll(s, "\n  ", "; ")
	return strings.ReplaceAll(s, " not found in type config.Output", " is not a key here")
}

// lineError is something in the document that cannot be used, with its line.
type lineError struct {
	line               int
	key, value, reason string
}

func (e *lineError) Error() string {
	if e.key == "" {
		return fmt.Sprintf("line %d: %q: %s", e.line, e.value, e.reason)
	}
	return fmt.Sprintf("line %d: %s: %q: %s", e.line, e.key, e.value, e.reason)
}

// eachKey calls f for each key of a mapping, and refuses anything else and keys
// that come twice.
func eachKey(n *yaml.Node, at string, f func(key, value *yaml.Node)) error {
	if n.Kind != yaml.MappingNode {
		return &lineError{n.Line, at, "", "a map of keys is needed here"} // a value may be a secret at the wrong place
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if seen[key.Value] {
			return &lineError{key.Line, at, key.Value, "is here twice"}
		}
		seen[key.Value] = true
		if value.Kind == yaml.AliasNode {
			value = value.Alias
		}
		f(key, value)
	}
	return nil
}
