package pod

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"logging.taco/sidecar/config"
)

// environment is a getenv that knows these alone, given as name, value, …
func environment(pairs ...string) func(string) string {
	return func(name string) string {
		if i := slices.Index(pairs, name); i >= 0 {
			return pairs[i+1]
		}
		return ""
	}
}

var whole = environment(config.EnvPodName, "tomcat-0", config.EnvPodNamespace, "shop",
	config.EnvPodUID, "4f6c5c84-7b0a-4a5e-9c1f-2d64f0a5a9f3", config.EnvNodeName, "node-1")

// written is a folder with files, given as name, content, …
func written(t *testing.T, files ...string) string {
	t.Helper()
	dir := t.TempDir()
	for i := 0; i < len(files); i += 2 {
		write(t, filepath.Join(dir, files[i]), files[i+1])
	}
	return dir
}

func write(t *testing.T, file, content string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestJSON(t *testing.T) {
	const env = `"pod_name":"tomcat-0","namespace_name":"shop","pod_id":"4f6c5c84-7b0a-4a5e-9c1f-2d64f0a5a9f3","host":"node-1"`
	long := strings.Repeat("x", maxValue)
	for _, test := range []struct {
		what                string
		getenv              func(string) string
		labels, annotations string
		container           string
		want                string
		omitted             []string
	}{
		{"everything", whole, "app=\"shop\"\ntier=\"web\"", `team="a"`, "tomcat", `{` + env + `,"container_name":"tomcat","labels":{"app":"shop","tier":"web"},"annotations":{"team":"a"}}`, nil},
		{"nothing", environment(), "", "", "", `{}`, nil},
		{"the container alone", environment(), "", "", "tomcat", `{"container_name":"tomcat"}`, nil},
		{"labels alone", environment(), `app="shop"`, "", "", `{"labels":{"app":"shop"}}`, nil},
		{"the environment alone", whole, "", "", "", `{` + env + `}`, nil},
		{"some variables", environment(config.EnvPodUID, "1"), "", "", "c", `{"pod_id":"1","container_name":"c"}`, nil},
		{"values that are no strings elsewhere", environment(), "a=\"1\"\nb=\"true\"\nc=\"1e3\"\nd=\"null\"\ne=\"\"", "", "", `{"labels":{"a":"1","b":"true","c":"1e3","d":"null","e":""}}`, nil},
		{"dots", environment(), "app=\"x\"\napp.kubernetes.io/name=\"y\"", "", "", `{"labels":{"app":"x","app_kubernetes_io/name":"y"}}`, nil},
		{"keys that become the same", environment(), "a_b=\"third\"\na.b=\"first\"\na-b=\"other\"", "", "", `{"labels":{"a-b":"other","a_b":"first"}}`, nil},
		{"escapes", environment(), "", `a="line\nquote\"back\\slash\x00\té\u2028\U0001f32e="`, "", `{"annotations":{"a":"line\nquote\"back\\slash\u0000\té` + "\u2028🌮" + `="}}`, nil},
		{"bytes that are no text", environment(config.EnvPodName, "\xff"), "", `a="\xff\xfeé"`, "\xed", `{"pod_name":"` + "\ufffd" + `","container_name":"` + "\ufffd" + `","annotations":{"a":"` + "\ufffd\ufffdé" + `"}}`, nil},
		{"a key that needs escapes", environment(), "a\"\\\x01=\"x\"", "", "", `{"labels":{"a\"\\\u0001":"x"}}`, nil},
		{"what says nothing of the pod", environment(), `logging.taco/label="kept"`, "kubectl.kubernetes.io/last-applied-configuration=\"{}\"\nkubernetes.io/config.seen=\"2026-01-02T03:04:05.678901234Z\"\nkubernetes.io/config.source=\"api\"\nlogging.taco/paths=\"/a\"\nlogging.tacos/x=\"y\"", "", `{"labels":{"logging_taco/label":"kept"},"annotations":{"logging_tacos/x":"y"}}`, nil},
		{"only what says nothing", environment(), "", `logging.taco/paths="/a"`, "", `{}`, nil},
		{"a last newline", environment(), "a=\"1\"\n", "", "", `{"labels":{"a":"1"}}`, nil},
		{"the longest value", environment(), "", `a="` + long + `"`, "", `{"annotations":{"a":"` + long + `"}}`, nil},
		{"a longer value", environment(), "", "a=\"" + long + "x\"\nb=\"1\"", "", `{"annotations":{"b":"1"}}`, []string{"a"}},
		{"the longest quoted value", environment(), "", `a="` + strings.Repeat(`\x01`, maxValue) + `"`, "", `{"annotations":{"a":"` + strings.Repeat(`\u0001`, maxValue) + `"}}`, nil},
		{"a line longer than the buffer", environment(), "", "a=\"1\"\nb=\"" + strings.Repeat(long, 100) + "\"\nc=\"1\"", "", `{"annotations":{"a":"1","c":"1"}}`, []string{"b"}},
		{"a line as long as the buffer, the last", environment(), "", "b=\"" + strings.Repeat("x", maxLine-4) + "\"", "", `{}`, []string{"b"}},
		{"a long line of ours", environment(), "", "logging.taco/paths=\"" + strings.Repeat("x", maxLine) + "\"", "", `{}`, nil},
	} {
		p := New(written(t, "labels", test.labels, "annotations", test.annotations), test.getenv)
		got := string(p.AppendJSON([]byte("before:"), test.container))
		if got != "before:"+test.want {
			t.Errorf("%s:\n got %.300s\nwant %.300s", test.what, got, "before:"+test.want)
		}
		if !slices.Equal(p.Omitted(), test.omitted) {
			t.Errorf("%s: omitted %q, want %q", test.what, p.Omitted(), test.omitted)
		}
		if p.Err() != nil {
			t.Errorf("%s: %v", test.what, p.Err())
		}
		if known := string(p.AppendJSON(nil, "")) != "{}"; p.Present() != known {
			t.Errorf("%s: present %v, want %v", test.what, p.Present(), known)
		}
	}
}

func TestNames(t *testing.T) {
	p := New("", whole)
	if p.Name() != "tomcat-0" || p.Namespace() != "shop" || p.UID() != "4f6c5c84-7b0a-4a5e-9c1f-2d64f0a5a9f3" || p.Node() != "node-1" {
		t.Errorf("%+v", p)
	}
	if p.Refresh(time.Now()) || p.Err() != nil {
		t.Errorf("without a folder: %v", p.Err())
	}
}

// However many labels there are, an object has its bound, and the same keys find
// room in it each time.
func TestManyLabels(t *testing.T) {
	var lines []string
	for i := range 1000 {
		lines = append(lines, fmt.Sprintf("key-%03d=%q", i, strings.Repeat("v", i%63)))
	}
	var first string
	for range 3 {
		slices.Reverse(lines)
		p := New(written(t, "labels", strings.Join(lines, "\n")), environment())
		got := p.AppendJSON(nil, "")
		var doc struct{ Labels map[string]string }
		if err := json.Unmarshal(got, &doc); err != nil {
			t.Fatal(err)
		}
		if len(got) > maxObject+len(`{"labels":}`) || len(doc.Labels)+len(p.Omitted()) != 1000 {
			t.Errorf("%d bytes, %d labels, %d left out", len(got), len(doc.Labels), len(p.Omitted()))
		}
		if first == "" {
			first = string(got)
		}
		if string(got) != first {
			t.Error("another order of lines makes another object")
		}
	}
}

func TestFaults(t *testing.T) {
	for what, content := range map[string]string{
		"no value":             "app",
		"an open quote":        "app=\"sho",
		"half an escape":       `app="sho\x"`,
		"not quoted":           "app=shop",
		"quoted as Go's runes": "app='x'",
		"quoted as Go's raws":  "app=`x`",
		"no key":               `="x"`,
		"an empty line":        "a=\"1\"\n\nb=\"2\"",
		"text after it":        `a="1" `,
		"half a long line":     "a=\"" + strings.Repeat("x", 3*maxLine),
		"too large":            strings.Repeat("a=\"1\"\n", maxFile/6+1),
	} {
		p := New(written(t, "labels", content, "annotations", `a="1"`), environment())
		if got := string(p.AppendJSON(nil, "")); got != `{"annotations":{"a":"1"}}` {
			t.Errorf("%s: %s", what, got)
		}
		if err := p.Err(); err == nil || !strings.Contains(err.Error(), "labels") || strings.Contains(err.Error(), "sho") {
			t.Errorf("%s: %v", what, err)
		}
	}
	missing := New(filepath.Join(t.TempDir(), "none"), whole)
	if missing.Err() == nil || !missing.Present() {
		t.Errorf("a folder that is not there: %v", missing.Err())
	}
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "labels"), 0o755); err != nil {
		t.Fatal(err)
	}
	if p := New(dir, whole); p.Err() == nil || !strings.Contains(p.Err().Error(), "no regular file") {
		t.Errorf("a folder for a file: %v", p.Err())
	}
}

// volume is a folder as the kubelet keeps it: labels and annotations are links
// through ..data, a link to the folder that has them now, which is swapped.
type volume struct {
	t   *testing.T
	dir string
	n   int
}

func newVolume(t *testing.T, files map[string]string) *volume {
	v := &volume{t: t, dir: t.TempDir()}
	v.swap(files)
	for name := range files {
		v.must(os.Symlink("..data/"+name, filepath.Join(v.dir, name)))
	}
	return v
}

func (v *volume) must(err error) {
	v.t.Helper()
	if err != nil {
		v.t.Fatal(err)
	}
}

func (v *volume) swap(files map[string]string) {
	v.t.Helper()
	v.n++
	name := fmt.Sprintf("..2026_01_01_%d", v.n)
	v.must(os.Mkdir(filepath.Join(v.dir, name), 0o755))
	for file, content := range files {
		write(v.t, filepath.Join(v.dir, name, file), content)
	}
	data := filepath.Join(v.dir, "..data")
	old, _ := os.Readlink(data)
	v.must(os.Symlink(name, data+"_tmp"))
	v.must(os.Rename(data+"_tmp", data))
	if old != "" {
		v.must(os.RemoveAll(filepath.Join(v.dir, old)))
	}
}

func TestSwap(t *testing.T) {
	v := newVolume(t, map[string]string{"labels": `app="a"`, "annotations": `note="1"`})
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	p := New(v.dir, environment())
	check := func(what string, after time.Duration, changed bool, want string) {
		t.Helper()
		now = now.Add(after)
		if got := p.Refresh(now); got != changed {
			t.Errorf("%s: changed %v", what, got)
		}
		if got := string(p.AppendJSON(nil, "")); got != want {
			t.Errorf("%s: %s, want %s", what, got, want)
		}
		if p.Err() != nil {
			t.Errorf("%s: %v", what, p.Err())
		}
	}
	const first = `{"labels":{"app":"a"},"annotations":{"note":"1"}}`
	check("at first", 0, false, first)
	// The same size, and perhaps the same time.
	v.swap(map[string]string{"labels": `app="b"`, "annotations": `note="1"`})
	check("too early", every-1, false, first)
	check("swapped", 1, true, `{"labels":{"app":"b"},"annotations":{"note":"1"}}`)
	check("quiet", every, false, `{"labels":{"app":"b"},"annotations":{"note":"1"}}`)
	v.swap(map[string]string{"labels": `app="b"`, "annotations": `note="1"`})
	check("swapped for the same", every, false, `{"labels":{"app":"b"},"annotations":{"note":"1"}}`)
	v.swap(map[string]string{"labels": "", "annotations": `note="1"`})
	check("the last label taken away", every, true, `{"annotations":{"note":"1"}}`)
	v.swap(map[string]string{"labels": `app="c"`, "annotations": `note="2"`})
	check("the clock set back", -time.Hour, true, `{"labels":{"app":"c"},"annotations":{"note":"2"}}`)
}

func TestLastGoodOneStays(t *testing.T) {
	v := newVolume(t, map[string]string{"labels": `app="a"`, "annotations": `note="1"`})
	p := New(v.dir, environment())
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, step := range []struct {
		files   map[string]string
		changed bool
		want    string
		err     bool
	}{
		{map[string]string{"labels": `app="`, "annotations": `note="2"`}, true, `{"labels":{"app":"a"},"annotations":{"note":"2"}}`, true},
		{map[string]string{"labels": `app="b"`}, true, `{"labels":{"app":"b"},"annotations":{"note":"2"}}`, true},
		{map[string]string{}, false, `{"labels":{"app":"b"},"annotations":{"note":"2"}}`, true},
		{map[string]string{"labels": `app="b"`, "annotations": `note="3"`}, true, `{"labels":{"app":"b"},"annotations":{"note":"3"}}`, false},
	} {
		v.swap(step.files)
		now = now.Add(every)
		if changed := p.Refresh(now); changed != step.changed || string(p.AppendJSON(nil, "")) != step.want || (p.Err() != nil) != step.err {
			t.Errorf("after %v: %v, %s, %v", step.files, changed, p.AppendJSON(nil, ""), p.Err())
		}
	}
}

// A file that is written in place, by hand on a machine without a kubelet: not
// whole at the first look, then of the old time, then gone for a while.
func TestWrittenInPlace(t *testing.T) {
	dir := written(t, "labels", `app="a"`, "annotations", "")
	file := filepath.Join(dir, "labels")
	p := New(dir, environment())
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	check := func(what string, changed, err bool, want string) {
		t.Helper()
		now = now.Add(every)
		if got := p.Refresh(now); got != changed || (p.Err() != nil) != err || string(p.AppendJSON(nil, "")) != want {
			t.Errorf("%s: changed %v, %s, %v", what, got, p.AppendJSON(nil, ""), p.Err())
		}
	}
	write(t, file, `app="aa`)
	check("half a file", false, true, `{"labels":{"app":"a"}}`)
	write(t, file, `app="aa"`)
	check("whole", true, false, `{"labels":{"app":"aa"}}`)
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	write(t, file, `app="aaa"`)
	if err := os.Chtimes(file, time.Time{}, info.ModTime()); err != nil {
		t.Fatal(err)
	}
	check("of the old time", true, false, `{"labels":{"app":"aaa"}}`)
	for _, names := range [][2]string{{file, file + "-away"}, {file + "-away", file}} {
		if err := os.Rename(names[0], names[1]); err != nil {
			t.Fatal(err)
		}
		check(names[1], false, names[0] == file, `{"labels":{"app":"aaa"}}`)
	}
}

func TestLooksCostLittle(t *testing.T) {
	v := newVolume(t, map[string]string{"labels": `app="a"`, "annotations": `note="1"`})
	p := New(v.dir, whole)
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	p.Refresh(now)
	out := make([]byte, 0, 1<<10)
	if n := testing.AllocsPerRun(100, func() {
		p.Refresh(now)
		out = p.AppendJSON(out[:0], "tomcat")
	}); n > 0 {
		t.Errorf("%v allocations for each document", n)
	}
}

// FuzzParse holds the parser against the kubelet's own notation: what is written
// as it writes is read back, and whatever else is read never breaks the object.
func FuzzParse(f *testing.F) {
	f.Add("app", "shop", "note", "line\nquote\"", []byte("a=\"1\"\nb=\"2\""))
	f.Add("a.b", "\xff\x00", "a_b", strings.Repeat("x", 2000), []byte("a=\"\\x\""))
	f.Add("k", strings.Repeat("\x01", 9000), "l", "", []byte(strings.Repeat("x", 9000)+"\n"))
	f.Fuzz(func(t *testing.T, key1, value1, key2, value2 string, raw []byte) {
		m := map[string]string{}
		for k, v := range map[string]string{key1: value1, key2: value2} {
			if k != "" && len(k) <= 317 && !strings.ContainsAny(k, "=\n\"") {
				m[k] = v
			}
		}
		var lines []string
		for _, k := range slices.Sorted(maps.Keys(m)) {
			lines = append(lines, fmt.Sprintf("%v=%q", k, m[k]))
		}
		pairs, omitted, err := parse(strings.NewReader(strings.Join(lines, "\n")), nil)
		if err != nil {
			t.Fatalf("%q: %v", lines, err)
		}
		got := map[string]string{}
		for _, p := range pairs {
			got[p.key] = p.value
		}
		for _, k := range omitted {
			if len(m[k]) <= maxValue {
				t.Errorf("%q is left out with %d bytes", k, len(m[k]))
			}
			delete(m, k)
		}
		if !maps.Equal(got, m) {
			t.Errorf("%q: got %q", lines, got)
		}
		pairs, omitted, err = parse(strings.NewReader(string(raw)), nil)
		if err != nil {
			return
		}
		if out, _ := object(pairs, omitted); len(out) > 0 && (!json.Valid(out) || len(out) > maxObject) {
			t.Errorf("%q: %d bytes: %s", raw, len(out), out)
		}
	})
}
