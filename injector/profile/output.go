package profile

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
	"k8s.io/apimachinery/pkg/util/validation"

	"logging.taco/sidecar/config"
)

// Output is a backend that pods may ship to. Its keys are those of the sidecar's
// own config, but for two: credentials names a Secret, and dead-letter is left to
// the injector, which knows where a sidecar can write.
type Output struct {
	config.Output
	// Secret is the name of a Secret in the pod's own namespace, with the usual
	// keys, each optional: username, password, api-key, token, ca.crt, tls.crt,
	// tls.key. Empty: no credentials are needed.
	Secret string
}

// outputs reads the map of outputs; in a namespace's part they come on top of
// the whole's.
func (d *decoder) outputs(n *yaml.Node, at string, p *Profile) {
	d.join(eachKey(n, at, func(name, value *yaml.Node) {
		if faults := validation.IsDNS1123Label(name.Value); len(faults) > 0 {
			d.refuse(name, at, "a name has lower case letters, digits and -, at most 63")
			return
		}
		o, err := decodeOutput(value, at+"."+name.Value)
		if err != nil {
			d.join(err)
			return
		}
		if p.Outputs == nil {
			p.Outputs = map[string]Output{}
		}
		p.Outputs[name.Value] = o
	}))
}

// decodeOutput reads one output and has the sidecar's own rules decide on it.
func decodeOutput(n *yaml.Node, at string) (Output, error) {
	o := Output{Output: config.DefaultOutput()}
	own := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map", Line: n.Line}
	nodes := map[string]*yaml.Node{}
	var errs []error
	err := eachKey(n, at, func(key, value *yaml.Node) {
		nodes[key.Value] = value
		switch key.Value {
		case "credentials":
			var err error
			o.Secret, err = decodeSecret(value, at+".credentials")
			errs = append(errs, err)
			return
		case "dead-letter":
			errs = append(errs, &lineError{key.Line, at, key.Value, "is not a key here: the file is in the sidecar's own volume, which the injector makes"})
			return
		case "to":
			if value.Kind == yaml.ScalarNode {
				value = &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq", Line: value.Line, Content: []*yaml.Node{value}}
			}
		}
		if !slices.Contains(outputKeys(), key.Value) {
			errs = append(errs, &lineError{key.Line, at, key.Value, "is not a key here"})
			return
		}
		own.Content = append(own.Content, key, value)
	})
	if err := errors.Join(append(errs, err)...); err != nil {
		return o, err
	}
	if err := own.Decode(&o.Output); err != nil {
		return o, fmt.Errorf("%s: %s", at, plain(err))
	}
	if len(o.To) == 0 {
		return o, &lineError{n.Line, at + ".to", "", "an output needs the backend's address, such as http://elasticsearch.logging:9200"}
	}
	c := config.Default()
	c.Sources = []config.Source{{Paths: []string{"/any"}}}
	c.Output = o.Output
	var wrong *config.FieldError
	if err := c.Validate(); errors.As(err, &wrong) {
		key := strings.TrimPrefix(wrong.Key, "output.")
		return o, &lineError{lineOf(nodes[key], wrong.Value, n.Line), at + "." + key, wrong.Value, wrong.Reason}
	} else if err != nil {
		return o, fmt.Errorf("%s: %w", at, err)
	}
	o.Output = c.Output // with what Validate has filled in
	return o, nil
}

// decodeSecret reads {secret: NAME}.
func decodeSecret(n *yaml.Node, at string) (name string, err error) {
	var errs []error
	err = eachKey(n, at, func(key, value *yaml.Node) {
		switch {
		case key.Value != "secret":
			errs = append(errs, &lineError{key.Line, at, key.Value, "is not a key here; use secret: NAME"})
		case value.Kind != yaml.ScalarNode || len(validation.IsDNS1123Subdomain(value.Value)) > 0:
			errs = append(errs, &lineError{value.Line, at + ".secret", value.Value, "is not the name of a Secret"})
		default:
			name = value.Value
		}
	})
	if err = errors.Join(append(errs, err)...); err == nil && name == "" {
		err = &lineError{n.Line, at, "", "use secret: NAME, of a Secret in the pods' namespaces"}
	}
	return name, err
}

// outputKeys are the keys of the sidecar's output.
func outputKeys() []string {
	var keys []string
	t := reflect.TypeFor[config.Output]()
	for i := range t.NumField() {
		key, _, _ := strings.Cut(t.Field(i).Tag.Get("yaml"), ",")
		keys = append(keys, key)
	}
	return keys
}

// lineOf is the line of a value, or of the item of a list that has it.
func lineOf(n *yaml.Node, value string, otherwise int) int {
	if n == nil {
		return otherwise
	}
	for _, item := range n.Content {
		if item.Value == value {
			return item.Line
		}
	}
	return n.Line
}
