package record

import (
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"golang.org/x/text/encoding/htmlindex"
)

// records are what Each finds.
func records(f *Framing, in []byte, at int64) (all []string) {
	f.Each(in, at, func(text []byte, _ int, _, _ bool) { all = append(all, string(text)) })
	return all
}

// TestRules walks over the files in testdata: a line of --- stands between
// records; a first line of "# " names the expression, else the file's name is
// the rule.
func TestRules(t *testing.T) {
	files, err := filepath.Glob("testdata/multiline/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no testdata", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			b, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			name := strings.TrimSuffix(filepath.Base(file), ".txt")
			content := string(b)
			if expression, rest, ok := strings.Cut(content, "\n"); ok && strings.HasPrefix(expression, "# ") {
				name, content = expression[2:], rest
			}
			rule, err := ParseRule(name)
			if err != nil {
				t.Fatal(err)
			}
			want := strings.Split(strings.TrimSuffix(content, "\n"), "\n---\n")
			in := []byte(strings.Join(want, "\n") + "\n")
			for _, ending := range []string{"\n", "\r\n"} {
				crlf := func(s string) string { return strings.ReplaceAll(s, "\n", ending) }
				f := &Framing{Rule: rule}
				var wanted []string
				for _, w := range want {
					w = crlf(w)
					if ending == "\r\n" {
						w += "\r"
					}
					wanted = append(wanted, w)
				}
				if got := records(f, []byte(crlf(string(in))), 0); !reflect.DeepEqual(got, wanted) {
					t.Errorf("got %q\nwant %q", got, wanted)
				}
			}
		})
	}
}

func TestRulesThatAreNone(t *testing.T) {
	for _, s := range []string{"jav", "(", "a**"} {
		if r, err := ParseRule(s); err == nil {
			t.Errorf("%q is taken for the rule %v", s, r)
		}
	}
	for _, s := range []string{"klingon", "iso-2022-kr", "utf8 "[:3] + "9"} {
		if c, err := ParseCharset(s); err == nil {
			t.Errorf("%q is taken for the charset %v", s, c)
		}
	}
}

var samples = map[string]string{
	"euc-kr": "2026 오류: 결제 실패 (주문 12)\n", "cp949": "똠방각하 펲시콜라\n", "shift_jis": "エラー: ソ 表 が 見つかりません\n",
	"euc-jp": "決済に失敗しました\n", "gbk": "错误: 订单 失败\n", "big5": "錯誤: 訂單 失敗 功\n", "iso-2022-jp": "エラー ascii 表\n",
	"utf-16le": "änd 𝄞 上\n", "utf-16be": "änd 𝄞 ਊ\n", "latin1": "Größe überschritten\n", "gb18030": "错误 𠀀\n",
}

func encoded(t testing.TB, name, text string) []byte {
	t.Helper()
	label := name
	if name == "cp949" {
		label = "euc-kr"
	}
	e, err := htmlindex.Get(label)
	if err != nil {
		t.Fatal(err)
	}
	b, err := e.NewEncoder().Bytes([]byte(text))
	if err != nil {
		t.Fatal(name, err)
	}
	return b
}

func TestCharsets(t *testing.T) {
	for name, sample := range samples {
		t.Run(name, func(t *testing.T) {
			c, err := ParseCharset(name)
			if err != nil {
				t.Fatal(err)
			}
			text := strings.Repeat("plain ascii line\n"+sample+"\n", 3)
			in := encoded(t, name, text)
			f := &Framing{Charset: c}
			if got := string(f.Text(nil, in, 0)); got != text {
				t.Errorf("got %q\nwant %q", got, text)
			}
			want := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
			if got := records(f, in, 0); !slices.Equal(got, want) {
				t.Errorf("got %q\nwant %q", got, want)
			}
			if n := c.Undecodable(); n != 0 {
				t.Errorf("%d characters were not decoded", n)
			}
		})
	}
}

func TestUndecodableBytesAreCounted(t *testing.T) {
	c, err := ParseCharset("euc-kr")
	if err != nil {
		t.Fatal(err)
	}
	if got := string(c.Append(nil, []byte("ok \xff\xff ok\nnext\xb0"))); got != "ok \uFFFD\uFFFD ok\nnext\uFFFD" || c.Undecodable() != 3 {
		t.Errorf("%q, %d", got, c.Undecodable())
	}
}

func TestByteOrderMarkIsNoText(t *testing.T) {
	c, err := ParseCharset("utf-16le")
	if err != nil {
		t.Fatal(err)
	}
	in := encoded(t, "utf-16le", "\uFEFFone\ntwo\n")
	f := &Framing{Charset: c}
	if got := string(f.Text(nil, in, 0)); got != "one\ntwo\n" {
		t.Errorf("%q", got)
	}
	if got := records(f, in, 0); !slices.Equal(got, []string{"one", "two"}) {
		t.Errorf("%q", got)
	}
}

// TestLastEndAgreesWithEach cuts random content where LastEnd says, at any
// place: the records before the cut are those of the whole.
func TestLastEndAgreesWithEach(t *testing.T) {
	seed := rand.Uint64()
	t.Log("seed", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	lines := []string{"2026 first", "  indented", "", "Caused by: x", "a.B.CException: y", "\t\tat z", "Größe", "10"}
	for range 3000 {
		name := []string{"utf-8", "utf-16le", "utf-16be"}[rnd.IntN(3)]
		c, err := ParseCharset(name)
		if err != nil {
			t.Fatal(err)
		}
		rule, err := ParseRule([]string{"none", "java", "indent", "^2026"}[rnd.IntN(4)])
		if err != nil {
			t.Fatal(err)
		}
		var text strings.Builder
		for range rnd.IntN(12) {
			text.WriteString(lines[rnd.IntN(len(lines))] + "\n")
		}
		f := &Framing{Charset: c, Rule: rule}
		whole := encoded(t, name, text.String())
		all := records(f, whole, 0)
		cut := rnd.IntN(len(whole) + 1)
		end := f.LastEnd(whole[:cut], 0, true)
		before := records(f, whole[:end], 0)
		if len(before) > len(all) || !slices.Equal(before, all[:len(before)]) {
			t.Fatalf("%s, %v, %q cut at %d, end %d:\n got %q\nwant the first of %q", name, rule, text.String(), cut, end, before, all)
		}
		// As much as can be known is told: only the last record seen is held back.
		if seen := records(f, whole[:f.lastNewline(whole[:cut], 0)], 0); rule.continues != nil && len(before) < len(seen)-1 ||
			rule.continues == nil && len(before) < len(seen) {
			t.Fatalf("%s, %v, %q cut at %d: %d records of %d", name, rule, text.String(), cut, len(before), len(seen))
		}
	}
}

func FuzzEach(f *testing.F) {
	f.Add([]byte("a\n b\nc"), "java", "utf-8", int64(0))
	f.Add([]byte("a\x00\n\x00"), "indent", "utf-16le", int64(2))
	f.Add([]byte("\xb0\xa1\n\xb0"), "^x", "euc-kr", int64(7))
	f.Fuzz(func(t *testing.T, in []byte, rule, charset string, at int64) {
		r, err := ParseRule(rule)
		if err != nil {
			return
		}
		c, err := ParseCharset(charset)
		if err != nil || at < 0 || at > 1<<40 {
			return
		}
		fr := &Framing{Rule: r, Charset: c}
		end := fr.LastEnd(in, at, true)
		if end < 0 || end > len(in) {
			t.Fatal("LastEnd", end)
		}
		next := 0
		fr.Each(in, at, func(text []byte, index int, first, last bool) {
			if index < next || first != (index == 0) || c == nil && !bytes.HasPrefix(in[index:], text) {
				t.Fatalf("record at %d", index)
			}
			next = index + 1
		})
	})
}
