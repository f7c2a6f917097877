package elastic

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func letters(t *testing.T, file string) (all []map[string]any) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for line := range bytes.Lines(b) {
		m := map[string]any{}
		if err := json.Unmarshal(line, &m); err != nil {
			t.Fatalf("%v: %.200s", err, line)
		}
		all = append(all, m)
	}
	return all
}

func TestDeadLetterHasTheDocumentAndTheReason(t *testing.T) {
	file := filepath.Join(t.TempDir(), "d")
	d := newDeadLetter(file, 1<<20)
	l := letter{Index: "i", Status: 400, Error: &fault{Type: "t", Reason: "r", CausedBy: &fault{Type: "c"}}}
	long := []byte(`{"log":"` + strings.Repeat("é", mostDocument) + `"}`)
	for _, document := range [][]byte{[]byte("{\"log\":\"x\"}\n"), long, []byte("no JSON")} {
		if err := d.write(l, []byte(`{"create":{"_id":"1"}}`), document); err != nil {
			t.Fatal(err)
		}
	}
	got := letters(t, file)
	if len(got) != 3 || got[0]["document"].(map[string]any)["log"] != "x" || got[0]["status"] != 400.0 ||
		got[0]["error"].(map[string]any)["caused_by"].(map[string]any)["type"] != "c" ||
		got[0]["action"].(map[string]any)["create"].(map[string]any)["_id"] != "1" {
		t.Fatalf("%v", got[0])
	}
	if cut := got[1]["document"].(string); got[1]["cut"] != true || len(cut) > mostDocument || !bytes.HasPrefix(long, []byte(cut)) {
		t.Errorf("a long document: cut %v, %d bytes", got[1]["cut"], len(cut))
	}
	if got[2]["document"] != "no JSON" {
		t.Errorf("%v", got[2])
	}
	if st, _ := os.Stat(file); st.Mode().Perm() != 0o600 {
		t.Errorf("mode %v", st.Mode())
	}
}

func TestDeadLetterFileIsBounded(t *testing.T) {
	file := filepath.Join(t.TempDir(), "d")
	const most = 4 << 10
	d := newDeadLetter(file, most)
	for range 100 {
		if err := d.write(letter{Error: &fault{}}, []byte("{}"), []byte(`{"log":"`+strings.Repeat("x", 300)+`"}`)); err != nil {
			t.Fatal(err)
		}
	}
	files, _ := filepath.Glob(file + "*")
	if len(files) != 2 {
		t.Fatal(files)
	}
	for _, f := range files {
		st, err := os.Stat(f)
		if err != nil || st.Size() > most {
			t.Errorf("%s: %d bytes, %v", f, st.Size(), err)
		}
		letters(t, f)
	}
}

func TestDeadLetterSaysThatItCannotBeWritten(t *testing.T) {
	d := newDeadLetter(filepath.Join(t.TempDir(), "no", "folder"), 1<<20)
	if err := d.write(letter{}, nil, nil); err == nil {
		t.Error("no error")
	}
	if err := newDeadLetter("/dev/full", 1<<20).write(letter{}, nil, []byte("{}")); err == nil {
		t.Error("no error from a full disk")
	}
}
