package ship

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"logging.taco/test/backend"
)

// Rows of what a backend will never take: the document goes to the dead letter
// file with the reason, and all others arrive.

// faulty is one way in which documents can be at fault.
type faulty struct {
	name string
	// mappings and settings of the index that somebody else has made.
	mappings, settings object
	lines              []string
	refused            []int // which of the lines; nil: all
	status             int   // 400 if not set
	types              string
	pod                bool // with labels
	only               backend.Kind
	prepare            func(s *shipment, index string)
}

// immense is longer than a term of an index may be, in bytes of UTF-8.
var immense = strings.Repeat("한"+canary, 2000)

func properties(p object) object { return object{"properties": p} }

func field(kind string) object { return object{"type": kind} }

var faults = []faulty{
	{
		name: "d1 a text where somebody had an object", mappings: properties(object{"log": properties(object{"level": field("keyword")})}),
		lines: lines("d1", 3), types: "mapper_parsing_exception",
	},
	{
		name: "d2 an object where somebody had a text", mappings: properties(object{"log_file": field("keyword")}),
		lines: lines("d2", 3), types: "mapper_parsing_exception",
	},
	{
		name: "d3 no number", mappings: properties(object{"log": field("long")}),
		lines: []string{"1", canary, "2", "3 " + canary, "4"}, refused: []int{1, 3}, types: "mapper_parsing_exception",
	},
	{
		name: "d5 a label that somebody had with dots", pod: true,
		mappings: properties(object{"kubernetes": properties(object{"labels": properties(object{"app": properties(object{"kubernetes": field("keyword")})})})}),
		lines:    lines("d5", 3), types: "mapper_parsing_exception",
	},
	{
		name: "d11 strict", mappings: object{"dynamic": "strict", "properties": object{"log": field("text")}},
		lines: lines("d11", 3), types: "strict_dynamic_mapping_exception",
	},
	{
		name: "e1 too many fields", settings: object{"index.mapping.total_fields.limit": 10}, pod: true,
		mappings: properties(object{"a": properties(object{"b": field("long"), "c": field("long"), "d": field("long"), "e": field("long"), "f": field("long"), "g": field("long"), "h": field("long")})}),
		lines:    lines("e1", 3), types: "mapper_parsing_exception illegal_argument_exception",
	},
	{
		name: "e2 too deep", settings: object{"index.mapping.depth.limit": 1}, mappings: object{"dynamic": true, "properties": object{}},
		lines: lines("e2", 3), types: "mapper_parsing_exception illegal_argument_exception",
	},
	{
		name: "n2 a date of another form", mappings: properties(object{"time": object{"type": "date", "format": "yyyy"}}),
		lines: lines("n2", 3), types: "mapper_parsing_exception",
	},
	{
		name: "o1 an immense term", mappings: properties(object{"log": field("keyword")}),
		lines: []string{canary + " short", immense, canary + " short again"}, refused: []int{1}, types: "illegal_argument_exception",
	},
	{
		name: "j3 a pipeline that fails", only: backend.OpenSearch, status: 500, types: "fail_processor_exception",
		settings: object{"index.default_pipeline": "fail"},
		prepare:  pipeline(object{"fail": object{"if": "ctx.log.contains('poison')", "message": "will not: {{log}}"}}),
		lines:    []string{canary + " 1", canary + " poison 2", canary + " 3", canary + " poison 4"}, refused: []int{1, 3},
	},
	{
		// The reason quotes the line, which must not be taken for the backend's words.
		name: "j3 a pattern that does not match", only: backend.OpenSearch, types: "illegal_argument_exception",
		settings: object{"index.default_pipeline": "fail"},
		prepare:  pipeline(object{"grok": object{"field": "log", "patterns": []string{"number %{INT:number}"}}}),
		lines: []string{
			"number 1", canary, canary + " pipeline with id [x] does not exist", canary + " no write index is defined for alias [x]", "number 2",
		}, refused: []int{1, 2, 3},
	},
	{
		// The answer quotes all of it.
		name: "j3 a long line that does not match", only: backend.OpenSearch, types: "illegal_argument_exception",
		settings: object{"index.default_pipeline": "fail"},
		prepare:  pipeline(object{"grok": object{"field": "log", "patterns": []string{"^number %{INT:number}"}}}),
		lines:    []string{"number 1", strings.Repeat(canary+" ", 20_000), "number 2"}, refused: []int{1},
	},
	{
		name: "j3 a line that cannot be dissected", only: backend.OpenSearch, status: 500, types: "find_match",
		settings: object{"index.default_pipeline": "fail"},
		prepare:  pipeline(object{"dissect": object{"field": "log", "pattern": "%{a} [%{b}]"}}),
		lines:    []string{"a [b]", canary, "c [d]"}, refused: []int{1},
	},
	{
		name: "j3 a script that fails", only: backend.OpenSearch, status: 400, types: "script_exception illegal_argument_exception",
		settings: object{"index.default_pipeline": "fail"},
		prepare:  pipeline(object{"script": object{"source": "ctx.number = Integer.parseInt(ctx.log)"}}),
		lines:    []string{"1", canary, "3"}, refused: []int{1},
	},
}

// TestRefusedFields: a record whose own fields the backend does not take is stored
// without them, once, and the others have theirs.
func TestRefusedFields(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, n *backend.Node) {
		for name, c := range map[string]struct {
			index object
			lines []string
			bare  []int
		}{
			"another type": {object{"mappings": properties(object{"took": field("long")})},
				[]string{`{"took":1}`, `{"took":"soon"}`, `{"took":{"a":1}}`, `{"took":2}`}, []int{1, 2}},
			"too many": {object{"settings": object{"index.mapping.total_fields.limit": 40}},
				[]string{`{"a":1}`, `{` + manyFields(60) + `}`, `{"a":2}`}, []int{1}},
			"strict": {object{"mappings": object{"dynamic": "strict", "properties": object{"@timestamp": field("date"), "log": field("text"), "stream": field("keyword"),
				"time": field("date"), "log_file": object{"type": "object", "dynamic": true}, "kubernetes": object{"type": "object", "dynamic": true}, "a": field("long"), "took_by": field("keyword")}}},
				[]string{`{"a":1}`, `{"b":1}`}, []int{1}},
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				s := ship(t, n)
				s.index, s.all = n.Prefix+strings.ReplaceAll(name, " ", "-"), n.Prefix+strings.ReplaceAll(name, " ", "-")
				s.ask("PUT", "/"+s.index, c.index)
				s.write("a.log", text(c.lines))
				a := s.start("--format=json", "--template=off", "--add=took_by=us")
				m := a.untilDocuments(len(c.lines))
				a.stop(0)
				s.holds(c.lines...)
				if got := m.bare(); got != len(c.bare) || m.refused() != 0 || m.blocked() != "" {
					t.Errorf("%d without their fields, %d refused, blocked %q; want %d", got, m.refused(), m.blocked(), len(c.bare))
				}
				for i, d := range s.documents() {
					var want object
					must(t, json.Unmarshal([]byte(c.lines[i]), &want))
					if d.Source["took_by"] != "us" {
						t.Errorf("%.100s: it has no constant field", c.lines[i])
					}
					for key, value := range want {
						got, has := d.Source[key]
						if bare := slices.Contains(c.bare, i); bare == has || has && quote(got) != quote(value) {
							t.Errorf("%.100s: %s is %v", c.lines[i], key, got)
						}
					}
				}
				if said := a.said.String(); !strings.Contains(said, "as text alone") {
					t.Errorf("it says:\n%s", said)
				}
			})
		}
	})
}

// manyFields are so many members of an object.
func manyFields(n int) string {
	var members []string
	for i := range n {
		members = append(members, fmt.Sprintf("%q:%d", fmt.Sprint("k", i), i))
	}
	return strings.Join(members, ",")
}

// pipeline makes one of the index's own name.
func pipeline(processor object) func(*shipment, string) {
	return func(s *shipment, index string) {
		s.ask("PUT", "/_ingest/pipeline/"+index, object{"processors": []any{processor}})
		s.t.Cleanup(func() { s.node.Do(s.t.Context(), "DELETE", "/_ingest/pipeline/"+index, nil) })
	}
}

func TestRefused(t *testing.T) {
	t.Parallel()
	for _, c := range faults {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			for _, kind := range kinds {
				if c.only != "" && kind != c.only {
					continue
				}
				t.Run(string(kind), func(t *testing.T) {
					t.Parallel()
					refused(t, backend.Shared(t, kind), c)
				})
			}
		})
	}
}

func refused(t *testing.T, n *backend.Node, c faulty) {
	s := twoIndices(ship(t, n), "")
	if c.pod {
		dir := t.TempDir()
		must(t, writeFile(dir+"/labels", "app=\"web\"\n"))
		s.more = fmt.Sprintf("pod: %q\n", dir)
	}
	if c.prepare != nil {
		c.prepare(s, s.bad())
		c.settings = object{"index.default_pipeline": s.bad()}
	}
	s.ask("PUT", "/"+s.bad(), object{"mappings": orEmpty(c.mappings), "settings": orEmpty(c.settings)})
	good := lines("good", 20)
	s.write("good.log", text(good))
	s.write("bad.log", text(c.lines))
	a := s.run()
	m := a.untilDocuments(len(good) + len(c.lines))
	if m.blocked() != "" {
		t.Errorf("nothing waits, and still blocked: %s", m.blocked())
	}
	a.stop(0)

	stored, letters := split(c)
	if m.refused() != len(letters) || m.already() != 0 {
		t.Errorf("%d refused and %d already stored, want %d and none", m.refused(), m.already(), len(letters))
	}
	s.holds(append(stored, good...)...)
	got := s.letters()
	if len(got) != len(letters) {
		t.Fatalf("%d dead letters, want %d", len(got), len(letters))
	}
	for i, l := range got {
		status := c.status
		if status == 0 {
			status = 400
		}
		if l.Status != status || !strings.Contains(c.types, l.Error.Type) || l.Error.Type == "" || l.Error.Reason == "" {
			t.Errorf("letter %d: status %d, %s: %s; want status %d, %s", i, l.Status, l.Error.Type, l.Error.Reason, status, c.types)
		}
		if len(l.Error.Reason) > 8<<10 {
			t.Errorf("letter %d: a reason of %d bytes", i, len(l.Error.Reason))
		}
		if l.text() != letters[i] && !l.Cut {
			t.Errorf("letter %d is of %.200q, want %.200q", i, l.text(), letters[i])
		}
		if id, _ := l.Action["create"]["_id"].(string); l.Index != s.bad() || !idForm.MatchString(id) || l.Time == "" {
			t.Errorf("letter %d: index %q, time %q, action %v", i, l.Index, l.Time, l.Action)
		}
	}
	if info, err := os.Stat(s.state + "/dead-letter.ndjson"); err != nil || info.Mode() != 0o600 {
		t.Errorf("the dead letter file: %v, %v", info.Mode(), err)
	}
	if said := a.said.String(); !strings.Contains(said, "put aside") || !strings.Contains(said, "dead-letter.ndjson") {
		t.Errorf("it does not say where the records are:\n%s", said)
	}
}

// split tells those lines that are stored from those that are refused.
func split(c faulty) (stored, refused []string) {
	bad := map[int]bool{}
	for _, i := range c.refused {
		bad[i] = true
	}
	for i, line := range c.lines {
		if bad[i] || c.refused == nil {
			refused = append(refused, line)
		} else {
			stored = append(stored, line)
		}
	}
	return stored, refused
}

func orEmpty(o object) object {
	if o == nil {
		return object{}
	}
	return o
}

// TestDropped: what a pipeline drops is done with.
func TestDropped(t *testing.T) {
	t.Parallel()
	n := backend.Shared(t, backend.OpenSearch)
	s := ship(t, n)
	s.index, s.all = n.Prefix+"logs", n.Prefix+"logs"
	pipeline(object{"drop": object{"if": "ctx.log.contains('debug')"}})(s, s.index)
	s.ask("PUT", "/"+s.index, object{"settings": object{"index.default_pipeline": s.index}})
	s.write("a.log", canary+" 1\n"+canary+" debug 2\n"+canary+" 3\n")
	a := s.start()
	m := a.untilDocuments(3)
	a.stop(0)
	s.holds(canary+" 1", canary+" 3")
	if m.refused() != 0 || s.letters() != nil {
		t.Errorf("%d refused; dead letters: %v", m.refused(), s.letters())
	}
}

// TestNoDeadLetterFile: without a folder for it there is none, which is said.
func TestNoDeadLetterFile(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, n *backend.Node) {
		s := ship(t, n)
		s.index, s.all = n.Prefix+"logs", n.Prefix+"logs"
		s.ask("PUT", "/"+s.index, object{"mappings": properties(object{"log": field("long")})})
		s.write("a.log", "1\n"+canary+"\n2\n")
		a := launch(t, s.env, s.secrets, append([]string{"ship", "--to=" + s.to, "--index=" + s.index}, s.globs...)...)
		m := a.untilDocuments(3)
		a.stop(0)
		s.holds("1", "2")
		if said := a.said.String(); m.refused() != 1 || !strings.Contains(said, "they are lost") {
			t.Errorf("%d refused, and it says:\n%s", m.refused(), said)
		}
	})
}

// TestDeadLetterUnwritable: as long as a record can be put nowhere, it waits.
func TestDeadLetterUnwritable(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, n *backend.Node) {
		s := ship(t, n)
		s.index, s.all = n.Prefix+"logs", n.Prefix+"logs"
		s.ask("PUT", "/"+s.index, object{"mappings": properties(object{"log": field("long")})})
		s.write("a.log", "1\n"+canary+"\n2\n")
		must(t, os.MkdirAll(s.state+"/dead-letter.ndjson", 0o700)) // a folder in its place
		a := s.start()
		m := a.untilBlocked("dead_letter")
		if m["taco_ship_dead_letter_failures_total"] == 0 || m.refused() != 0 {
			t.Errorf("metrics: %v", m)
		}
		must(t, os.Remove(s.state+"/dead-letter.ndjson"))
		m = a.untilDocuments(3)
		a.stop(0)
		s.holds("1", "2")
		if letters := s.letters(); m.refused() != 1 || len(letters) != 1 || letters[0].text() != canary {
			t.Errorf("%d refused, letters: %v", m.refused(), letters)
		}
	})
}
