// Package manifest finds pods in files of Kubernetes manifests and changes them
// there: pods, everything with a pod template, and lists of these. A document
// that nothing is done to stays as it is, byte for byte; one that is changed
// keeps its comments, the order of its keys and every field that this program
// does not know, as only the lines that the change is about are touched.
//
//	file, err := manifest.Parse(name, text)
//	for _, pod := range file.Pods {
//		pod.Change(patch)
//	}
//	err = file.Apply()
//	os.Stdout.Write(file.Bytes())
//
// The package knows where pods are and how YAML is edited, not what is injected.
package manifest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
)

// File is a stream of documents.
type File struct {
	Name string
	// Pods are all pods and pod templates, in the file's order.
	Pods []*Pod
	// Unknown are objects that may have pods, and stay as they are.
	Unknown   []Unknown
	documents []*document
}

// document is one part of a stream, from its --- line to the next.
type document struct {
	file    *File
	line    int    // of the file, from 1, where text begins
	head    string // everything before text: --- and what stands there
	text    string
	json    bool       // the text is JSON, which is YAML but not written like it
	root    *yaml.Node // of text; nil: to be parsed again
	changes []change   // that are not in text yet
}

// Parse reads a stream of YAML or JSON documents and finds the pods in it.
func Parse(name string, text []byte) (*File, error) {
	f := &File{Name: name}
	rest, marked := strings.CutPrefix(string(text), byteOrderMark)
	f.documents = splitJSON(split(rest))
	if marked {
		f.documents[0].head = byteOrderMark + f.documents[0].head
	}
	for _, d := range f.documents {
		d.file = f
		root, err := d.parse(d.text)
		if err != nil {
			return nil, err
		}
		if root == nil {
			continue
		}
		pods, err := d.find(root, nil, "", "", "")
		if err != nil {
			return nil, err
		}
		if len(pods) > 0 {
			d.root = root
		}
		f.Pods = append(f.Pods, pods...)
	}
	return f, nil
}

// byteOrderMark is what editors of Windows begin a file with.
const byteOrderMark = "\uFEFF"

// Bytes is the stream, with all changes that were applied.
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
	line, begin := 0, 0 // of the document's text
	for at := 0; at < len(text); {
		rest := text[at:]
		end := strings.IndexByte(rest, '\n') + 1
		if end == 0 {
			end = len(rest)
		}
		line++
		if m := marker.FindString(rest[:end]); m != "" {
			d.text = text[begin:at]
			before := ""
			if d.head == "" && strings.HasPrefix(d.text, "%") {
				before = d.text // directives belong to the document behind them
			} else if d.head != "" || d.text != "" {
				docs = append(docs, d)
			}
			d = &document{line: line + 1, head: before + m}
			begin = at + len(m)
			if len(m) < end {
				d.line = line
			}
		}
		at += end
	}
	d.text = text[begin:]
	return append(docs, d)
}

// splitJSON cuts documents of JSON, which need no markers between them.
func splitJSON(docs []*document) (all []*document) {
	for _, d := range docs {
		for strings.HasPrefix(strings.TrimSpace(d.text), "{") {
			var value json.RawMessage
			j := json.NewDecoder(strings.NewReader(d.text))
			if j.Decode(&value) != nil {
				break // in YAML's flow style, perhaps
			}
			end := int(j.InputOffset())
			rest := strings.TrimLeft(d.text[end:], " \t\r\n")
			if !strings.HasPrefix(rest, "{") {
				break
			}
			next := len(d.text) - len(rest)
			all = append(all, &document{line: d.line, head: d.head, text: d.text[:end]})
			d = &document{line: d.line + strings.Count(d.text[:next], "\n"), head: d.text[end:next], text: rest}
		}
		all = append(all, d)
	}
	return all
}

// parse is the document's tree, or nil for one without content.
func (d *document) parse(text string) (*yaml.Node, error) {
	if d.json = isJSON(text); d.json {
		n, err := jsonTree(text)
		if err != nil {
			return nil, fmt.Errorf("%s: document at line %d: %w", d.file.Name, d.line, err)
		}
		return n, nil
	}
	var n yaml.Node
	decoder := yaml.NewDecoder(strings.NewReader(text))
	err := decoder.Decode(&n)
	if errors.Is(err, io.EOF) {
		return nil, nil
	}
	if err == nil && decoder.Decode(new(yaml.Node)) != io.EOF {
		err = errors.New("something follows it that is not behind a line with ---")
	}
	if err != nil {
		return nil, fmt.Errorf("%s: document at line %d: %s", d.file.Name, d.line, d.located(err))
	}
	if len(n.Content) == 0 || n.Content[0].Kind != yaml.MappingNode {
		return nil, nil
	}
	return n.Content[0], nil
}

var parserLine = regexp.MustCompile(`^yaml: line ([0-9]+)`)

// located is what the parser says, with the file's line for the document's.
func (d *document) located(err error) string {
	return parserLine.ReplaceAllStringFunc(err.Error(), func(s string) string {
		n, _ := strconv.Atoi(parserLine.FindStringSubmatch(s)[1])
		return fmt.Sprintf("yaml: line %d", d.line-1+n)
	})
}

// JSON is every document as JSON, indented, one after the other.
func JSON(files []*File) ([]byte, error) {
	var out bytes.Buffer
	for _, f := range files {
		for _, d := range f.documents {
			raw, err := d.asJSON()
			if err != nil {
				return nil, fmt.Errorf("%s: document at line %d: %w", f.Name, d.line, err)
			}
			if len(raw) > 0 && string(raw) != "null" {
				_ = json.Indent(&out, raw, "", "  ") // it is JSON
				out.WriteByte('\n')
			}
		}
	}
	return out.Bytes(), nil
}

// asJSON is the document as JSON; nothing, where it has no content.
func (d *document) asJSON() ([]byte, error) {
	if isJSON(d.text) {
		return []byte(strings.TrimSpace(d.text)), nil
	}
	var doc yaml.Node
	if err := yaml.Unmarshal([]byte(d.text), &doc); err != nil || len(doc.Content) == 0 {
		return nil, err
	}
	return toJSON(doc.Content[0])
}
