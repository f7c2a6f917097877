package parse

import (
	"unicode/utf8"

	"logging.taco/sidecar/record/jsontext"
)

// readJSON reads a text that is one object (RFC 8259). Of a key that comes
// twice the last value counts. Bytes that are not UTF-8 become U+FFFD; a number
// that neither a long nor a float holds becomes a string.
func readJSON(r *Rules, s []byte, out *Reading) bool {
	i := skip(s, 0)
	if i == len(s) || s[i] != '{' {
		return false
	}
	i = skip(s, i+1)
	if i < len(s) && s[i] == '}' {
		return skip(s, i+1) == len(s)
	}
	for {
		end, form := scanString(s, i)
		if end < 0 {
			return false
		}
		key := out.store.text(s[i+1:end-1], form)
		if i = skip(s, end); i == len(s) || s[i] != ':' {
			return false
		}
		if i = skip(s, i+1); i == len(s) {
			return false
		}
		var value []byte
		var kind Kind
		value, kind, i = out.value(s, i, key)
		if i < 0 || !r.field(out, key, value, kind, form == 0) {
			return false
		}
		if i = skip(s, i); i == len(s) {
			return false
		}
		if s[i] == '}' {
			return skip(s, i+1) == len(s)
		}
		if s[i] != ',' {
			return false
		}
		i = skip(s, i+1)
	}
}

// value reads a member's value at i: as it is to be written, and where it ends;
// a negative end: it is none.
func (out *Reading) value(s []byte, i int, key []byte) ([]byte, Kind, int) {
	switch s[i] {
	case '"':
		end, form := scanString(s, i)
		if end < 0 {
			return nil, 0, -1
		}
		if form&wide != 0 && !utf8.Valid(s[i:end]) {
			return out.store.text(s[i+1:end-1], form), String, end
		}
		return s[i:end], Quoted, end
	case '{', '[':
		value, end := out.nested.read(s, i, 1+countDots(key))
		return value, JSON, end
	case 't', 'f', 'n':
		n := word(s[i:])
		if n == 0 {
			return nil, 0, -1
		}
		if s[i] == 'n' {
			return s[i : i+n], Null, i + n
		}
		return s[i : i+n], Bool, i + n
	}
	end, fits := scanNumber(s, i)
	if end < 0 {
		return nil, 0, -1
	}
	if !fits {
		return s[i:end], String, end
	}
	return s[i:end], Number, end
}

// skip is where white space ends.
func skip(s []byte, i int) int {
	for i < len(s) && (s[i] == ' ' || s[i] == '\n' || s[i] == '\r' || s[i] == '\t') {
		i++
	}
	return i
}

// word is the length of true, false or null.
func word(s []byte) int {
	for _, w := range [...]string{"true", "false", "null"} {
		if len(s) >= len(w) && string(s[:len(w)]) == w {
			return len(w)
		}
	}
	return 0
}

// What a string has in it.
const (
	escaped = 1 << iota // escapes
	wide                // bytes beyond ASCII, perhaps not UTF-8
)

// scanString walks over the string at i: the index after its closing quote,
// negative if it is none, and what it has in it.
func scanString(s []byte, i int) (end, form int) {
	if i >= len(s) || s[i] != '"' {
		return -1, 0
	}
	for i++; ; {
		i += jsontext.PlainLen(s[i:])
		if i >= len(s) {
			return -1, 0
		}
		switch c := s[i]; {
		case c == '"':
			return i + 1, form
		case c >= utf8.RuneSelf:
			form |= wide
			for i++; i < len(s) && s[i] >= utf8.RuneSelf; i++ {
			}
		case c == '\\':
			form |= escaped
			n := escapeLen(s[i:])
			if n == 0 {
				return -1, 0
			}
			i += n
		default:
			return -1, 0 // a control character
		}
	}
}

// escapeLen is the length of the escape at the start of s, which is a
// backslash; 0 if JSON has no such escape.
func escapeLen(s []byte) int {
	if len(s) < 2 {
		return 0
	}
	switch s[1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2
	case 'u':
		if _, ok := hex4(s[2:]); ok {
			return 6
		}
	}
	return 0
}

// hex4 reads four hexadecimal digits.
func hex4(s []byte) (r rune, ok bool) {
	if len(s) < 4 {
		return 0, false
	}
	for _, c := range s[:4] {
		switch {
		case isDigit(c):
			r = r<<4 | rune(c-'0')
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			r = r<<4 | rune(c|0x20-'a'+10)
		default:
			return 0, false
		}
	}
	return r, true
}
