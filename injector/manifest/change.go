package manifest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"

	evanphx "github.com/evanphx/json-patch/v5"
	"gomodules.xyz/jsonpatch/v2"
	"gopkg.in/yaml.v3"
)

// Change applies a patch of the pod's Object to the document. The lines that the
// patch is not about stay as they are; only where the document is written in a
// way that lines cannot be told apart in (flow style, anchors) is it written
// anew, with its comments and the order of its keys.
func (p *Pod) Change(patch []jsonpatch.Operation) error {
	if len(patch) == 0 {
		return nil
	}
	ops := make([]jsonpatch.Operation, len(patch))
	for i, op := range patch {
		ops[i] = jsonpatch.NewOperation(op.Operation, p.path+op.Path, op.Value)
	}
	if err := p.document.change(ops); err != nil {
		return fmt.Errorf("%s: line %d: %s %s: %w", p.document.file.Name, p.Line, p.Kind, p.Name, err)
	}
	return nil
}

func (d *document) change(ops []jsonpatch.Operation) error {
	want, err := d.patched(ops)
	if err != nil {
		return err
	}
	ways := []func(string, []jsonpatch.Operation) (string, error){editLines, rewriteYAML}
	if d.json {
		ways = []func(string, []jsonpatch.Operation) (string, error){rewriteJSON}
	}
	for _, way := range ways {
		text, err := way(d.text, ops)
		if err != nil {
			continue
		}
		if d.says(text, want) {
			d.text = text
			return nil
		}
	}
	return errors.New("the document is written in a way that cannot be edited; write it without anchors and aliases")
}

// patched is what the document has to say after the change.
func (d *document) patched(ops []jsonpatch.Operation) (any, error) {
	root, err := d.parse(d.text)
	if err != nil {
		return nil, err
	}
	raw, err := toJSON(root)
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(ops)
	if err != nil {
		return nil, err
	}
	patch, err := evanphx.DecodePatch(text)
	if err != nil {
		return nil, err
	}
	if raw, err = patch.Apply(raw); err != nil {
		return nil, fmt.Errorf("apply the patch: %w", err)
	}
	var want any
	return want, json.Unmarshal(raw, &want)
}

// says tells whether a text means what it should.
func (d *document) says(text string, want any) bool {
	root, err := d.parse(text)
	if err != nil || root == nil {
		return false
	}
	raw, err := toJSON(root)
	if err != nil {
		return false
	}
	var got any
	return json.Unmarshal(raw, &got) == nil && reflect.DeepEqual(got, want)
}

// rewriteYAML changes the tree and writes the whole document anew.
func rewriteYAML(text string, ops []jsonpatch.Operation) (string, error) {
	var root yaml.Node
	if err := yaml.Unmarshal([]byte(text), &root); err != nil {
		return "", err
	}
	if err := editTree(root.Content[0], ops); err != nil {
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
func rewriteJSON(text string, ops []jsonpatch.Operation) (string, error) {
	var root yaml.Node
	if err := yaml.Unmarshal([]byte(text), &root); err != nil {
		return "", err
	}
	if err := editTree(root.Content[0], ops); err != nil {
		return "", err
	}
	compact, err := toJSON(root.Content[0])
	if err != nil {
		return "", err
	}
	before, end := strings.TrimRight(text, " \t\r\n"), ""
	if end = text[len(before):]; !strings.Contains(before, "\n") {
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
