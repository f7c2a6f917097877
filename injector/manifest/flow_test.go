package manifest

import (
	"testing"

	"gopkg.in/yaml.v3"
)

func TestFlowEnd(t *testing.T) {
	for text, want := range map[string]string{
		"[1, 2]":                     "1",
		"[ a b , 2]":                 "a b",
		"['it''s, here' , 2]":        "'it''s, here'",
		`["a\\", b" , 2]`:            `"a\\"`,
		`["a\", b" , 2]`:             `"a\", b"`,
		"[{a: [1, '}'], b: ']'} ,2]": "{a: [1, '}'], b: ']'}",
		"[it's, 2]":                  "it's",
		"[日本 , 2]":                   "日本",
		"[last]":                     "last",
		"[x\n  y\n, 2]":              "x\n  y",
	} {
		var n yaml.Node
		if err := yaml.Unmarshal([]byte(text), &n); err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		first := n.Content[0].Content[0]
		if got := text[offset(text, first):flowEnd(text, first)]; got != want {
			t.Errorf("%s: %q, not %q", text, got, want)
		}
	}
}
