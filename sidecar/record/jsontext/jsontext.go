// Package jsontext writes JSON strings (RFC 8259, section 7), for all sinks that
// make objects of records: fast, without allocation, and valid for any bytes.
package jsontext

import (
	"encoding/binary"
	"math/bits"
	"slices"
	"unicode/utf8"
)

// Eight bytes are looked at at a time ("Bit Twiddling Hacks", haszero and
// hasless). Of what these find the lowest byte is right; above it a borrow may
// show.
const ones, highs = 0x0101010101010101, 0x8080808080808080

// special has the high bit of each byte of w that a JSON string does not hold
// as it is: of ", \ and control characters, not of bytes beyond ASCII.
func special(w uint64) uint64 {
	quote, slash := w^ones*'"', w^ones*'\\'
	return ((w - ones*0x20) | (quote - ones) | (slash - ones)) &^ w & highs
}

// load reads up to eight bytes, the first one lowest, and tells how many.
func load(s []byte) (w uint64, n int) {
	switch n = len(s); {
	case n >= 8:
		return binary.LittleEndian.Uint64(s), 8
	case n >= 4:
		low, high := binary.LittleEndian.Uint32(s), binary.LittleEndian.Uint32(s[n-4:])
		return uint64(low) | uint64(high)<<(8*(n-4)), n
	case n >= 2:
		low, high := binary.LittleEndian.Uint16(s), binary.LittleEndian.Uint16(s[n-2:])
		return uint64(low) | uint64(high)<<(8*(n-2)), n
	case n == 1:
		return uint64(s[0]), n
	}
	return 0, 0
}

// PlainLen is the length of the prefix of s that is ASCII and that a JSON
// string holds as it is.
func PlainLen(s []byte) int {
	left := s
	for len(left) >= 8 {
		w := binary.LittleEndian.Uint64(left)
		quote, slash := w^ones*'"', w^ones*'\\'
		if stop := (w | (w - ones*0x20) | (quote - ones) | (slash - ones)) & highs; stop != 0 {
			return len(s) - len(left) + bits.TrailingZeros64(stop)/8
		}
		left = left[8:]
	}
	w, n := load(left)
	if stop := (special(w) | w&highs) & (highs >> (64 - 8*n)); stop != 0 {
		return len(s) - len(left) + bits.TrailingZeros64(stop)/8
	}
	return len(s)
}

const hex = "0123456789abcdef"

// AppendString appends s as a JSON string, quotes included. Bytes that are not
// UTF-8 become U+FFFD, one for each.
func AppendString(out, s []byte) []byte {
	// There is always room for what is left, for one escape, and for the word
	// that is written in full though the text may end in it.
	const room = 16
	out = slices.Grow(out, len(s)+room)
	buf, n := out[:cap(out)], len(out)
	buf[n] = '"'
	n++
	beyond := uint64(highs) // stops at bytes beyond ASCII; 0 once all are known to be UTF-8
	known := false
	from, to := s, buf[n:]
	if len(s) > 16 { // most texts are plain to their end: then a copy of the whole is quickest
		plain := PlainLen(s)
		copy(to, s[:plain])
		from, to = s[plain:], to[plain:]
	}
	for len(from) > 0 {
		var stop uint64
		for len(from) >= 8 && len(to) >= 8 {
			w := binary.LittleEndian.Uint64(from)
			binary.LittleEndian.PutUint64(to, w)
			if stop = special(w) | w&beyond; stop != 0 {
				break
			}
			from, to = from[8:], to[8:]
		}
		if stop == 0 {
			w, size := load(from)
			binary.LittleEndian.PutUint64(to, w)
			if stop = (special(w) | w&beyond) & (highs >> (64 - 8*size)); stop == 0 {
				to = to[size:]
				break
			}
		}
		plain := bits.TrailingZeros64(stop) / 8
		from, to = from[plain:], to[plain:]
		c := from[0]
		if c >= utf8.RuneSelf {
			if !known {
				known = true
				if utf8.Valid(from) {
					beyond = 0
					continue
				}
			}
			r, size := utf8.DecodeRune(from)
			from, to = from[size:], to[utf8.EncodeRune(to, r):]
		} else {
			to = to[escape(to, c):]
			from = from[1:]
		}
		if len(to) < len(from)+room {
			n = len(buf) - len(to)
			out = slices.Grow(buf[:n], len(from)+room)
			buf = out[:cap(out)]
			to = buf[n:]
		}
	}
	n = len(buf) - len(to)
	buf[n] = '"'
	return buf[:n+1]
}

// escape writes c escaped, and returns the length of that.
func escape(to []byte, c byte) int {
	to[0] = '\\'
	switch c {
	case '"', '\\':
		to[1] = c
	case '\n':
		to[1] = 'n'
	case '\r':
		to[1] = 'r'
	case '\t':
		to[1] = 't'
	default:
		return copy(to, []byte{'\\', 'u', '0', '0', hex[c>>4], hex[c&15]})
	}
	return 2
}
