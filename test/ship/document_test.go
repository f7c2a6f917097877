package ship

import (
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"logging.taco/test/backend"
)

// TestDocument compares a whole document with what the node agent's readers expect.
func TestDocument(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, n *backend.Node) {
		s := ship(t, n)
		pod := t.TempDir()
		must(t, writeFile(filepath.Join(pod, "labels"), "app=\"web\"\napp.kubernetes.io/name=\"shop\"\nrelease=\"2\"\n"))
		must(t, writeFile(filepath.Join(pod, "annotations"), "logging.taco/paths=\"/x\"\nexample.com/team=\"a \\\"b\\\"\"\n"))
		s.write("app.log", "first\n"+canary+` "quoted" \ `+"\t한글\n")
		before := time.Now()
		s.once("--pod="+pod, "--container=app")
		after := time.Now()

		all := s.documents()
		if len(all) != 2 {
			t.Fatalf("%d documents, want 2", len(all))
		}
		d := all[1]
		stamp, err := time.Parse("2006-01-02T15:04:05.000Z", d.Source["@timestamp"].(string))
		must(t, err)
		at, err := time.Parse("2006-01-02T15:04:05.999999999Z", d.Source["time"].(string))
		must(t, err)
		if at.Before(before.Truncate(time.Millisecond)) || at.After(after) || !stamp.Equal(at.Truncate(time.Millisecond)) {
			t.Errorf("@timestamp is %v and time %v; shipped between %v and %v", stamp, at, before, after)
		}
		if want := n.Prefix + at.UTC().Format("2006.01.02"); d.Index != want {
			t.Errorf("it is in %s, want %s", d.Index, want)
		}
		var want map[string]any
		must(t, json.Unmarshal([]byte(`{
			"@timestamp": `+quote(d.Source["@timestamp"])+`,
			"log": `+quote(canary+" \"quoted\" \\ \t한글")+`,
			"stream": "file",
			"time": `+quote(d.Source["time"])+`,
			"log_file": {"path": `+quote(s.path("app.log"))+`, "offset": 6},
			"kubernetes": {
				"pod_name": "web-0", "namespace_name": "shop", "pod_id": "0d8fa1a8-6a5c-4a6e-9d4b-1f2e3d4c5b6a",
				"host": "node-7", "container_name": "app",
				"labels": {"app": "web", "app_kubernetes_io/name": "shop", "release": "2"},
				"annotations": {"example_com/team": "a \"b\""}
			}
		}`), &want))
		if !reflect.DeepEqual(d.Source, want) {
			t.Errorf("the document is\n%s\nwant\n%s", quote(d.Source), quote(want))
		}
	})
}

// TestLongLine: a line of 32 MiB between two short ones comes in parts, in
// bounded memory.
func TestLongLine(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, n *backend.Node) {
		s := ship(t, n)
		s.index, s.all = n.Prefix+"logs", n.Prefix+"logs"
		// No field for a term of it: the node has to do with less memory too.
		s.ask("PUT", "/"+s.index, object{"mappings": properties(object{"log": object{"type": "text", "index": false}})})
		long := strings.Repeat("0123456789abcde ", 32<<20/16)
		s.write("a.log", canary+" before\n"+long+"\n"+canary+" after\n")
		a := s.start()
		a.until("all is stored", func(m metrics) bool { return m.pending() == 0 && m.documents() >= 34 })
		peak := a.peakRSS()
		a.stop(0)
		logs := s.logs()
		if len(logs) != 34 || logs[0] != canary+" before" || logs[33] != canary+" after" || strings.Join(logs[1:33], "") != long {
			t.Errorf("%d documents", len(logs))
		}
		t.Logf("peak RSS %.1f MiB", float64(peak)/(1<<20))
		bounded(t, peak)
	})
}

func quote(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // of what was decoded
	}
	return string(b)
}

// Where nothing is known of a pod, as on a plain machine.
func TestDocumentWithoutPod(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, n *backend.Node) {
		s := ship(t, n)
		s.env = nil
		s.write("app.log", canary+"\n")
		s.once()
		for _, d := range s.documents() {
			if _, there := d.Source["kubernetes"]; there || len(d.Source) != 5 {
				t.Errorf("the document is %s", quote(d.Source))
			}
		}
		s.holds(canary)
	})
}

// TestLabelsChange: those of the pod, while the sidecar runs.
func TestLabelsChange(t *testing.T) {
	t.Parallel()
	s, b := shipToScript(t)
	pod := newSecret(t, map[string]string{"labels": "app=\"web\"\nphase=\"1\"\n"}) // the kubelet mounts both in one way
	a := s.start("--pod="+pod.dir, "--template=off")
	n := 0
	until := func(phase string) {
		eventually(t, "phase "+phase, func() bool {
			n++
			line := fmt.Sprintf("%s %d", canary, n)
			s.write("a.log", line+"\n")
			a.untilDocuments(n)
			for _, d := range b.Documents() {
				if logOf(t, d.Source) == line {
					return strings.Contains(string(d.Source), `"labels":{"app":"web","phase":"`+phase+`"}`)
				}
			}
			return false
		})
	}
	until("1")
	pod.set(map[string]string{"labels": "app=\"web\"\nphase=\"2\"\n"})
	until("2")
	a.stop(0)
}

// TestPathOfAddress: a backend below a path of a proxy.
func TestPathOfAddress(t *testing.T) {
	t.Parallel()
	s, b := shipToScript(t)
	s.to += "/search/es/"
	s.write("a.log", canary+"\n")
	b.Handle("GET /search/es/_index_template", func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("{}")) })
	b.Handle("GET /search/es/_template", func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("{}")) })
	put := make(chan string, 1)
	b.Handle("PUT /search/es/_index_template/{name}", func(w http.ResponseWriter, r *http.Request) {
		put <- r.PathValue("name")
		w.Write([]byte(`{"acknowledged":true}`))
	})
	s.once("--index=logs")
	if got := b.Bulks()[0].URL.Path; got != "/search/es/logs/_bulk" {
		t.Errorf("the bulk went to %s", got)
	}
	if name := <-put; name != "logging-taco-logs" {
		t.Errorf("the template is %s", name)
	}
}

// How files become records is the same as on stdout.
func TestRecords(t *testing.T) {
	t.Parallel()
	half := strings.Repeat(canary+" ", 60)
	long := (half + half)[:1500]
	cases := []struct {
		name, text string
		args       []string
		want       []string
		split      []bool
	}{
		{name: "empty lines", text: "\na\n\n", want: []string{"", "a", ""}},
		{name: "CRLF", text: "a\r\nb\n\r\nc\r\n", want: []string{"a", "b", "", "c"}},
		{name: "no newline at the end", text: "a\nb", want: []string{"a", "b"}},
		{name: "not UTF-8", text: "\xff\xfea\xed\xa0\x80\xc0\x80b\n", want: []string{"\ufffd\ufffda\ufffd\ufffd\ufffd\ufffd\ufffdb"}},
		{name: "NULs and control characters", text: "a\x00b\x1b[0m\x7f\n", want: []string{"a\x00b\x1b[0m\x7f"}},
		{name: "looks like an action", text: `{"create":{"_id":"x"}}` + "\n", want: []string{`{"create":{"_id":"x"}}`}},
		{
			name: "multi-line", text: "Exception in thread\n\tat a.b.C(D.java:1)\n\tat a.b.E(F.java:2)\nnext\n", args: []string{"--multiline=java"},
			want: []string{"Exception in thread\n\tat a.b.C(D.java:1)\n\tat a.b.E(F.java:2)", "next"},
		},
		{name: "charset", text: "\xc7\xd1\xb1\xdb\n", args: []string{"--charset=euc-kr"}, want: []string{"한글"}},
		{name: "UTF-16", text: "a\x00\n\x00\x14\x20\n\x00", args: []string{"--charset=utf-16le"}, want: []string{"a", "—"}},
		{
			name: "split", text: "a\n" + long + "\nb\n", args: []string{"--max-line=1KiB"},
			want: []string{"a", long[:1024], long[1024:], "b"}, split: []bool{false, true, true, false},
		},
		{
			name: "split after a carriage return", text: long[:1023] + "\rb\r\n", args: []string{"--max-line=1KiB"},
			want: []string{long[:1023] + "\r", "b"}, split: []bool{true, true},
		},
	}
	onBoth(t, func(t *testing.T, n *backend.Node) {
		// One index for all: making one costs a node more than all that is in it.
		all := ship(t, n)
		var agents []*agent
		for i, c := range cases {
			s := ship(t, n)
			s.globs = []string{all.path(fmt.Sprintf("%02d.log", i))}
			all.write(fmt.Sprintf("%02d.log", i), c.text)
			agents = append(agents, s.start(append([]string{"--once"}, c.args...)...))
		}
		byFile := map[string][]document{}
		for _, a := range agents {
			a.exit(0)
		}
		for _, d := range all.documents() {
			path, _ := d.Source["log_file"].(map[string]any)["path"].(string)
			byFile[path] = append(byFile[path], d)
		}
		for i, c := range cases {
			var got []string
			var split []bool
			for _, d := range byFile[all.path(fmt.Sprintf("%02d.log", i))] {
				got = append(got, d.log())
				is, _ := d.Source["split"].(bool)
				split = append(split, is)
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("%s: got %q, want %q", c.name, got, c.want)
			}
			if c.split == nil {
				c.split = make([]bool, len(c.want))
			}
			if !slices.Equal(split, c.split) {
				t.Errorf("%s: split is %t, want %t", c.name, split, c.split)
			}
		}
	})
}
