package record

import (
	"bytes"
	"encoding/binary"
	"errors"
	"strings"
	"sync/atomic"
	"unicode/utf8"

	"golang.org/x/text/encoding/htmlindex"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"
)

// Charset turns bytes of a character encoding into UTF-8. It is not safe for
// concurrent use, but for Undecodable.
type Charset struct {
	name    string
	decoder transform.Transformer
	unit    int  // bytes of a code unit: 1, or 2 of UTF-16
	big     bool // UTF-16 with the high byte first
	// ascii: bytes below 0x80 that follow others below 0x80 are ASCII.
	ascii bool

	undecodable atomic.Int64
}

// ParseCharset reads a name of the WHATWG Encoding Standard
// (https://encoding.spec.whatwg.org/#names-and-labels), such as euc-kr,
// shift_jis, gbk, utf-16le or latin1. Nil: UTF-8, whose bytes stay as they are.
// An error is a reason, to be put after the name.
func ParseCharset(name string) (*Charset, error) {
	if name == "" {
		return nil, nil
	}
	label := strings.ToLower(strings.TrimSpace(name))
	if label == "cp949" || label == "uhc" {
		label = "euc-kr" // the standard's euc-kr is the superset that Windows calls 949
	}
	e, err := htmlindex.Get(label)
	if err != nil {
		return nil, errors.New("no charset has this name: use a WHATWG name such as utf-8, euc-kr, shift_jis, euc-jp, gbk, big5, utf-16le, utf-16be or latin1")
	}
	c := &Charset{unit: 1, ascii: true}
	c.name, _ = htmlindex.Name(e)
	switch c.name {
	case "utf-8":
		return nil, nil
	case "utf-16le":
		e, c.unit, c.ascii = unicode.UTF16(unicode.LittleEndian, unicode.IgnoreBOM), 2, false
	case "utf-16be":
		e, c.unit, c.ascii, c.big = unicode.UTF16(unicode.BigEndian, unicode.IgnoreBOM), 2, false, true
	case "iso-2022-jp":
		c.ascii = false // its escapes are made of ASCII
	case "replacement", "x-user-defined":
		return nil, errors.New("this charset has no text in it")
	}
	c.decoder = e.NewDecoder().Transformer
	return c, nil
}

func (c *Charset) String() string {
	if c == nil {
		return "utf-8"
	}
	return c.name
}

// Unit is the length of a code unit in bytes.
func (c *Charset) Unit() int {
	if c == nil {
		return 1
	}
	return c.unit
}

// Undecodable counts the U+FFFD that were put in place of what is no text.
func (c *Charset) Undecodable() int64 {
	if c == nil {
		return 0
	}
	return c.undecodable.Load()
}

// Append decodes a whole number of lines, or an unfinished last one.
func (c *Charset) Append(out, in []byte) []byte {
	if c == nil {
		return append(out, in...)
	}
	if !c.ascii {
		return c.decode(out, in)
	}
	for len(in) > 0 {
		n := asciiLen(in)
		out = append(out, in[:n]...)
		if in = in[n:]; len(in) == 0 {
			break
		}
		// No byte of a character is a newline: the line's end is a safe stop.
		end := bytes.IndexByte(in, '\n') + 1
		if end == 0 {
			end = len(in)
		}
		out = c.decode(out, in[:end])
		in = in[end:]
	}
	return out
}

// decode runs the decoder over all of in, from its initial state.
func (c *Charset) decode(out, in []byte) []byte {
	c.decoder.Reset()
	from := len(out)
	for {
		if cap(out)-len(out) < 2*len(in)+utf8.UTFMax {
			grown := make([]byte, len(out), len(out)+3*len(in)+64)
			copy(grown, out)
			out = grown
		}
		nDst, nSrc, err := c.decoder.Transform(out[len(out):cap(out)], in, true)
		out, in = out[:len(out)+nDst], in[nSrc:]
		if err == nil {
			break
		}
		if err != transform.ErrShortDst && nSrc == 0 && len(in) > 0 {
			out, in = append(out, "\uFFFD"...), in[1:]
		}
	}
	if n := bytes.Count(out[from:], replacement); n > 0 {
		c.undecodable.Add(int64(n))
	}
	return out
}

var replacement = []byte("\uFFFD")

// asciiLen is the length of the prefix whose bytes are all below 0x80.
func asciiLen(b []byte) int {
	i := 0
	for ; i+8 <= len(b); i += 8 {
		if binary.NativeEndian.Uint64(b[i:])&0x8080808080808080 != 0 {
			break
		}
	}
	for i < len(b) && b[i] < utf8.RuneSelf {
		i++
	}
	return i
}
