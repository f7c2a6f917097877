package config

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"logging.taco/sidecar/record/parse"
)

func TestDecodeAppliesDefaults(t *testing.T) {
	c, err := Decode("c.yaml", []byte("sources:\n- paths: [/var/log/*.log]\ngrace: 2s\nmax-line: 64KiB\n"))
	if err != nil {
		t.Fatal(err)
	}
	want := Default()
	want.Sources = []Source{{Paths: []string{"/var/log/*.log"}, Emit: EmitRaw}}
	want.Grace, want.MaxLine = Duration(2*time.Second), 64<<10
	if !reflect.DeepEqual(c, want) {
		t.Errorf("got %+v\nwant %+v", c, want)
	}
}

func TestFaultsNameTheirLine(t *testing.T) {
	for _, c := range []struct{ yaml, want string }{
		{"", "c.yaml: the config is empty"},
		{"sources: []\n", `c.yaml: line 1: sources: "": at least one`},
		{"sources:\n- paths: [/a]\nsauces: 1\n", "c.yaml: line 3: field sauces is not a key here"},
		{"sources:\n- paths: [/a]\n- emit: raw\n", `line 3: sources[1].paths: "": at least one path`},
		{"sources:\n- paths:\n  - /a\n  - b\n", `line 4: sources[0].paths: "b": use an absolute path`},
		{"sources:\n- paths: [/a/../b]\n", "leave out .."},
		{"sources:\n- paths: [/a/]\n", "this is a folder"},
		{"sources:\n- paths: ['/a[']\n", "malformed"},
		{"sources:\n- paths: [/a]\n  emit: xml\n", `line 3: sources[0].emit: "xml": use raw, prefix or json`},
		{"from: middle\nsources:\n- paths: [/a]\n", `line 1: from: "middle"`},
		{"engine: tail\nsources:\n- paths: [/a]\n", `line 1: engine: "tail": use inode or name`},
		{"grace: soon\nsources:\n- paths: [/a]\n", `line 1: "soon" is not a duration`},
		{"max-line: 1GiB\nsources:\n- paths: [/a]\n", `line 1: max-line: "1GiB"`},
		{"max-line: -5\nsources:\n- paths: [/a]\n", `line 1: "-5" is not a size`},
		{"state: here\nsources:\n- paths: [/a]\n", `state: "here": use an absolute path`},
		{"sources:\n- paths: [/a]\n  emit: json\n  format: xml\n", `line 4: sources[0].format: "xml": use none, json,`},
		{"sources:\n- paths: [/a]\n  emit: json\n  drop:\n  - a\n  - (\n", `line 6: sources[0].drop: "(": not a regular expression`},
		{"sources:\n- paths: [/a]\n  emit: json\n  add:\n    a: 1\n    log: x\n", `line 6: sources[0].add: "log": this key is the document's own`},
		{"sources:\n- paths: [/a]\n  format: json\n", `line 3: sources[0].format: "json": raw and prefix write the line as it is`},
		{"sources:\n- paths: [/a]\n  emit: prefix\n  add: {a: b}\n", `line 4: sources[0].add: "a": raw and prefix`},
		{"sources:\n- paths: [/a]\n  emit: json\n  time-key: t\n", `line 4: sources[0].time-key: "t": without a format`},
		{"sources:\n- paths: [/a]\n  emit: json\n  formt: json\n", `line 4: field formt is not a key here`},
		{"sources:\n- paths: [/a]\n---\nsources: []\n", "more than one YAML document"},
		{"sources: [", "c.yaml: "},
		{"sources:\n- paths: [/a]\noutput:\n  to: [ftp://x]\n", `line 4: output.to: "ftp://x": use http://`},
		{"sources:\n- paths: [/a]\noutput:\n  to: ['http://u:secret@x']\n", `output.to: "http://u:xxxxx@x": put the user's name`},
		{"sources:\n- paths: [/a]\noutput:\n  index: x\n", `output.to: "": an output needs`},
		{"sources:\n- paths: [/a]\noutput:\n  two: x\n", "line 4: field two is not a key here"},
		{"sources:\n- paths: [/a]\noutput:\n  to: [http://x]\n  index: Logs\n", `line 5: output.index: "Logs": the name must be in lower case`},
		{"sources:\n- paths: [/a]\noutput:\n  to: [http://x]\n  index: a-%Q\n", "after % one of"},
		{"sources:\n- paths: [/a]\noutput:\n  to: [http://x]\n  index: a-{\n", "a { needs"},
		{"sources:\n- paths: [/a]\noutput:\n  to: [http://x]\n  in-flight: 0\n", `line 5: output.in-flight: "0"`},
		{"sources:\n- paths: [/a]\n  emit: raw\noutput:\n  to: [http://x]\n", "emit is for stdout"},
		{"sources:\n- paths: [/a]\nwhen-full: drop\n", `line 3: when-full: "drop": use discard or block`},
	} {
		if _, err := Decode("c.yaml", []byte(c.yaml)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q:\n got %v\nwant …%s…", c.yaml, err, c.want)
		}
	}
}

func TestRules(t *testing.T) {
	c, err := Decode("c.yaml", []byte(`
sources:
- paths: [/a]
  drop: [DEBUG]
- paths: [/b]
  emit: json
  format: csv:t,n,m
  types: n:integer
  time-key: t
  time-format: "%d.%m.%Y %H:%M:%S"
  time-zone: Asia/Seoul
  keep: [ERROR, WARN]
  drop: [noise]
  redact: ["[0-9]{16}"]
  add: {env: prod}
`))
	if err != nil {
		t.Fatal(err)
	}
	read := func(i int, text string) string {
		t.Helper()
		r, err := c.Sources[i].Parse()
		if err != nil {
			t.Fatal(err)
		}
		var out parse.Reading
		if r.Read([]byte(text), &out); out.Dropped {
			return "dropped"
		}
		return fmt.Sprintf("%s %v %s", out.Text, out.Time, out.AppendJSON(nil))
	}
	for text, want := range map[string]string{
		"21.11.2026 10:00:00,7,ERROR 4111111111111111": `21.11.2026 10:00:00,7,ERROR [redacted] 2026-11-21 01:00:00 +0000 UTC ,"n":7,"m":"ERROR [redacted]","env":"prod"`,
		"21.11.2026 10:00:00,7,INFO":                   "dropped",
		"21.11.2026 10:00:00,7,ERROR of noise":         "dropped",
	} {
		if got := read(1, text); got != want {
			t.Errorf("%s:\n got %s\nwant %s", text, got, want)
		}
	}
	if got := read(0, "DEBUG x"); got != "dropped" {
		t.Error(got)
	}
	if _, err := Decode("c.yaml", []byte("sources:\n- paths: [/a]\n  format: json\noutput:\n  to: [http://x:9200]\n")); err != nil {
		t.Error(err)
	}
}

func TestSizes(t *testing.T) {
	for s, want := range map[string]Size{"0": 0, "512": 512, "1k": 1024, "1KB": 1024, "64KiB": 64 << 10, "3 MiB": 3 << 20, "2G": 2 << 30} {
		if got, err := ParseSize(s); err != nil || got != want {
			t.Errorf("%q: %d, %v; want %d", s, got, err, want)
		}
		if got, err := ParseSize(want.String()); err != nil || got != want {
			t.Errorf("%d is written as %q, which reads as %d, %v", want, want.String(), got, err)
		}
	}
	for _, s := range []string{"", "k", "-1", "1.5M", "1T", "99999999999999999999", "9223372036854775807k"} {
		if got, err := ParseSize(s); err == nil {
			t.Errorf("%q reads as %d", s, got)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte("sources:\n- paths: [/var/log/*.log]\n  container: app\n  emit: json\nstate: /s\nlinger: 3s\nmetrics: :9600\n"))
	f.Add([]byte("sources:\n- paths: [/a]\noutput:\n  to: [http://x:9200]\n  ids: false\n  index: a-{b}-%Y\n  batch-wait: 0\n"))
	f.Add([]byte("sources: &a [*a]\n"))
	f.Add([]byte("sources:\n- paths: [/a]\n  emit: json\n  format: json\n  types: a:integer\n  time-key: t\n  time-format: '%s'\n  time-zone: +09:00\n  drop: [a]\n  keep: []\n  redact: [b]\n  add: {c: d}\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := Decode("c.yaml", b)
		if err != nil {
			if !strings.HasPrefix(err.Error(), "c.yaml: ") {
				t.Fatalf("the error does not name the file: %v", err)
			}
			return
		}
		out, err := Encode(c)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := Decode("again", out); err != nil || !reflect.DeepEqual(again, c) {
			t.Fatalf("%v\n%s\n got %+v\nwant %+v", err, out, again, c)
		}
	})
}
