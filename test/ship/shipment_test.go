package ship

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"logging.taco/test/backend"
)

// canary stands in every line that tests write, and canaryPassword in every
// credential: neither may be seen on stderr or in the metrics.
const (
	canary         = "canary-of-the-lines"
	canaryPassword = "canary-of-the-secret"
)

// kinds are the products, without security.
var kinds = []backend.Kind{backend.Elasticsearch, backend.OpenSearch}

// onBoth runs a test on the shared node of each product.
func onBoth(t *testing.T, test func(t *testing.T, n *backend.Node)) {
	for _, kind := range kinds {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			test(t, backend.Shared(t, kind))
		})
	}
}

// shipment is files that a sidecar ships to one place, and that place.
type shipment struct {
	t     testing.TB
	node  *backend.Node // nil: a stand-in
	to    string
	index string   // the pattern
	all   string   // matches all indices of it
	dir   string   // of the files
	state string   // folder
	args  []string // more flags
	env   []string
	globs []string
	// config is what run takes instead of flags.
	config func(metrics string) string
	more   string // keys of it
	// secrets are what must not be said, the canaries among them.
	secrets []string
}

// ship prepares to ship what is in a folder of its own to indices of this test.
func ship(t testing.TB, n *backend.Node) *shipment {
	t.Helper()
	s := shipTo(t, n.URL())
	s.node = n
	s.index, s.all = n.Prefix+"%Y.%m.%d", n.Prefix+"*"
	if n.Prefix == "" {
		s.index, s.all = "logstash-%Y.%m.%d", "logstash-*"
	}
	t.Cleanup(func() {
		if n.Prefix != "" && !t.Failed() {
			s.deleteTemplates()
		}
	})
	return s
}

// shipTo is the same for any address.
func shipTo(t testing.TB, to string) *shipment {
	t.Helper()
	dir, err := os.MkdirTemp(files, "")
	must(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	s := &shipment{
		t: t, to: to, index: "logstash-%Y.%m.%d", dir: filepath.Join(dir, "logs"), state: filepath.Join(dir, "state"),
		secrets: []string{canary, canaryPassword},
		env:     []string{"TACO_POD_NAME=web-0", "TACO_POD_NAMESPACE=shop", "TACO_POD_UID=0d8fa1a8-6a5c-4a6e-9d4b-1f2e3d4c5b6a", "TACO_NODE_NAME=node-7"},
	}
	must(t, os.Mkdir(s.dir, 0o755))
	s.globs = []string{filepath.Join(s.dir, "*.log")}
	return s
}

// deleteTemplates removes what the sidecar has put for this test.
func (s *shipment) deleteTemplates() {
	name := "logging-taco-" + strings.Trim(s.node.Prefix, "-") + "*"
	s.node.Do(s.t.(*testing.T).Context(), http.MethodDelete, "/_index_template/"+name, nil)
}

func (s *shipment) path(name string) string { return filepath.Join(s.dir, name) }

// write appends to a file.
func (s *shipment) write(name, text string) {
	s.t.Helper()
	f, err := os.OpenFile(s.path(name), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	must(s.t, err)
	_, err = f.WriteString(text)
	must(s.t, err)
	must(s.t, f.Close())
}

func (s *shipment) command(args ...string) []string {
	all := []string{"ship", "--to=" + s.to, "--index=" + s.index, "--state=" + s.state, "--flush-timeout=200ms"}
	return append(append(append(all, s.args...), args...), s.globs...)
}

// start starts a sidecar.
func (s *shipment) start(args ...string) *agent {
	s.t.Helper()
	return launch(s.t, s.env, s.secrets, s.command(args...)...)
}

// once ships all that is there, and returns what was said.
func (s *shipment) once(args ...string) string {
	s.t.Helper()
	a := s.start(append([]string{"--once"}, args...)...)
	a.exit(0)
	return a.said.String()
}

// forget removes the checkpoint.
func (s *shipment) forget() { must(s.t, os.RemoveAll(s.state)) }

// document is one as it is stored.
type document struct {
	Index, ID string
	Source    map[string]any
}

// log is the text of the record.
func (d document) log() string { text, _ := d.Source["log"].(string); return text }

// logOf is the text of a document.
func logOf(t testing.TB, source []byte) string {
	t.Helper()
	var d struct{ Log string }
	if err := json.Unmarshal(source, &d); err != nil {
		t.Errorf("a document is no object: %v: %.300s", err, source)
	}
	return d.Log
}

// documents are all that are there now, in the order of file and offset.
func (s *shipment) documents() []document {
	s.t.Helper()
	return documents(s.t, s.node, s.all)
}

func documents(t testing.TB, n *backend.Node, indices string) (all []document) {
	t.Helper()
	n.Refresh(indices)
	n.Documents(indices, func(d backend.Document) {
		doc := document{Index: d.Index, ID: d.ID}
		if err := json.Unmarshal(d.Source, &doc.Source); err != nil {
			t.Errorf("a document is no object: %v: %s", err, d.Source)
		}
		all = append(all, doc)
	})
	at := func(d document) string {
		file, _ := d.Source["log_file"].(map[string]any)
		offset, _ := file["offset"].(float64)
		return fmt.Sprintf("%v %020.0f %s", file["path"], offset, d.ID)
	}
	slices.SortFunc(all, func(a, b document) int { return strings.Compare(at(a), at(b)) })
	return all
}

// logs are the texts of all documents, in that order.
func (s *shipment) logs() (texts []string) {
	s.t.Helper()
	for _, d := range s.documents() {
		texts = append(texts, d.log())
	}
	return texts
}

// holds compares the texts of all documents with lines, in the order of file
// and offset.
func (s *shipment) holds(want ...string) {
	s.t.Helper()
	if got := s.logs(); !slices.Equal(got, want) {
		s.t.Errorf("%d documents, want %d:\n got %.1000q\nwant %.1000q", len(got), len(want), got, want)
	}
}

// eachOnce compares texts with lines as sets, and finds what is there twice.
func eachOnce(t testing.TB, got, want []string) {
	t.Helper()
	left := map[string]int{}
	for _, line := range want {
		left[line]++
	}
	var extra []string
	for _, line := range got {
		if left[line]--; left[line] < 0 {
			extra = append(extra, line)
		}
	}
	maps.DeleteFunc(left, func(_ string, n int) bool { return n <= 0 })
	if len(extra) > 0 || len(left) > 0 {
		missing := slices.Sorted(maps.Keys(left))
		t.Errorf("%d documents for %d lines; too many: %d %.500q; missing: %d %.500q",
			len(got), len(want), len(extra), extra, len(missing), missing)
	}
}

// letter is a line of the dead letter file.
type letter struct {
	Time, Index string
	Status      int
	Error       struct {
		Type, Reason string
		CausedBy     map[string]any `json:"caused_by"`
	}
	Action   map[string]map[string]any
	Document any
	Cut      bool
}

// text is the record's.
func (l letter) text() string {
	m, _ := l.Document.(map[string]any)
	text, _ := m["log"].(string)
	return text
}

// letters are all that is in the dead letter file.
func (s *shipment) letters() (all []letter) {
	s.t.Helper()
	b, err := os.ReadFile(filepath.Join(s.state, "dead-letter.ndjson"))
	if os.IsNotExist(err) {
		return nil
	}
	must(s.t, err)
	for line := range strings.Lines(string(b)) {
		var l letter
		if err := json.Unmarshal([]byte(line), &l); err != nil {
			s.t.Errorf("a dead letter is no object: %v: %.300s", err, line)
		}
		all = append(all, l)
	}
	return all
}

// lines makes n lines, each with its number and the canary.
func lines(name string, n int) (all []string) {
	for i := range n {
		all = append(all, fmt.Sprintf("%s %s %07d", canary, name, i))
	}
	return all
}

func text(lines []string) string { return strings.Join(lines, "\n") + "\n" }

func writeFile(name, text string) error { return os.WriteFile(name, []byte(text), 0o644) }

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
