package torture

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// fields are the objects in an output, without what each of them has.
func fields(t *testing.T, out string) (all []map[string]any) {
	t.Helper()
	for line := range strings.Lines(out) {
		object := map[string]any{}
		if err := json.Unmarshal([]byte(line), &object); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		delete(object, "stream")
		delete(object, "log_file")
		all = append(all, object)
	}
	return all
}

// sameFields compares objects with JSON texts.
func sameFields(t *testing.T, got []map[string]any, want ...string) {
	t.Helper()
	for i := range max(len(got), len(want)) {
		if i >= len(got) || i >= len(want) {
			t.Fatalf("%d objects, want %d", len(got), len(want))
		}
		var object map[string]any
		must(t, json.Unmarshal([]byte(want[i]), &object))
		a, _ := json.Marshal(got[i])
		b, _ := json.Marshal(object)
		if string(a) != string(b) {
			t.Errorf("object %d\n got %s\nwant %s", i, a, b)
		}
	}
}

func TestFormatAndTime(t *testing.T) {
	name := filepath.Join(t.TempDir(), "a.log")
	access := `10.1.2.3 - frank [10/Oct/2000:13:55:36 -0700] "GET /a HTTP/1.0" 200 2326`
	create(t, name).write(access + "\r\n\r\nno access\n")
	a := stream(t, "--once", "--emit=json", "--format=apache2", "--add=env=prod", name)
	a.exit()
	got := fields(t, a.output())
	for _, i := range []int{1, 2} { // of reading
		delete(got[i], "time")
	}
	quoted, _ := json.Marshal(access)
	sameFields(t, got,
		fmt.Sprintf(`{"log":%s,"time":"2000-10-10T20:55:36Z","host":"10.1.2.3","user":"frank","method":"GET","path":"/a","code":200,"size":2326,"env":"prod"}`, quoted),
		`{"log":"","env":"prod"}`,
		`{"log":"no access","parse_error":true,"env":"prod"}`)
}

// The rule for lines comes before the parser, and before the time.
func TestTimeOfMultilineRecords(t *testing.T) {
	name := filepath.Join(t.TempDir(), "a.log")
	create(t, name).write("21-Nov-2026 10:00:00.123 boom\n\tat a.B\n21-Nov-2026 10:00:01.000 next\n")
	a := stream(t, "--once", "--emit=json", "--multiline=java", "--time-format=02-Jan-2006 15:04:05.000", "--time-zone=Asia/Seoul", name)
	a.exit()
	sameFields(t, fields(t, a.output()),
		`{"log":"21-Nov-2026 10:00:00.123 boom\n\tat a.B","time":"2026-11-21T01:00:00.123Z"}`,
		`{"log":"21-Nov-2026 10:00:01.000 next","time":"2026-11-21T01:00:01Z"}`)
}

func TestFiltersOfEachOutput(t *testing.T) {
	name := filepath.Join(t.TempDir(), "a.log")
	create(t, name).write("INFO one\r\nDEBUG two\nINFO password=hunter2 three\nnoise\nINFO DEBUG four\nINFO five")
	rules := []string{"--once", "--keep=INFO", "--drop=DEBUG", `--redact=password=(?P<secret>\S+)`}
	for emit, want := range map[string]string{
		"raw":    "INFO one\r\nINFO password=[redacted] three\nINFO five\n",
		"prefix": name + ": INFO one\r\n" + name + ": INFO password=[redacted] three\n" + name + ": INFO five\n",
	} {
		a := stream(t, append(rules, "--emit="+emit, name)...)
		a.exit()
		equal(t, a.output(), want)
	}
	a := stream(t, append(rules, "--emit=json", name)...)
	a.exit()
	got := fields(t, a.output())
	for i := range got {
		delete(got[i], "time")
	}
	sameFields(t, got, `{"log":"INFO one"}`, `{"log":"INFO password=[redacted] three"}`, `{"log":"INFO five"}`)
}

// Rules of one source are not another one's.
func TestEachSourceHasItsRules(t *testing.T) {
	dir := t.TempDir()
	plain, parsed, raw := filepath.Join(dir, "plain.log"), filepath.Join(dir, "parsed.log"), filepath.Join(dir, "raw.log")
	for _, name := range []string{plain, parsed, raw} {
		create(t, name).write(`{"time":"2018-02-04T01:17:27Z","a":1}` + "\n" + `DEBUG` + "\n")
	}
	cmd := command("run")
	cmd.Env = append(os.Environ(), "TACO_CONFIG="+fmt.Sprintf(
		"sources:\n- {paths: [%s], emit: json, format: json, drop: [DEBUG], add: {b: c}}\n- {paths: [%s], emit: json}\n- {paths: [%s], drop: [DEBUG]}\n", parsed, plain, raw))
	a := launch(t, cmd)
	a.untilLines(4)
	out := a.stop()
	log := `"log":"{\"time\":\"2018-02-04T01:17:27Z\",\"a\":1}"`
	for file, want := range map[string][]string{
		parsed: {`{` + log + `,"time":"2018-02-04T01:17:27Z","a":1,"b":"c"}`},
		plain:  {`{` + log + `}`, `{"log":"DEBUG"}`},
	} {
		var lines strings.Builder
		for line := range strings.Lines(out) {
			if strings.Contains(line, file) {
				lines.WriteString(line)
			}
		}
		got := fields(t, lines.String())
		for i := range got {
			if file == plain {
				delete(got[i], "time") // of reading
			}
		}
		sameFields(t, got, want...)
	}
	if n := strings.Count(out, "DEBUG"); n != 1 {
		t.Errorf("DEBUG is there %d times:\n%s", n, out)
	}
	if !strings.Contains("\n"+out, "\n"+`{"time":"2018-02-04T01:17:27Z","a":1}`+"\n") {
		t.Errorf("the raw line is not there:\n%s", out)
	}
}

// A part of a record is not parsed: its last field may be cut in two.
func TestSplitRecordsAreNotParsed(t *testing.T) {
	name := filepath.Join(t.TempDir(), "a.log")
	create(t, name).write("a=1 b=" + strings.Repeat("x", 3000) + " c=2\na=1\n")
	a := stream(t, "--once", "--emit=json", "--format=logfmt", "--max-line=1KiB", name)
	a.exit()
	got := fields(t, a.output())
	for i, object := range got {
		split := i+1 < len(got)
		if (object["split"] == true) != split || (object["parse_error"] == true) != split || (object["a"] == "1") == split || object["c"] != nil {
			t.Errorf("object %d of %d: %v", i, len(got), object)
		}
	}
}

func TestMetricsOfRules(t *testing.T) {
	name := filepath.Join(t.TempDir(), "a.log")
	create(t, name).write("{\"t\":\"2018-02-04T01:17:27Z\"}\nnoise\n{\"t\":\"soon\"}\nno JSON\n{\"card\":\"4111111111111111\"}\n")
	address := freeAddress(t)
	a := stream(t, "--emit=json", "--format=json", "--time-key=t", "--drop=noise", "--redact=[0-9]{16}", "--metrics", address, name)
	a.untilLines(4)
	for what, want := range map[string]float64{"dropped_records": 1, "redacted_records": 1, "parse_errors": 1, "time_errors": 2} {
		if got := metric(t, address, fmt.Sprintf(`taco_%s_total{paths="%s"}`, what, name)); got != want {
			t.Errorf("%s: %v, want %v", what, got, want)
		}
	}
	a.stop()
}

func TestWrongRules(t *testing.T) {
	for _, c := range []struct {
		flag string
		want string
	}{
		{"--format=xml", "--format \"xml\": use none, json"},
		{"--time-zone=Mars", "--time-zone"},
		{"--redact=x*", "matches the empty text"},
		{"--drop=(", "not a regular expression"},
		{"--add=log=x", "the document's own"},
		{"--add=log", "KEY=VALUE"},
		{"--types=a:integer", "without a format"},
		{"--time-format=%H:%M", "the day would be guessed"},
	} {
		cmd := command("stream", "--emit=json", c.flag, "/a.log")
		stderr, _ := runFor(cmd)
		if code := cmd.ProcessState.ExitCode(); code != 2 || !strings.Contains(stderr, c.want) {
			t.Errorf("%s: exit status %d; stderr lacks %q:\n%s", c.flag, code, c.want, stderr)
		}
	}
	cmd := command("stream", "--format=json", "/a.log")
	if stderr, _ := runFor(cmd); cmd.ProcessState.ExitCode() != 2 || !strings.Contains(stderr, "emit: json") {
		t.Errorf("fields of raw output: exit status %d\n%s", cmd.ProcessState.ExitCode(), stderr)
	}
}

func TestCheckExplainsRules(t *testing.T) {
	cmd := command("check", "--sample", "10.1.2.3 - - [10/Oct/2000:13:55:36 -0700] \"GET /a HTTP/1.0\" 200 2326")
	cmd.Env = append(os.Environ(), "TACO_CONFIG=sources:\n- {paths: [/a.log], emit: json, format: apache2, keep: [GET], redact: ['[0-9]{16}'], add: {env: prod}}\n")
	out, err := cmd.Output()
	must(t, err)
	for _, want := range []string{"format apache2", "GET", "[redacted]", "env=prod", `"time":"2000-10-10T20:55:36Z"`, `"method":"GET"`} {
		if !strings.Contains(string(out), want) {
			t.Errorf("check does not say %s:\n%s", want, out)
		}
	}
}
