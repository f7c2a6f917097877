package stdout

import (
	"testing"
	"time"

	"logging.taco/sidecar/follow"
	"logging.taco/sidecar/record"
	"logging.taco/sidecar/record/parse"
)

func TestJSONOfASplitRecord(t *testing.T) {
	now := time.Date(2018, 2, 4, 1, 17, 27, 349642941, time.UTC)
	r := &follow.Range{Path: "/a.log", Offset: 100, Mid: true, End: follow.EndSplit}
	var got string
	new(record.Framing).Each([]byte("end\nwhole\r\nbeg"), r.Offset, func(text []byte, index int, first, last bool) {
		got += string(object(r, now)(nil, &parse.Reading{Text: text}, index, first || last))
	})
	const at = `,"stream":"file","time":"2018-02-04T01:17:27.349642941Z","log_file":{"path":"/a.log","offset":`
	want := `{"log":"end"` + at + `100},"split":true}` + "\n" +
		`{"log":"whole"` + at + `104}}` + "\n" +
		`{"log":"beg"` + at + `111},"split":true}` + "\n"
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
