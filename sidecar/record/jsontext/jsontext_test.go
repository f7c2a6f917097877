package jsontext

import (
	"encoding/json"
	"testing"
	"unicode/utf8"
)

// FuzzString holds our strings against encoding/json's reader.
func FuzzString(f *testing.F) {
	f.Add([]byte("plain"))
	f.Add([]byte("\x00\x1f\"\\\n\t\r\xff\xed\xa0\x80é\u2028"))
	f.Fuzz(func(t *testing.T, s []byte) {
		var got string
		if err := json.Unmarshal(AppendString(nil, s), &got); err != nil {
			t.Fatal(err)
		}
		want := make([]rune, 0, len(s))
		for b := s; len(b) > 0; {
			r, n := utf8.DecodeRune(b)
			want, b = append(want, r), b[n:]
		}
		if got != string(want) {
			t.Fatalf("got %q, want %q", got, string(want))
		}
	})
}

// TestPlainLen puts each byte at each place of a text that is plain before it.
func TestPlainLen(t *testing.T) {
	for c := range 256 {
		for at := range 20 {
			s := make([]byte, 20)
			for i := range s {
				s[i] = 'a'
			}
			s[at] = byte(c)
			want := at
			if c >= 0x20 && c < 0x80 && c != '"' && c != '\\' {
				want = len(s)
			}
			if got := PlainLen(s); got != want {
				t.Fatalf("%q: %d, want %d", s, got, want)
			}
		}
	}
}
