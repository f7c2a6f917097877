package ship

import (
	"net/http"
	"reflect"
	"strings"
	"testing"

	"logging.taco/test/backend"
)

// fieldType is the type of a field in the test's indices.
func fieldType(s *shipment, path ...string) string {
	s.t.Helper()
	status, body := s.node.Get("/" + s.all + "/_mapping")
	if status != http.StatusOK {
		s.t.Fatalf("mapping: status %d: %v", status, body)
	}
	for index := range body {
		at := []string{index, "mappings"}
		for _, p := range path {
			at = append(at, "properties", p)
		}
		kind, _ := body.At(append(at, "type")...).(string)
		return kind
	}
	return "no index"
}

// template is the composable index template of this test's indices, with its name.
func template(s *shipment) (name string, t backend.JSON) {
	s.t.Helper()
	_, body := s.node.Get("/_index_template")
	list, _ := body["index_templates"].([]any)
	for _, one := range list {
		entry := backend.JSON(one.(map[string]any))
		name, _ := entry["name"].(string)
		if strings.Contains(name, strings.Trim(s.node.Prefix, "-")) {
			inner, _ := entry["index_template"].(map[string]any)
			return name, inner
		}
	}
	return "", nil
}

func withLabels(s *shipment) *shipment {
	dir := s.t.TempDir()
	must(s.t, writeFile(dir+"/labels", "app=\"web\"\ntier=\"front\"\n"))
	s.args = append(s.args, "--pod="+dir)
	return s
}

func TestTemplate(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, n *backend.Node) {
		s := withLabels(ship(t, n))
		s.write("a.log", canary+"\n")
		s.once()
		name, got := template(s)
		if name == "" {
			t.Fatal("no template is put")
		}
		if !reflect.DeepEqual(got["index_patterns"], []any{s.all}) {
			t.Errorf("it is for %v, want %s", got["index_patterns"], s.all)
		}
		if got.At("_meta", "managed-by") != "logging.taco" || got.At("_meta", "version") != 1.0 {
			t.Errorf("its _meta is %v", got["_meta"])
		}
		for _, c := range []struct {
			want string
			path []string
		}{
			{"date", []string{"@timestamp"}},
			{"date", []string{"time"}},
			{"text", []string{"log"}},
			{"keyword", []string{"log_file", "path"}},
			{"long", []string{"log_file", "offset"}},
			{"keyword", []string{"kubernetes", "pod_name"}},
			{"keyword", []string{"kubernetes", "namespace_name"}},
			{"keyword", []string{"kubernetes", "pod_id"}},
			{"keyword", []string{"kubernetes", "host"}},
			{"keyword", []string{"kubernetes", "container_name"}},
			{"keyword", []string{"kubernetes", "labels", "app"}},
			{"keyword", []string{"kubernetes", "labels", "release_group"}},
			{"keyword", []string{"kubernetes", "labels", "tier"}}, // of no name that the template has
		} {
			if got := fieldType(s, c.path...); got != c.want {
				t.Errorf("%s is %q, want %q", strings.Join(c.path, "."), got, c.want)
			}
		}
		n.Refresh(s.all)
		if found := n.Count(s.all, "kubernetes.labels.tier:front AND kubernetes.pod_name:web\\-0 AND log:canary"); found != 1 {
			t.Errorf("a search by label finds %d documents, want 1", found)
		}
	})
}

// What an administrator has made for the same indices stays, and counts.
func TestTemplateOfTheUser(t *testing.T) {
	t.Parallel()
	mappings := map[string]any{"mappings": map[string]any{"properties": map[string]any{"log": map[string]any{"type": "keyword"}}}}
	for _, c := range []struct {
		name  string
		put   func(n *backend.Node) (path string, body any)
		check bool
	}{
		{"composable", func(n *backend.Node) (string, any) {
			return "/_index_template/user-" + n.Prefix, map[string]any{"index_patterns": []string{n.Prefix + "*"}, "priority": 1, "template": mappings}
		}, false},
		{"composable, wider", func(n *backend.Node) (string, any) {
			wide, _, _ := strings.Cut(n.Prefix, "-")
			return "/_index_template/user-" + n.Prefix, map[string]any{"index_patterns": []string{wide + "-*"}, "template": mappings}
		}, false},
		{"legacy", func(n *backend.Node) (string, any) {
			return "/_template/user-" + n.Prefix, map[string]any{"index_patterns": []string{n.Prefix + "*"}, "mappings": mappings["mappings"]}
		}, false},
		{"legacy, --template check", func(n *backend.Node) (string, any) {
			return "/_template/user-" + n.Prefix, map[string]any{"index_patterns": []string{n.Prefix + "*"}, "mappings": mappings["mappings"]}
		}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			onBoth(t, func(t *testing.T, n *backend.Node) {
				s := ship(t, n)
				path, body := c.put(n)
				if status, answer := n.Put(path, body); status != http.StatusOK {
					t.Fatalf("put the user's template: status %d: %v", status, answer)
				}
				t.Cleanup(func() { n.Do(t.Context(), http.MethodDelete, path, nil) })
				s.write("a.log", canary+"\n")
				args := []string{}
				if c.check {
					args = append(args, "--template=check")
				}
				said := s.once(args...)
				s.holds(canary)
				if name, _ := template(s); !strings.HasPrefix(name, "user-") && name != "" {
					t.Errorf("the template %s is put", name)
				}
				if got := fieldType(s, "log"); got != "keyword" {
					t.Errorf("log is %q; the user's template says keyword", got)
				}
				if !strings.Contains(said, "of yours") || !strings.Contains(said, "user-") {
					t.Errorf("it does not say whose template counts:\n%s", said)
				}
			})
		})
	}
}

func TestTemplateNotPut(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ mode, said string }{
		{"check", "no index template is for"},
		{"off", ""},
	} {
		t.Run(c.mode, func(t *testing.T) {
			t.Parallel()
			onBoth(t, func(t *testing.T, n *backend.Node) {
				s := ship(t, n)
				s.write("a.log", canary+"\n")
				said := s.once("--template=" + c.mode)
				s.holds(canary)
				if name, _ := template(s); name != "" {
					t.Errorf("the template %s is put", name)
				}
				if !strings.Contains(said, c.said) || c.said == "" && said != "" {
					t.Errorf("it says %q", said)
				}
			})
		})
	}
}

// An older one of ours is replaced, a newer one is not.
func TestTemplateVersions(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name          string
		version, want float64
	}{{"older", 0, 1}, {"newer", 99, 99}} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			onBoth(t, func(t *testing.T, n *backend.Node) {
				s := ship(t, n)
				if status, body := n.Put("/_index_template/logging-taco-"+strings.Trim(n.Prefix, "-"), map[string]any{
					"index_patterns": []string{s.all}, "priority": 10,
					"_meta": map[string]any{"managed-by": "logging.taco", "version": c.version},
				}); status != http.StatusOK {
					t.Fatalf("status %d: %v", status, body)
				}
				s.write("a.log", canary+"\n")
				s.once()
				if _, got := template(s); got.At("_meta", "version") != c.want {
					t.Errorf("the template is %v, want version %v", got, c.want)
				}
				s.holds(canary)
			})
		})
	}
}

// A data stream needs a template that says so; OpenSearch alone has them here.
func TestDataStream(t *testing.T) {
	t.Parallel()
	n := backend.Shared(t, backend.OpenSearch)
	s := ship(t, n)
	s.index = n.Prefix + "stream"
	t.Cleanup(func() { n.Do(t.Context(), http.MethodDelete, "/_data_stream/"+s.index, nil) })
	want := lines("a", 100)
	s.write("a.log", text(want))
	s.once("--index-type=data-stream")
	// One that is sent again to another backing index is there already only in the old one.
	s.forget()
	s.once("--index-type=data-stream")
	status, body := n.Get("/_data_stream/" + s.index)
	if status != http.StatusOK || body.At("data_streams", "0", "timestamp_field", "name") != "@timestamp" {
		t.Errorf("no data stream: status %d: %v", status, body)
	}
	s.all = s.index
	eachOnce(t, s.logs(), want)
}

// A node that knows no data streams is told of one all the same, and delivery
// goes on into what it makes of the name.
func TestNoDataStreams(t *testing.T) {
	t.Parallel()
	n := backend.Shared(t, backend.Elasticsearch)
	s := ship(t, n)
	s.index, s.all = n.Prefix+"stream", n.Prefix+"stream"
	s.write("a.log", canary+"\n")
	said := s.once("--index-type=data-stream")
	s.holds(canary)
	if !strings.Contains(said, "template was not put") {
		t.Errorf("it says:\n%s", said)
	}
}

// A backend that comes later gets its template before the first document.
func TestTemplateOfLateBackend(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, n *backend.Node) {
		s := withLabels(ship(t, n))
		address := freeAddress(t)
		s.to = "http://" + address
		s.write("a.log", canary+"\n")
		a := s.start()
		a.untilBlocked("unreachable")
		newForward(t, address, n.URL())
		a.untilDocuments(1)
		a.stop(0)
		if got := fieldType(s, "kubernetes", "labels", "tier"); got != "keyword" {
			t.Errorf("a label is %q, want keyword", got)
		}
		s.holds(canary)
	})
}
