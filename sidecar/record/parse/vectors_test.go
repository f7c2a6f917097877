package parse

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// now is the clock of the tests.
func now() time.Time { return time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC) }

// document is what a sink would make of a record, without its text.
func document(t *testing.T, out *Reading) map[string]any {
	t.Helper()
	b := []byte(`{"dropped":` + strconv.FormatBool(out.Dropped))
	if out.HasTime {
		b = append(b, `,"@timestamp":"`+out.Time.Format(time.RFC3339Nano)+`"`...)
	}
	b = append(out.AppendJSON(b), '}')
	var doc map[string]any
	if err := unmarshal(b, &doc); err != nil || !utf8.Valid(b) {
		t.Fatalf("%q: %v", b, err)
	}
	once(t, b)
	delete(doc, "dropped")
	return doc
}

// unmarshal keeps numbers as they are written.
func unmarshal(b []byte, to any) error {
	d := json.NewDecoder(strings.NewReader(string(b)))
	d.UseNumber()
	return d.Decode(to)
}

// TestVectors walks over the files in testdata. "! " and options in JSON begin a
// group; each case is a text, or one that begins with ` as Go quotes it, and
// after "=> " the document that it becomes.
func TestVectors(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no testdata", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			b, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var rules *Rules
			var text string
			var out Reading
			cases := 0
			for i, line := range strings.Split(string(b), "\n") {
				if options, ok := strings.CutPrefix(line, "! "); ok {
					o := Options{Now: now}
					d := json.NewDecoder(strings.NewReader(options))
					d.DisallowUnknownFields()
					if err = d.Decode(&o); err != nil {
						t.Fatalf("line %d: %v", i+1, err)
					}
					if rules, err = New(o); err != nil {
						t.Fatalf("line %d: %v", i+1, err)
					}
				} else if expected, ok := strings.CutPrefix(line, "=> "); ok {
					if text[:min(1, len(text))] == "`" {
						if text, err = strconv.Unquote(`"` + text[1:] + `"`); err != nil {
							t.Fatalf("line %d: %v", i, err)
						}
					}
					var want map[string]any
					if err = unmarshal([]byte(expected), &want); err != nil {
						t.Fatalf("line %d: %v", i+1, err)
					}
					rules.Read([]byte(text), &out)
					if got := document(t, &out); !reflect.DeepEqual(got, want) {
						gotJSON, _ := json.Marshal(got)
						t.Errorf("line %d: %q\n got %s\nwant %s", i+1, text, gotJSON, expected)
					}
					cases++
				} else if !strings.HasPrefix(line, "# ") {
					text = line
				}
			}
			if cases == 0 {
				t.Error("no cases")
			}
		})
	}
}
