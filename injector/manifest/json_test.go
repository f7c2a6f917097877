package manifest

import (
	"testing"

	"gopkg.in/yaml.v3"
)

func TestToJSON(t *testing.T) {
	for text, want := range map[string]string{
		"{b: 1, a: 2}":                                         `{"b":1,"a":2}`,
		"[~, null, '']":                                        `[null,null,""]`,
		"[true, False, yes, 'true']":                           `[true,false,true,"true"]`,
		"[y, No, ON, off, 'yes', !!str no, oN]":                `[true,false,true,false,"yes","no","oN"]`,
		"[1, -1, 0x1f, 1_000, '1']":                            `[1,-1,31,1000,"1"]`,
		"[18446744073709551615]":                               `[18446744073709551615]`,
		"[1.50, 1e3, 1.10.0]":                                  `[1.5,1000,"1.10.0"]`,
		"[2001-01-01, 2001-01-01T00:00Z]":                      `["2001-01-01","2001-01-01T00:00Z"]`,
		"{x: &x {a: 1}, y: {<<: *x, b: 2}, z: {a: 3, <<: *x}}": `{"x":{"a":1},"y":{"b":2,"a":1},"z":{"a":3}}`,
		"{x: '<&>'}":                                           `{"x":"<&>"}`,
	} {
		var n yaml.Node
		if err := yaml.Unmarshal([]byte(text), &n); err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		got, err := toJSON(n.Content[0])
		if err != nil || string(got) != want {
			t.Errorf("%s: %s, %v, not %s", text, got, err, want)
		}
	}
}

func TestRender(t *testing.T) {
	got, err := render(map[string]any{
		"b":    []any{"x", []any{1, map[string]any{"k": nil}}, map[string]any{}},
		"name": "true",
		"a":    map[string]any{"text": "one\ntwo\n", "odd": " one\n\ntwo", "quoted": `{"a": 'b'}`, "empty": "", "dash": "- x", "no": "a: b"},
		"z":    []any{},
	})
	want := `name: "true"
a:
  dash: '- x'
  empty: ""
  "no": 'a: b'
  odd: " one\n\ntwo"
  quoted: '{"a": ''b''}'
  text: |
    one
    two
b:
- x
- - 1
  - k: null
- {}
z: []
`
	if err != nil || got != want {
		t.Errorf("%v\n%s\nnot\n%s", err, got, want)
	}
	var n any
	if err := yaml.Unmarshal([]byte(got), &n); err != nil {
		t.Error(err)
	}
}
