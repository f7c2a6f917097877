package parse

import (
	"bytes"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// store holds texts that do not stand in the record as they are. What was put
// into it stays valid until it is emptied.
type store []byte

func (b *store) since(from int) []byte { return (*b)[from:len(*b):len(*b)] }

// text is what a string, without its quotes, says, in UTF-8.
func (b *store) text(s []byte, form int) []byte {
	if form&escaped != 0 {
		s = b.unquote(s)
	}
	if form&wide == 0 || utf8.Valid(s) {
		return s
	}
	from := len(*b)
	for len(s) > 0 {
		r, n := utf8.DecodeRune(s)
		*b, s = utf8.AppendRune(*b, r), s[n:]
	}
	return b.since(from)
}

// unquote takes the escapes out of a string that scanString has walked over. A
// surrogate without its other half becomes U+FFFD.
func (b *store) unquote(s []byte) []byte {
	if bytes.IndexByte(s, '\\') < 0 {
		return s
	}
	from := len(*b)
	t := *b
	for i := 0; i < len(s); {
		c := s[i]
		if c != '\\' {
			t = append(t, c)
			i++
			continue
		}
		i += 2
		switch c = s[i-1]; c {
		case 'b':
			c = '\b'
		case 'f':
			c = '\f'
		case 'n':
			c = '\n'
		case 'r':
			c = '\r'
		case 't':
			c = '\t'
		case 'u':
			r, _ := hex4(s[i:])
			i += 4
			if utf16.IsSurrogate(r) {
				low := rune(0)
				if i+6 <= len(s) && s[i] == '\\' && s[i+1] == 'u' {
					low, _ = hex4(s[i+2:])
				}
				if r = utf16.DecodeRune(r, low); r != utf8.RuneError {
					i += 6
				}
			}
			t = utf8.AppendRune(t, r)
			continue
		}
		t = append(t, c)
	}
	*b = t
	return b.since(from)
}

// undotted is key with _ for each dot.
func (b *store) undotted(key []byte) []byte {
	from := len(*b)
	for _, c := range key {
		if c == '.' {
			c = '_'
		}
		*b = append(*b, c)
	}
	if len(bytes.TrimSpace(key)) == 0 {
		*b = append((*b)[:from], '_')
	}
	return b.since(from)
}

// goUnquote takes Go's escapes out of a string. What is no escape stays.
func (b *store) goUnquote(s []byte) []byte {
	from := len(*b)
	t := *b
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 == len(s) {
			t = append(t, s[i])
			continue
		}
		i++
		digits := 0
		switch c := s[i]; c {
		case '"', '\\', '\'', '/':
			t = append(t, c)
		case 'a':
			t = append(t, '\a')
		case 'b':
			t = append(t, '\b')
		case 'f':
			t = append(t, '\f')
		case 'n':
			t = append(t, '\n')
		case 'r':
			t = append(t, '\r')
		case 't':
			t = append(t, '\t')
		case 'v':
			t = append(t, '\v')
		case 'x':
			digits = 2
		case 'u':
			digits = 4
		case 'U':
			digits = 8
		default:
			t = append(t, '\\', c)
		}
		if digits == 0 {
			continue
		}
		if i+digits >= len(s) {
			t = append(t, '\\', s[i])
			continue
		}
		switch n, err := strconv.ParseUint(string(s[i+1:i+1+digits]), 16, 32); {
		case err != nil:
			t = append(t, '\\', s[i])
			continue
		case digits == 2:
			t = append(t, byte(n))
		default:
			t = utf8.AppendRune(t, rune(n))
		}
		i += digits
	}
	*b = t
	return b.since(from)
}

// undouble makes one quote of two.
func (b *store) undouble(s []byte) []byte {
	from := len(*b)
	for i := 0; i < len(s); i++ {
		*b = append(*b, s[i])
		if s[i] == '"' {
			i++
		}
	}
	return b.since(from)
}
