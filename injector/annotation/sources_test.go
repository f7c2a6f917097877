package annotation_test

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"logging.taco/injector/annotation"
	"logging.taco/sidecar/config"
)

func TestSources(t *testing.T) {
	req, present, err := annotation.Parse(annotated("emit", "json", "paths", "/a", "config", `
- paths: [/b, "app:/c,d"]
  mode: ship
  output: search
  split: false
  multiline: java
  charset: euc-kr
  format: csv:a,b
  types: a:integer
  time-key: b
  time-format: epoch
  time-zone: "+09:00"
  drop: [x, "y,z"]
  keep: k
  redact: []
  add: {a.b: 1, "c=d": " e "}
- paths: |
    /e,
    app:/f
  emit: raw
`))
	if err != nil || !present {
		t.Fatal(present, err)
	}
	var got []string
	for _, s := range req.Sources {
		for _, p := range s.Paths {
			got = append(got, fmt.Sprintf("%v %s", p, p.Key+": "+p.Within()))
		}
	}
	if want := []string{
		"/a logging.taco/paths: item 1: ",
		"/b logging.taco/config: line 2: paths: ", "app:/c,d logging.taco/config: line 2: paths: ",
		"/e logging.taco/config: line 17: paths: item 1: ", "app:/f logging.taco/config: line 17: paths: item 2: ",
	}; !reflect.DeepEqual(got, want) {
		t.Errorf("paths\n%q\nnot\n%q", got, want)
	}
	want := annotation.Settings{Mode: annotation.Ship, Output: "search", Split: new(false), Multiline: "java", Charset: "euc-kr", Rules: config.Rules{
		Format: "csv:a,b", Types: "a:integer", TimeKey: "b", TimeFormat: "epoch", TimeZone: "+09:00",
		Drop: []string{"x", "y,z"}, Keep: []string{"k"}, Redact: []string{}, Add: map[string]string{"a.b": "1", "c=d": " e "}}}
	if s := req.Sources[1]; !reflect.DeepEqual(s.Settings, want) {
		t.Errorf("settings\n%+v\nnot\n%+v", s.Settings, want)
	}
	if at := req.Sources[1].Places["drop"]; at != (annotation.Place{Key: annotation.Config, Line: 13, Field: "drop"}) {
		t.Errorf("drop is at %+v", at)
	}
	if !reflect.DeepEqual(req.Settings, annotation.Settings{Emit: config.EmitJSON}) || req.Sources[2].Settings.Emit != config.EmitRaw {
		t.Errorf("%+v", req)
	}
}

// Everything said in one annotation is said alike in a line of its own.
func TestLists(t *testing.T) {
	req, _, err := annotation.Parse(annotated("paths", "/a", "drop", "a b \n c,d\r\n", "keep", "x", "redact", "p=(?P<v>.)\n", "add", " a = b=c \nd="))
	want := config.Rules{Drop: []string{"a b", "c,d"}, Keep: []string{"x"}, Redact: []string{"p=(?P<v>.)"}, Add: map[string]string{"a": "b=c", "d": ""}}
	if err != nil || !reflect.DeepEqual(req.Settings.Rules, want) {
		t.Errorf("%v, %+v", err, req.Settings.Rules)
	}
}

func TestOver(t *testing.T) {
	below := annotation.Settings{Mode: annotation.Ship, Output: "o", Split: new(true), Emit: "json", Multiline: "java", Charset: "euc-kr", Rules: config.Rules{
		Format: "json", Types: "a:integer", TimeKey: "t", TimeFormat: "epoch", TimeZone: "UTC", Drop: []string{"d"}, Keep: []string{"k"}, Redact: []string{"r"}, Add: map[string]string{"a": "b"}}}
	if got := (annotation.Settings{}).Over(below); !reflect.DeepEqual(got, below) {
		t.Errorf("nothing over it is %+v", got)
	}
	if got := below.Over(annotation.Settings{}); !reflect.DeepEqual(got, below) {
		t.Errorf("over nothing it is %+v", got)
	}
	if got := below.Over(below); !reflect.DeepEqual(got, below) {
		t.Errorf("over itself it is %+v", got)
	}
	got := annotation.Settings{Split: new(false), Rules: config.Rules{Format: "none", Drop: []string{}, Redact: []string{"s"}, Add: map[string]string{"c": "d"}}}.Over(below)
	want := below
	want.Split, want.Rules = new(false), config.Rules{Format: "none", Drop: []string{}, Keep: []string{"k"}, Redact: []string{"r", "s"}, Add: map[string]string{"a": "b", "c": "d"}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("\n%+v, not\n%+v", got, want)
	}
	if len(below.Add) != 1 || len(below.Redact) != 1 {
		t.Errorf("changed below: %+v", below)
	}
}

func TestSourceFaults(t *testing.T) {
	for text, want := range map[string]string{
		"- paths: /a\n  modus: ship":              `line 2: "modus": not a key`,
		"- paths: /a\n  mdoe: ship":               `line 2: "mdoe": not a key; did you mean mode?`,
		"- paths: /a\n  native: true":             `line 2: "native": is for the pod as a whole`,
		"- paths: /a\n  status: x":                `line 2: "status": is for the pod as a whole`,
		"- paths: /a\n  mode: [ship]":             `line 2: mode: "": a single value`,
		"- paths: /a\n  mode:":                    `line 2: mode: "": use stream or ship`,
		"- paths: /a\n  charset:":                 `line 2: charset: "": the value is empty`,
		"- paths: /a\n  drop: [a,\n    '']":       `line 3: drop: "": empty`,
		"- paths: /a\n  drop: [a,\n    [b]]":      `line 3: drop: "": an expression is needed`,
		"- paths: /a\n  keep: {a: b}":             `line 2: keep: "": a list of expressions`,
		"- paths: /a\n  add: [a]":                 `line 2: add: "": a map of fields`,
		"- paths: /a\n  add:\n    a: b\n    a: c": `line 4: add: "a": the field is here twice`,
		"- paths: /a\n  add: {a: [b]}":            `line 2: add: "": a single value`,
		"- paths: /a\n  add: {log: b}":            `line 2: add: "log": this key is the document's own`,
		"- {}":                                    `line 1: "": a source needs paths`,
		"-":                                       `line 1: "": a source is needed`,
		"- paths: []":                             `line 1: paths: "": a path or a list`,
		`- paths: ["/a/{b}/{c,d}"]`:               `line 1: paths: "/a/{b}/{c,d}": braces`,
		"- paths: {}":                             `line 1: paths: "": a path or a list`,
		"- paths: [/a, &x /b]\n- paths: [*x]":     `line 2: paths: "*x": anchors and aliases`,
		"- &x {paths: /a}\n- *x":                  `line 2: "*x": anchors and aliases`,
		"- &x {paths: /a, y: *x}":                 `"y": not a key`,
		"- paths: *x":                             `not YAML: unknown anchor 'x'`,
		"- paths: /a\n  emit: &e json\n- {paths: /b, emit: *e}": `line 3: emit: "*e": anchors`,
		"\x00":                        "not YAML: control characters",
		"- paths: \xff":               "not UTF-8",
		"--- [a]\n--- [b]":            "more than one YAML document",
		"%YAML 9.9\n---\n- paths: /a": "not YAML: ",
		strings.Repeat("[", 20000):    "not YAML: ",
		strings.Repeat("- ", 10000):   "",
		strings.Repeat("x", 64<<10):   "longer than 32 KiB",
		"- paths: [" + strings.Repeat("/a*,", 4000) + "]": "",
	} {
		_, present, err := annotation.Parse(annotated("config", text))
		var all annotation.Errors
		if !present || !errors.As(err, &all) || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60q: %.300v, not %q", text, err, want)
			continue
		}
		for _, e := range all {
			if e.Key != annotation.Config || e.Kind != annotation.InvalidValue || e.Reason == "" || len(e.Error()) > 1000 {
				t.Errorf("%.60q: %.300v", text, e)
			}
		}
	}
	if _, _, err := annotation.Parse(annotated("config", "- paths: ["+strings.Repeat("/a,", 60)+"/b]", "paths", "/c")); err == nil {
		t.Error("the same path sixty times")
	}
	var many strings.Builder
	for i := range 51 {
		fmt.Fprintf(&many, "- paths: [/a/%d, /b/%d]\n", i, i)
	}
	if _, _, err := annotation.Parse(annotated("config", many.String())); err == nil || !strings.Contains(err.Error(), "102 paths in all, more than the 100") {
		t.Errorf("%.200v", err)
	}
}
