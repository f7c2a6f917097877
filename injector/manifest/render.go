package manifest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"gopkg.in/yaml.v3"
)

// render writes a JSON value as YAML in block style, as people write manifests:
// lists not indented, a name before what it names, the other keys sorted.
func render(value any) (string, error) {
	var b strings.Builder
	err := renderValue(&b, value, 0)
	return strings.TrimPrefix(b.String(), "\n"), err
}

// generic is a value as maps, slices and scalars, with numbers in their own digits.
func generic(value any) (any, error) {
	text, err := json.Marshal(value)
	if err != nil {
		return nil, err
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var out any
	err = d.Decode(&out)
	return out, err
}

// renderValue writes what follows a key's colon or stands alone: a scalar on the
// same line, or a new line and everything below indented.
func renderValue(b *strings.Builder, value any, indent int) error {
	margin := strings.Repeat(" ", indent)
	switch v := value.(type) {
	case map[string]any:
		if len(v) == 0 {
			b.WriteString(" {}\n")
			return nil
		}
		b.WriteByte('\n')
		for _, key := range keysOf(v) {
			b.WriteString(margin)
			name, err := renderText(key)
			if err != nil {
				return err
			}
			b.WriteString(name + ":")
			below := indent + 2
			if _, list := v[key].([]any); list {
				below = indent
			}
			if err := renderValue(b, v[key], below); err != nil {
				return err
			}
		}
	case []any:
		if len(v) == 0 {
			b.WriteString(" []\n")
			return nil
		}
		b.WriteByte('\n')
		for _, e := range v {
			var item strings.Builder
			if err := renderValue(&item, e, indent+2); err != nil {
				return err
			}
			// The first line of the item goes behind its dash.
			text := strings.TrimPrefix(item.String(), "\n"+margin+"  ")
			b.WriteString(margin + "- " + strings.TrimPrefix(text, " "))
		}
	case string:
		if literal(v) {
			b.WriteString(" |\n")
			for line := range strings.Lines(v) {
				b.WriteString(margin + line)
			}
			return nil
		}
		text, err := renderText(v)
		if err != nil {
			return err
		}
		b.WriteString(" " + text + "\n")
	case nil:
		b.WriteString(" null\n")
	case bool, json.Number:
		fmt.Fprintf(b, " %v\n", v)
	default:
		value, err := generic(value)
		if err != nil {
			return err
		}
		return renderValue(b, value, indent)
	}
	return nil
}

// literal tells whether a text reads best, and safely, as a | block.
func literal(s string) bool {
	if !strings.HasSuffix(s, "\n") || strings.HasSuffix(s, "\n\n") || s == "\n" {
		return false
	}
	for line := range strings.Lines(s) {
		if line == "\n" || strings.HasSuffix(line, " \n") {
			return false
		}
	}
	return s[0] != ' ' && !strings.ContainsFunc(s, func(r rune) bool { return r != '\n' && !unicode.IsPrint(r) })
}

// plainText is text that is nothing else without quotes, but for the words of
// notText.
var (
	plainText = regexp.MustCompile(`^[A-Za-z/]([A-Za-z0-9/._:-]*[A-Za-z0-9/])?$`)
	notText   = []string{"true", "false", "null", "yes", "no", "on", "off", "y", "n"}
)

// renderText writes a text in one line, quoted where it has to be.
func renderText(s string) (string, error) {
	if plainText.MatchString(s) && !slices.Contains(notText, strings.ToLower(s)) {
		return s, nil
	}
	text, err := yaml.Marshal(s)
	if err != nil {
		return "", err
	}
	line := strings.TrimSuffix(string(text), "\n")
	if strings.Contains(line, "\n") {
		quoted, err := json.Marshal(s)
		return string(quoted), err
	}
	return line, nil
}

func keysOf(m map[string]any) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b string) int {
		switch {
		case a == "name":
			return -1
		case b == "name":
			return 1
		}
		return strings.Compare(a, b)
	})
	return keys
}
