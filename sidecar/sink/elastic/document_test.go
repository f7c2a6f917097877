package elastic

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"logging.taco/sidecar/config"
	"logging.taco/sidecar/follow"
	"logging.taco/sidecar/pod"
	"logging.taco/sidecar/record"
	"logging.taco/sidecar/record/parse"
)

// sent returns the actions and documents that a Sink makes of content at an offset.
func sent(t *testing.T, change func(*Options), content string, at follow.Position, offset int64) (ids []string, documents []map[string]any) {
	t.Helper()
	env := map[string]string{config.EnvPodName: "p", config.EnvPodNamespace: "ns", config.EnvPodUID: "u", config.EnvNodeName: "n"}
	getenv := func(k string) string { return env[k] }
	o := Options{
		Output:   config.DefaultOutput(),
		Sources:  []Source{{Container: "app", Framing: &record.Framing{}}},
		Pod:      pod.New("", getenv),
		Identity: "u",
		Getenv:   getenv,
		Now:      func() time.Time { return time.Date(2018, 2, 4, 1, 17, 27, 349642941, time.UTC) },
	}
	o.Output.To = []string{"http://x"}
	if change != nil {
		change(&o)
	}
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	at.Offset = offset + int64(len(content))
	r := follow.Range{Path: "/l.log"}.Carry([]byte(content), at)
	lines := bytes.Split(bytes.TrimSpace(s.Preview(&r)), []byte{'\n'})
	for i := 0; i+1 < len(lines); i += 2 {
		var action struct {
			Create map[string]string
		}
		document := map[string]any{}
		if err := json.Unmarshal(lines[i], &action); err != nil {
			t.Fatalf("%v: %s", err, lines[i])
		}
		if err := json.Unmarshal(lines[i+1], &document); err != nil {
			t.Fatalf("%v: %s", err, lines[i+1])
		}
		ids = append(ids, action.Create["_index"]+"/"+action.Create["_id"])
		documents = append(documents, document)
	}
	return ids, documents
}

func TestDocument(t *testing.T) {
	_, got := sent(t, nil, "the \"line\"\r\n", follow.Position{}, 81234)
	want := `{"@timestamp":"2018-02-04T01:17:27.349Z","kubernetes":{"container_name":"app","host":"n","namespace_name":"ns","pod_id":"u","pod_name":"p"},` +
		`"log":"the \"line\"","log_file":{"offset":81234,"path":"/l.log"},"stream":"file","time":"2018-02-04T01:17:27.349642941Z"}`
	if b, _ := json.Marshal(got[0]); string(b) != want {
		t.Errorf(" got %s\nwant %s", b, want)
	}
}

// A record's own time says when it was, and in which index it is.
func TestTimeOfTheRecord(t *testing.T) {
	rules, err := parse.New(parse.Options{Format: "json"})
	if err != nil {
		t.Fatal(err)
	}
	ids, got := sent(t, func(o *Options) { o.Sources[0].Rules = rules }, `{"time":"2017-12-31T23:59:59.5-01:00","code":7}`+"\n", follow.Position{}, 0)
	if !strings.HasPrefix(ids[0], "logstash-2018.01.01/") || got[0]["@timestamp"] != "2018-01-01T00:59:59.500Z" || got[0]["code"] != 7.0 {
		t.Errorf("%s %v", ids, got)
	}
}

// What is the same record has the same id, and nothing else has.
func TestIDs(t *testing.T) {
	at := follow.Position{Dev: 1, Ino: 2, Birth: 3, Epoch: 4}
	first, _ := sent(t, nil, "a\na\n", at, 10)
	if again, _ := sent(t, nil, "a\na\n", at, 10); again[0] != first[0] || again[1] != first[1] {
		t.Errorf("%v, then %v", first, again)
	}
	seen := map[string]string{first[0]: "first", first[1]: "second"}
	if len(seen) != 2 {
		t.Error("two lines of one file have one id")
	}
	for name, c := range map[string]struct {
		at      follow.Position
		offset  int64
		content string
		who     string
	}{
		"another device":     {follow.Position{Dev: 9, Ino: 2, Birth: 3, Epoch: 4}, 10, "a\n", "u"},
		"another inode":      {follow.Position{Dev: 1, Ino: 9, Birth: 3, Epoch: 4}, 10, "a\n", "u"},
		"another birth":      {follow.Position{Dev: 1, Ino: 2, Birth: 9, Epoch: 4}, 10, "a\n", "u"},
		"another epoch":      {follow.Position{Dev: 1, Ino: 2, Birth: 3, Epoch: 9}, 10, "a\n", "u"},
		"another offset":     {at, 10 + 1<<40, "a\n", "u"},
		"the same low bits":  {at, 10 + 1<<44, "a\n", "u"},
		"another content":    {at, 10, "b\n", "u"},
		"another pod":        {at, 10, "a\n", "v"},
		"no birth is no key": {follow.Position{Dev: 1, Ino: 2, Epoch: 4}, 10, "a\n", "u"},
	} {
		ids, _ := sent(t, func(o *Options) { o.Identity = c.who }, c.content, c.at, c.offset)
		if other, found := seen[ids[0]]; found {
			t.Errorf("%s: the id of %s", name, other)
		}
		seen[ids[0]] = name
		if len(ids[0]) > 512 {
			t.Errorf("%s: an id of %d bytes", name, len(ids[0]))
		}
	}
}

// FuzzDocument: whatever is in a line, its document is JSON with that line.
func FuzzDocument(f *testing.F) {
	f.Add([]byte("a\x00\xff\"\\"), int64(7))
	f.Fuzz(func(t *testing.T, line []byte, offset int64) {
		if offset < 0 || offset > 1<<50 {
			return
		}
		text := string(bytes.ToValidUTF8(bytes.ReplaceAll(line, []byte{'\n'}, nil), nil))
		text = strings.TrimRight(text, "\r")
		_, got := sent(t, nil, text+"\n", follow.Position{}, offset)
		if len(got) != 1 || got[0]["log"] != text {
			t.Fatalf("%q became %v", text, got)
		}
		sent(t, nil, string(line), follow.Position{}, offset)
	})
}
