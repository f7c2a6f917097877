package stdout

import (
	"strconv"
	"time"

	"logging.taco/sidecar/follow"
	"logging.taco/sidecar/record/jsontext"
)

// prefixed returns a function that appends a record after its file's path; the
// lines of one that has several stay together.
func prefixed(r *follow.Range) func(out, text []byte, index int, split bool) []byte {
	prefix := r.Path + ": "
	return func(out, text []byte, _ int, _ bool) []byte {
		out = append(out, prefix...)
		out = append(out, text...)
		return append(out, '\n')
	}
}

// object returns a function that appends a record as a JSON object: log,
// stream, time, log_file and, where it was split, split. The carriage return of
// a CRLF is left out.
func object(r *follow.Range, now time.Time) func(out, text []byte, index int, split bool) []byte {
	same := append([]byte(nil), `,"stream":"file","time":"`...)
	same = now.UTC().AppendFormat(same, time.RFC3339Nano)
	same = append(same, `","log_file":{"path":`...)
	same = jsontext.AppendString(same, []byte(r.Path))
	same = append(same, `,"offset":`...)
	return func(out, text []byte, index int, split bool) []byte {
		if n := len(text); n > 0 && text[n-1] == '\r' {
			text = text[:n-1]
		}
		out = append(out, `{"log":`...)
		out = jsontext.AppendString(out, text)
		out = append(out, same...)
		out = strconv.AppendInt(out, r.Offset+int64(index), 10)
		out = append(out, '}')
		if split {
			out = append(out, `,"split":true`...)
		}
		return append(out, "}\n"...)
	}
}
