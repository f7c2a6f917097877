package parse

import (
	"bytes"
	"strconv"
)

// readLogfmt reads key=value pairs with blanks between them. A value in quotes
// has Go's escapes. A word without = is no logfmt: where it was taken for a key,
// every word of a sentence would become a field.
func readLogfmt(r *Rules, s []byte, out *Reading) bool {
	for {
		for len(s) > 0 && (s[0] == ' ' || s[0] == '\t') {
			s = s[1:]
		}
		if len(s) == 0 {
			return true
		}
		n := 0
		for n < len(s) && s[n] > ' ' && s[n] != '=' && s[n] != '"' {
			n++
		}
		if n == 0 || n == len(s) || s[n] != '=' {
			return false
		}
		key, value := s[:n], s[n+1:]
		if len(value) > 0 && value[0] == '"' {
			end, form := quoted(value)
			if end < 0 || end < len(value) && value[end] != ' ' && value[end] != '\t' {
				return false
			}
			value, s = value[1:end-1], value[end:]
			if form&escaped != 0 {
				value = out.store.goUnquote(value)
			}
		} else {
			end := bytes.IndexByte(value, ' ')
			if end < 0 {
				end = len(value)
			}
			if tab := bytes.IndexByte(value[:end], '\t'); tab >= 0 {
				end = tab
			}
			value, s = value[:end], value[end:]
		}
		if !r.field(out, key, value, String, false) {
			return false
		}
	}
}

// quoted is the index after the closing quote of the text that begins with a
// quote, negative if there is none. A backslash takes the next byte's meaning.
func quoted(s []byte) (end, form int) {
	for i := 1; ; i++ {
		n := bytes.IndexByte(s[i:], '"')
		if n < 0 {
			return -1, 0
		}
		i += n
		slash := i
		for s[slash-1] == '\\' {
			slash--
		}
		if (i-slash)%2 == 0 {
			if bytes.IndexByte(s[1:i], '\\') >= 0 {
				form = escaped
			}
			return i + 1, form
		}
	}
}

// readLTSV reads label:value pairs with tabs between them (http://ltsv.org).
func readLTSV(r *Rules, s []byte, out *Reading) bool {
	for more := true; more; {
		var pair []byte
		pair, s, more = untilTab(s)
		if len(pair) == 0 {
			continue
		}
		n := bytes.IndexByte(pair, ':')
		if n <= 0 || !r.field(out, pair[:n], pair[n+1:], String, false) {
			return false
		}
	}
	return len(out.Fields) > 0 || out.HasTime
}

// untilTab cuts s at its first tab.
func untilTab(s []byte) (before, after []byte, found bool) {
	i := bytes.IndexByte(s, '\t')
	if i < 0 {
		return s, nil, false
	}
	return s[:i], s[i+1:], true
}

// readTSV reads columns with tabs between them.
func readTSV(r *Rules, s []byte, out *Reading) bool {
	n := 0
	for more := true; more; n++ {
		var value []byte
		value, s, more = untilTab(s)
		if !r.column(out, n, value) {
			return false
		}
	}
	return r.columns == nil || n == len(r.columns)
}

// readCSV reads columns with commas between them (RFC 4180). A quote inside a
// column that does not begin with one is a character as others.
func readCSV(r *Rules, s []byte, out *Reading) bool {
	for n := 0; ; n++ {
		var value []byte
		if len(s) > 0 && s[0] == '"' {
			end, doubled := 1, false
			for ; ; end += 2 {
				i := bytes.IndexByte(s[end:], '"')
				if i < 0 {
					return false
				}
				if end += i; end+1 == len(s) || s[end+1] != '"' {
					break
				}
				doubled = true
			}
			value, s = s[1:end], s[end+1:]
			if len(s) > 0 && s[0] != ',' {
				return false
			}
			if doubled {
				value = out.store.undouble(value)
			}
		} else {
			end := bytes.IndexByte(s, ',')
			if end < 0 {
				end = len(s)
			}
			value, s = s[:end], s[end:]
		}
		if !r.column(out, n, value) {
			return false
		}
		if len(s) == 0 {
			return r.columns == nil || n+1 == len(r.columns)
		}
		s = s[1:]
	}
}

// column adds the value of column n, from 0.
func (r *Rules) column(out *Reading, n int, value []byte) bool {
	if n < len(r.columns) {
		return r.field(out, r.columns[n], value, String, false)
	}
	if r.columns != nil || n >= maxFields {
		return false
	}
	from := len(out.store)
	out.store = strconv.AppendInt(append(out.store, "col"...), int64(n+1), 10)
	return r.field(out, out.store.since(from), value, String, false)
}
