package stdout

import (
	"encoding/binary"
	"strconv"
	"time"
	"unicode/utf8"

	"logging.taco/sidecar/follow"
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
	same = appendString(same, []byte(r.Path))
	same = append(same, `,"offset":`...)
	return func(out, text []byte, index int, split bool) []byte {
		if n := len(text); n > 0 && text[n-1] == '\r' {
			text = text[:n-1]
		}
		out = append(out, `{"log":`...)
		out = appendString(out, text)
		out = append(out, same...)
		out = strconv.AppendInt(out, r.Offset+int64(index), 10)
		out = append(out, '}')
		if split {
			out = append(out, `,"split":true`...)
		}
		return append(out, "}\n"...)
	}
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
