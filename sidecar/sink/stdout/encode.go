package stdout

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"time"

	"logging.taco/sidecar/follow"
	"logging.taco/sidecar/record/jsontext"
	"logging.taco/sidecar/record/parse"
)

// encoder appends a record that stands at an index of its range.
type encoder func(out []byte, rec *parse.Reading, index int, split bool) []byte

// prefixed appends a record after a prefix; the lines of one that has several
// stay together.
func prefixed(prefix string) encoder {
	return func(out []byte, rec *parse.Reading, _ int, _ bool) []byte {
		out = append(out, prefix...)
		out = append(out, rec.Text...)
		return append(out, '\n')
	}
}

// printable is the path as it is, but for control characters: what comes after
// a newline in it would be taken for a line.
func printable(path string) string {
	control := func(c rune) bool { return c < ' ' || c == 0x7f }
	if strings.IndexFunc(path, control) < 0 {
		return path
	}
	var b strings.Builder
	for i := range len(path) {
		if c := path[i]; control(rune(c)) {
			fmt.Fprintf(&b, `\x%02x`, c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

// object appends a record as a JSON object: log, stream, time (its own, else that
// of reading), log_file, split where it was split, and its fields. The carriage
// return of a CRLF is left out.
func object(r *follow.Range, now time.Time) encoder {
	reading := appendTime(nil, now)
	file := append([]byte(nil), `,"log_file":{"path":`...)
	file = jsontext.AppendString(file, []byte(r.Path))
	file = append(file, `,"offset":`...)
	return func(out []byte, rec *parse.Reading, index int, split bool) []byte {
		out = append(out, `{"log":`...)
		out = jsontext.AppendString(out, bytes.TrimSuffix(rec.Text, []byte{'\r'}))
		if rec.HasTime {
			out = appendTime(out, rec.Time)
		} else {
			out = append(out, reading...)
		}
		out = append(out, file...)
		out = strconv.AppendInt(out, r.Offset+int64(index), 10)
		out = append(out, '}')
		if split {
			out = append(out, `,"split":true`...)
		}
		out = rec.AppendJSON(out)
		return append(out, "}\n"...)
	}
}

func appendTime(out []byte, t time.Time) []byte {
	out = append(out, `,"stream":"file","time":"`...)
	out = t.UTC().AppendFormat(out, time.RFC3339Nano)
	return append(out, '"')
}
