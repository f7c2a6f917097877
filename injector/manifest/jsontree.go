package manifest

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"gopkg.in/yaml.v3"
)

// isJSON tells whether a document is an object of JSON. YAML is said to have all
// of JSON in it, but its parser does not take \/, surrogates such as \ud83d\ude00,
// and some characters that are no escapes.
func isJSON(text string) bool {
	return strings.HasPrefix(strings.TrimSpace(text), "{") && utf8.ValidString(text) && json.Valid([]byte(text))
}

// jsonTree is the tree of a document for which isJSON.
func jsonTree(text string) (*yaml.Node, error) {
	r := jsonReader{text: text, line: 1, tokens: json.NewDecoder(strings.NewReader(text))}
	r.tokens.UseNumber()
	return r.value(0)
}

type jsonReader struct {
	tokens *json.Decoder
	text   string
	read   int // bytes of text, of which line is the last one
	line   int
}

// next is the next token as a scalar, or a bracket; EOF is not expected.
func (r *jsonReader) next() (*yaml.Node, json.Delim, error) {
	token, err := r.tokens.Token()
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return nil, 0, err
	}
	end := int(r.tokens.InputOffset())
	r.line += strings.Count(r.text[r.read:end], "\n")
	r.read = end
	n := &yaml.Node{Kind: yaml.ScalarNode, Line: r.line}
	switch t := token.(type) {
	case json.Delim:
		return n, t, nil
	case string:
		n.Tag, n.Value, n.Style = "!!str", t, yaml.DoubleQuotedStyle
	case json.Number:
		n.Tag, n.Value = numberTag(t.String()), t.String()
	case bool:
		n.Tag, n.Value = "!!bool", strconv.FormatBool(t)
	case nil:
		n.Tag, n.Value = "!!null", "null"
	default:
		return nil, 0, fmt.Errorf("a token of type %T", token)
	}
	return n, 0, nil
}

// numberTag tells whole numbers that fit from others.
func numberTag(digits string) string {
	if _, err := strconv.ParseInt(digits, 10, 64); err == nil {
		return "!!int"
	}
	if _, err := strconv.ParseUint(digits, 10, 64); err == nil {
		return "!!int"
	}
	return "!!float"
}

func (r *jsonReader) value(depth int) (*yaml.Node, error) {
	if depth > maxDepth {
		return nil, errTooLarge
	}
	n, bracket, err := r.next()
	if err != nil || bracket == 0 {
		return n, err
	}
	n.Kind, n.Tag = yaml.SequenceNode, "!!seq"
	if bracket == '{' {
		n.Kind, n.Tag = yaml.MappingNode, "!!map"
	}
	for r.tokens.More() { // an object's keys come as its values do
		child, err := r.value(depth + 1)
		if err != nil {
			return nil, err
		}
		n.Content = append(n.Content, child)
	}
	_, _, err = r.next() // the closing bracket
	return n, err
}
