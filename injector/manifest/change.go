package manifest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"gomodules.xyz/jsonpatch/v2"
	"gopkg.in/yaml.v3"
)

// change is what is to be done to one pod of a document.
type change struct {
	at  string // JSON pointer from the document to the pod
	ops []jsonpatch.Operation
}

// Change notes a patch of the pod's Object, which File.Apply then puts in.
func (p *Pod) Change(patch []jsonpatch.Operation) {
	if len(patch) > 0 {
		p.document.changes = append(p.document.changes, change{p.path, prefixed(p.path, patch)})
	}
}

// Patch is a patch of the pod's Object as one of the workload that it is in.
func (p *Pod) Patch(patch []jsonpatch.Operation) []jsonpatch.Operation {
	return prefixed(strings.TrimPrefix(p.path, p.workload), patch)
}

func prefixed(path string, patch []jsonpatch.Operation) []jsonpatch.Operation {
	ops := make([]jsonpatch.Operation, len(patch))
	for i, op := range patch {
		ops[i] = jsonpatch.NewOperation(op.Operation, path+op.Path, op.Value)
	}
	return ops
}

// Apply puts in what was noted. The lines that a patch is not about stay as they
// are; only where the document is written in a way that lines cannot be told apart
// in (flow style, anchors) is it written anew, with its comments and the order of
// its keys.
func (f *File) Apply() error {
	for _, d := range f.documents {
		if len(d.changes) == 0 {
			continue
		}
		if err := d.apply(); err != nil {
			return fmt.Errorf("%s: document at line %d: %w", f.Name, d.line, err)
		}
		d.changes, d.root = nil, nil
	}
	return nil
}

func (d *document) apply() error {
	if d.root == nil {
		root, err := d.parse(d.text)
		if err != nil {
			return err
		}
		d.root = root
	}
	want, err := d.wanted()
	if err != nil {
		return err
	}
	ways := []func() (string, error){d.editLines, d.rewriteYAML}
	if d.json {
		ways = []func() (string, error){d.rewriteJSON}
	}
	for _, way := range ways {
		if text, err := way(); err == nil && d.says(text, want) {
			d.text = text
			return nil
		}
	}
	return errors.New("it is written in a way that cannot be edited; write it without anchors and aliases")
}

// wanted is what the document has to say after the changes.
func (d *document) wanted() (any, error) {
	want, err := valueOf(d.root)
	if err != nil {
		return nil, err
	}
	for _, c := range d.changes {
		for _, op := range c.ops {
			if want, err = applyTo(want, strings.Split(op.Path, "/")[1:], op); err != nil {
				return nil, fmt.Errorf("%s: %w", op.Path, err)
			}
		}
	}
	return want, nil
}

// says tells whether a text means what it should.
func (d *document) says(text string, want any) bool {
	root, err := d.parse(text)
	if err != nil || root == nil {
		return false
	}
	got, err := valueOf(root)
	return err == nil && reflect.DeepEqual(got, want)
}

// valueOf is a tree as JSON decodes it.
func valueOf(root *yaml.Node) (value any, err error) {
	raw, err := toJSON(root)
	if err == nil {
		err = json.Unmarshal(raw, &value)
	}
	return value, err
}

// editLines changes the lines that the changes are about; it uses up the tree.
func (d *document) editLines() (string, error) {
	if oddBreak.MatchString(d.text) {
		return "", errFlow
	}
	p := newPage(d.text, d.root)
	d.root = nil
	// From the end to the start, as what is put in moves what is behind it.
	for _, c := range slices.Backward(d.changes) {
		if err := p.edit(c); err != nil {
			return "", err
		}
	}
	return p.text(), nil
}

// edit applies all changes to a tree.
func (d *document) edit(root *yaml.Node) error {
	for _, c := range d.changes {
		if err := editTree(root, c.ops); err != nil {
			return err
		}
	}
	return nil
}

// rewriteYAML changes the tree and writes the whole document anew.
func (d *document) rewriteYAML() (string, error) {
	var root yaml.Node
	if err := yaml.Unmarshal([]byte(d.text), &root); err != nil {
		return "", err
	}
	if err := d.edit(root.Content[0]); err != nil {
		return "", err
	}
	var out bytes.Buffer
	e := yaml.NewEncoder(&out)
	e.SetIndent(2)
	if err := e.Encode(&root); err != nil {
		return "", err
	}
	return out.String(), nil
}

// rewriteJSON changes the tree and writes it as JSON, indented if it was.
func (d *document) rewriteJSON() (string, error) {
	root, err := jsonTree(d.text)
	if err != nil {
		return "", err
	}
	if err := d.edit(root); err != nil {
		return "", err
	}
	compact, err := toJSONAsWritten(root)
	if err != nil {
		return "", err
	}
	before, end := strings.TrimRight(d.text, " \t\r\n"), ""
	if end = d.text[len(before):]; !strings.Contains(before, "\n") {
		return string(compact) + end, nil
	}
	second := strings.SplitN(before, "\n", 3)[1]
	indent := second[:len(second)-len(strings.TrimLeft(second, " \t"))]
	var out bytes.Buffer
	if err := json.Indent(&out, compact, "", indent); err != nil {
		return "", err
	}
	return out.String() + end, nil
}
