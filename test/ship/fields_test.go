package ship

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"logging.taco/test/backend"
)

// TestContradictions: records whose fields contradict what earlier ones have
// made of the mapping (rows d1 to d4, n2) are stored without them; no other is.
func TestContradictions(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, n *backend.Node) {
		taken := []string{
			`{"object":{"a":1}}`, `{"text":"text"}`, `{"number":1}`, `{"number":1.5}`, `{"dotted.b":1}`, `{"when":"2024-01-01"}`, `{"mixed":[1,2]}`,
			`{"object":{"a":2,"b":"` + canary + `"}}`, canary + " no JSON",
		}
		refused := []string{
			`{"object":"` + canary + `"}`, `{"text":{"a":"` + canary + `"}}`, `{"number":"` + canary + `"}`, `{"mixed":[1,"` + canary + `"]}`,
			`{"list":[{"a":1},"` + canary + `"]}`, `{"dotted":"` + canary + `"}`, `{"when":"` + canary + `"}`,
		}
		s := ship(t, n)
		s.write("a.log", text(append(slices.Clone(taken), refused...)))
		a := s.start("--format=json")
		m := a.untilDocuments(len(taken) + len(refused))
		a.stop(0)
		s.holds(append(slices.Clone(taken), refused...)...)
		for _, d := range s.documents() {
			for _, key := range []string{"object", "text", "number", "mixed", "list", "dotted", "dotted.b", "when"} {
				text, _ := d.Source["log"].(string)
				named := strings.HasPrefix(text, `{"`+key+`":`)
				if _, has := d.Source[key]; has != (named && slices.Contains(taken, text)) {
					t.Errorf("%s: has %s: %v", text, key, has)
				}
			}
		}
		if m.refused() != 0 || m.bare() != len(refused) {
			t.Errorf("%d refused, %d without their fields, want %d", m.refused(), m.bare(), len(refused))
		}
	})
}

// TestTimeOfRecords: the record's own time is its time, and decides on the index.
func TestTimeOfRecords(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, n *backend.Node) {
		s := ship(t, n)
		s.write("a.log", `{"time":"2024-05-06T23:08:09.123456789-02:00","msg":"a"}`+"\n"+`{"time":"2024-05-06T07:08:09Z","msg":"b"}`+"\n"+`{"time":"nonsense","msg":"c"}`+"\n")
		s.once("--format=json", "--time-key=time")
		type row struct{ index, stamp, time string }
		got := map[string]row{}
		for _, d := range s.documents() {
			msg, _ := d.Source["msg"].(string)
			stamp, _ := d.Source["@timestamp"].(string)
			at, _ := d.Source["time"].(string)
			got[msg] = row{strings.TrimPrefix(d.Index, n.Prefix), stamp, at}
			if failed, _ := d.Source["time_error"].(bool); failed != (msg == "c") {
				t.Errorf("%s: time_error is %v", msg, d.Source["time_error"])
			}
		}
		if want := (row{"2024.05.07", "2024-05-07T01:08:09.123Z", "2024-05-07T01:08:09.123456789Z"}); got["a"] != want {
			t.Errorf("got %v, want %v", got["a"], want)
		}
		if want := (row{"2024.05.06", "2024-05-06T07:08:09.000Z", "2024-05-06T07:08:09Z"}); got["b"] != want {
			t.Errorf("got %v, want %v", got["b"], want)
		}
		if len(got) != 3 || got["c"].index < "2025" {
			t.Errorf("got %v", got)
		}
	})
}

// TestFilters: what must not leave the pod does not, by no way.
func TestFilters(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, n *backend.Node) {
		s := ship(t, n)
		s.index, s.all = n.Prefix+"logs", n.Prefix+"logs"
		s.ask("PUT", "/"+s.index, object{"mappings": properties(object{"level": field("long"), "log": field("keyword")})})
		const secret = "4711-0815"
		s.secrets = append(s.secrets, secret)
		s.write("a.log", text([]string{
			`{"msg":"card ` + secret + `"}`, `{"msg":"health check"}`, `{"level":"card ` + secret + `"}`, `{"msg":"plain"}`, `{"msg":"kept out"}`,
			`{"long":"` + strings.Repeat("card "+secret+" ", 4000) + `"}`, // too long a term
		}))
		a := s.start("--format=json", "--redact=[0-9]{4}-[0-9]{4}", "--drop=health", "--drop=kept out", "--add=team=shop")
		m := a.until("all is shipped", func(m metrics) bool { return m.pending() == 0 && m.documents() >= 4 })
		a.stop(0)
		var msgs []string
		for _, d := range s.documents() {
			msgs = append(msgs, fmt.Sprint(d.Source["msg"], " ", d.Source["team"]))
			if strings.Contains(quote(d.Source), secret) {
				t.Errorf("it is there: %s", quote(d.Source))
			}
		}
		slices.Sort(msgs)
		if want := []string{"<nil> shop", "card [redacted] shop", "plain shop"}; !slices.Equal(msgs, want) {
			t.Errorf("got %q, want %q", msgs, want)
		}
		if m.sum("taco_dropped_records_total") != 2 || m.refused() != 1 || m.bare() != 2 {
			t.Errorf("%d dropped, %d refused, %d without their fields", m.sum("taco_dropped_records_total"), m.refused(), m.bare())
		}
		files, err := filepath.Glob(s.state + "/*")
		must(t, err)
		for _, file := range files {
			if b, err := os.ReadFile(file); err != nil || strings.Contains(string(b), secret) {
				t.Errorf("%s: %v, or it is there", file, err)
			}
		}
		if len(s.letters()) != 1 {
			t.Errorf("%d dead letters", len(s.letters()))
		}
	})
}
