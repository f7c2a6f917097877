package stdout

import (
	"bytes"
	"strconv"
	"time"
	"unicode/utf8"

	"logging.taco/sidecar/follow"
)

// eachLine calls fn for every line of a range with its offset in the range.
// The line's newline is left out; split: the line goes on elsewhere.
func eachLine(in []byte, r *follow.Range, fn func(line []byte, off int, split bool)) {
	for off := 0; off < len(in); {
		end := bytes.IndexByte(in[off:], '\n')
		next := off + end + 1
		if end < 0 {
			end, next = len(in)-off, len(in)
		}
		last := next == len(in)
		fn(in[off:off+end], off, r.Mid && off == 0 || last && r.End == follow.EndSplit)
		off = next
	}
}

// appendPrefixed writes each line after its file's path.
func appendPrefixed(out, in []byte, r *follow.Range) []byte {
	eachLine(in, r, func(line []byte, _ int, _ bool) {
		out = append(out, r.Path...)
		out = append(out, ": "...)
		out = append(out, line...)
		out = append(out, '\n')
	})
	return out
}

// appendJSON writes each line as an object: log, stream, time, log_file and,
// where a record was split, split. The carriage return of a CRLF is left out.
func appendJSON(out, in []byte, r *follow.Range, now time.Time) []byte {
	var stamp [len(time.RFC3339Nano)]byte
	at := now.UTC().AppendFormat(stamp[:0], time.RFC3339Nano)
	eachLine(in, r, func(line []byte, off int, split bool) {
		if n := len(line); n > 0 && line[n-1] == '\r' {
			line = line[:n-1]
		}
		out = append(out, `{"log":`...)
		out = appendString(out, line)
		out = append(out, `,"stream":"file","time":"`...)
		out = append(out, at...)
		out = append(out, `","log_file":{"path":`...)
		out = appendString(out, []byte(r.Path))
		out = append(out, `,"offset":`...)
		out = strconv.AppendInt(out, r.Offset+int64(off), 10)
		out = append(out, '}')
		if split {
			out = append(out, `,"split":true`...)
		}
		out = append(out, "}\n"...)
	})
	return out
}

const hex = "0123456789abcdef"

// appendString writes a JSON string (RFC 8259, section 7). Bytes that are not
// UTF-8 become U+FFFD, one for each.
func appendString(out, s []byte) []byte {
	out = append(out, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= 0x20 && c != '"' && c != '\\' && c < utf8.RuneSelf {
			i++
			continue
		}
		if c >= utf8.RuneSelf {
			r, n := utf8.DecodeRune(s[i:])
			if r != utf8.RuneError || n > 1 {
				i += n
				continue
			}
			out = append(append(out, s[start:i]...), "\uFFFD"...)
			i++
			start = i
			continue
		}
		out = append(out, s[start:i]...)
		switch c {
		case '"', '\\':
			out = append(out, '\\', c)
		case '\n':
			out = append(out, '\\', 'n')
		case '\r':
			out = append(out, '\\', 'r')
		case '\t':
			out = append(out, '\\', 't')
		default:
			out = append(out, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		}
		i++
		start = i
	}
	return append(append(out, s[start:]...), '"')
}
