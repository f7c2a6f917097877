// Package manifest finds pods in files of Kubernetes manifests and changes them
// there: pods, everything with a pod template, and lists of these. A document
// that nothing is done to stays as it is, byte for byte; one that is changed
// keeps its comments, the order of its keys and every field that this program
// does not know, as only the lines that the change is about are touched.
//
//	file, err := manifest.Parse(name, text)
//	for _, pod := range file.Pods {
//		err = pod.Change(patch)
//	}
//	os.Stdout.Write(file.Bytes())
//
// The package knows where pods are and how YAML is edited, not what is injected.
package manifest

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"

	"gopkg.in/yaml.v3"
)

// File is a stream of documents.
type File struct {
	Name string
	// Pods are all pods and pod templates, in the file's order.
	Pods      []*Pod
	documents []*document
}

// document is one part of a stream, from its --- line to the next.
type document struct {
	file *File
	line int    // of the file, from 1, where text begins
	head string // everything before text: --- and what stands there
	text string
	json bool // the text is JSON, which is YAML but not written like it
}

// Parse reads a stream of YAML or JSON documents and finds the pods in it.
func Parse(name string, text []byte) (*File, error) {
	f := &File{Name: name}
	for _, d := range split(string(text)) {
		d.file = f
		f.documents = append(f.documents, d)
		root, err := d.parse(d.text)
		if err != nil {
			return nil, err
		}
		if root == nil {
			continue
		}
		pods, err := d.find(root, nil, "")
		if err != nil {
			return nil, err
		}
		f.Pods = append(f.Pods, pods...)
	}
	return f, nil
}

// Bytes is the stream with all changes.
func (f *File) Bytes() []byte {
	var b bytes.Buffer
	for _, d := range f.documents {
		b.WriteString(d.head)
		b.WriteString(d.text)
	}
	return b.Bytes()
}

// Join puts streams after one another, so that each document stays one.
func Join(files []*File) []byte {
	var out []byte
	for _, f := range files {
		text := f.Bytes()
		if len(out) > 0 && len(text) > 0 {
			if !bytes.HasSuffix(out, []byte("\n")) {
				out = append(out, '\n')
			}
			if !marker.Match(text) {
				out = append(out, "---\n"...)
			}
		}
		out = append(out, text...)
	}
	return out
}

// marker is the line that begins a document. What follows the dashes on the
// line, but a comment, belongs to the document.
var marker = regexp.MustCompile(`^---([ \t]*(#[^\n]*)?\r?(\n|$)|[ \t])`)

// split cuts a stream at its markers; the pieces put together are the stream.
func split(text string) []*document {
	var docs []*document
	d := &document{line: 1}
	line := 0
	for rest := text; rest != ""; {
		end := strings.IndexByte(rest, '\n') + 1
		if end == 0 {
			end = len(rest)
		}
		line++
		if m := marker.FindString(rest); m != "" {
			before := ""
			if d.head == "" && strings.HasPrefix(d.text, "%") {
				before = d.text // directives belong to the document behind them
			} else if d.head != "" || d.text != "" {
				docs = append(docs, d)
			}
			d = &document{line: line + 1, head: before + rest[:len(m)], text: rest[len(m):end]}
			if len(m) < end {
				d.line = line
			}
		} else {
			d.text += rest[:end]
		}
		rest = rest[end:]
	}
	return append(docs, d)
}

// parse is the document's tree, or nil for one without content.
func (d *document) parse(text string) (*yaml.Node, error) {
	var n yaml.Node
	if err := yaml.Unmarshal([]byte(text), &n); err != nil {
		return nil, fmt.Errorf("%s: document at line %d: %w", d.file.Name, d.line, err)
	}
	if len(n.Content) == 0 || n.Content[0].Kind != yaml.MappingNode {
		return nil, nil
	}
	d.json = strings.HasPrefix(strings.TrimSpace(text), "{")
	return n.Content[0], nil
}
