package jsontext

import (
	"bytes"
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

// TestEveryByteAtEveryPlace holds strings of all lengths, of bytes that are
// written in different ways, against encoding/json, in buffers of different room.
func TestEveryByteAtEveryPlace(t *testing.T) {
	for c := range 256 {
		for length := 1; length <= 20; length++ {
			for at := range length {
				s := bytes.Repeat([]byte{"az\"\xff"[at%4]}, length)
				s[at] = byte(c)
				var want []rune
				for b := s; len(b) > 0; {
					r, n := utf8.DecodeRune(b)
					want, b = append(want, r), b[n:]
				}
				out := AppendString(make([]byte, 3, 3+(c+at)%64), s)
				var got string
				if err := json.Unmarshal(out[3:], &got); err != nil || got != string(want) {
					t.Fatalf("%q: %s, %v", s, out[3:], err)
				}
			}
		}
	}
}

func BenchmarkString(b *testing.B) {
	for name, s := range map[string]string{
		"line":   "2018-02-04 01:17:27,349 INFO [http-nio-8080-exec-7] o.a.c.service.StorageService - handled request for tenant acme, order 4711, in 12.25 ms, after 3 retries",
		"json":   `{"time":"2018-02-04T01:17:27.349642941Z","level":"info","logger":"o.a.c.service.StorageService","thread":"http-nio-8080-exec-7","message":"handled request for tenant \"acme\"","status":200,"took_ms":12.25}`,
		"korean": "2026-11-21 10:00:00 오류: 결제 실패 (주문 4711), 세 번 다시 시도한 뒤에도 응답이 없습니다",
		"key":    "referer", "short": "200",
	} {
		b.Run(name, func(b *testing.B) {
			var out []byte
			b.SetBytes(int64(len(s)))
			b.ReportAllocs()
			for b.Loop() {
				out = AppendString(out[:0], []byte(s))
			}
		})
	}
}
