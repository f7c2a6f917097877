package annotation_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"logging.taco/injector/annotation"
)

// bomb is YAML that a parser which follows aliases would blow up to terabytes.
func bomb() string {
	var b strings.Builder
	b.WriteString("a: &a [x,x,x,x,x,x,x,x,x,x]\n")
	for c := 'b'; c <= 'm'; c++ {
		fmt.Fprintf(&b, "%c: &%c [%s*%c]\n", c, c, strings.Repeat(fmt.Sprintf("*%c,", c-1), 9), c-1)
	}
	return b.String()
}

// What nobody can mean is refused under every key, with a message that is fit to
// be shown. Where such a value does mean something for a key, it is listed.
func TestBadInput(t *testing.T) {
	text := []string{"time-key", "drop", "keep", "redact"} // almost any text will do
	expression := append([]string{"multiline"}, text...)
	name := append([]string{"output", "image"}, text...)
	for what, c := range map[string]struct {
		value string
		taken []string // the keys that take it
	}{
		"empty":             {"", nil},
		"a space":           {" ", nil},
		"spaces only":       {" \t \n\r\n ", nil},
		"a no-break space":  {"\u00a0", nil},
		"64 KiB of letters": {strings.Repeat("x", 64<<10), nil},
		"64 KiB of commas":  {strings.Repeat(",", 64<<10), nil},
		"64 KiB of lines":   {strings.Repeat("/a\n", 64<<10/3), nil},
		"64 KiB of paths":   {strings.Repeat("/a/b,", 64<<10/5), nil},
		"not UTF-8":         {"\xff\xfe", nil},
		"half a rune":       {"/a/\xe4\xbd", nil},
		"a NUL":             {"\x00", text},
		"a list":            {"[1, 2]", expression},
		"an empty list":     {"[]", []string{"time-key"}},
		"a map":             {"{a: b}", expression},
		"a number":          {"-1.5e3", expression},
		"null":              {"null", name},
		"yes":               {"yes", name},
		"a capital":         {"True", text},
		"quotes":            {`"true"`, text},
		"a template":        {"{{ .Values.x }}", expression},
		"a variable":        {"$(HOME)", expression},
		"markup":            {"<b>", text},
		"a bell":            {"\a", text},
		"a bomb":            {bomb(), expression},
		"depth":             {strings.Repeat("[", 30000), []string{"time-key"}},
		"depth of maps":     {strings.Repeat("{a: ", 7000), expression},
		"many groups":       {strings.Repeat("(", 10000) + strings.Repeat(")", 10000), []string{"time-key"}},
		"a huge repetition": {"((((a{100}){100}){100}){100}){100}", []string{"time-key"}},
	} {
		for _, key := range annotation.Keys {
			short := strings.TrimPrefix(key, annotation.Prefix)
			if key == annotation.Status {
				continue
			}
			_, present, err := annotation.Parse(annotated("paths", "/ok/ok", short, c.value))
			if slices.Contains(c.taken, short) {
				if err != nil {
					t.Errorf("%s: %s is refused: %.200v", short, what, err)
				}
				continue
			}
			var all annotation.Errors
			if !present || !errors.As(err, &all) {
				t.Errorf("%s: %s is taken: %v", short, what, err)
				continue
			}
			for _, e := range all {
				text := e.Error()
				if e.Key != key || e.Reason == "" || len(text) > 1000 || !utf8.ValidString(text) || strings.ContainsAny(text, "\n\x00\a") {
					t.Errorf("%s: %s: the error is not fit to be shown: %.300q", short, what, text)
				}
			}
			if len(all) > 100 {
				t.Errorf("%s: %s: %d errors", short, what, len(all))
			}
		}
	}
}
