package stdout

import (
	"encoding/binary"
	"strconv"
	"time"
	"unicode/utf8"

	"logging.taco/sidecar/follow"
	"logging.taco/sidecar/record"
)

// appendPrefixed writes each record after its file's path; the lines of one
// that has several stay together.
func appendPrefixed(out, in []byte, r *follow.Range, f *record.Framing) []byte {
	f.Each(in, r.Offset, func(text []byte, _ int, _, _ bool) {
		out = append(out, r.Path...)
		out = append(out, ": "...)
		out = append(out, text...)
		out = append(out, '\n')
	})
	return out
}

// appendJSON writes each record as an object: log, stream, time, log_file and,
// where a record was split, split. The carriage return of a CRLF is left out.
func appendJSON(out, in []byte, r *follow.Range, f *record.Framing, now time.Time) []byte {
	var stamp [len(time.RFC3339Nano)]byte
	at := now.UTC().AppendFormat(stamp[:0], time.RFC3339Nano)
	f.Each(in, r.Offset, func(text []byte, index int, first, last bool) {
		if n := len(text); n > 0 && text[n-1] == '\r' {
			text = text[:n-1]
		}
		out = append(out, `{"log":`...)
		out = appendString(out, text)
		out = append(out, `,"stream":"file","time":"`...)
		out = append(out, at...)
		out = append(out, `","log_file":{"path":`...)
		out = appendString(out, []byte(r.Path))
		out = append(out, `,"offset":`...)
		out = strconv.AppendInt(out, r.Offset+int64(index), 10)
		out = append(out, '}')
		if first && r.Mid || last && r.End == follow.EndSplit {
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
		if i += plainLen(s[i:]); i == len(s) {
			break
		}
		c := s[i]
		if c >= utf8.RuneSelf {
			r, n := utf8.DecodeRune(s[i:])
			if r != utf8.RuneError || n > 1 {
				i += n
				continue
			}
		}
		out = append(out, s[start:i]...)
		switch {
		case c >= utf8.RuneSelf:
			out = append(out, "\uFFFD"...)
		case c == '"' || c == '\\':
			out = append(out, '\\', c)
		case c == '\n':
			out = append(out, '\\', 'n')
		case c == '\r':
			out = append(out, '\\', 'r')
		case c == '\t':
			out = append(out, '\\', 't')
		default:
			out = append(out, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		}
		i++
		start = i
	}
	return append(append(out, s[start:]...), '"')
}

// plainLen is the length of the prefix that a JSON string holds as it is. It
// looks at eight bytes at a time ("Bit Twiddling Hacks", haszero and hasless).
func plainLen(s []byte) int {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	i := 0
	for ; i+8 <= len(s); i += 8 {
		w := binary.LittleEndian.Uint64(s[i:])
		quote, slash := w^ones*'"', w^ones*'\\'
		special := w | (w - ones*0x20) | (quote - ones) | (slash - ones)
		if special&highs != 0 {
			break // perhaps: a borrow may come from the byte below
		}
	}
	for i < len(s) && s[i] >= 0x20 && s[i] != '"' && s[i] != '\\' && s[i] < utf8.RuneSelf {
		i++
	}
	return i
}
