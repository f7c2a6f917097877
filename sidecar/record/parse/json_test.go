package parse

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"
)

func rules(t testing.TB, o Options) *Rules {
	t.Helper()
	if o.Now == nil {
		o.Now = now
	}
	r, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// randomValue is a JSON value; keys have nothing in them that is renamed.
func randomValue(rnd *rand.Rand, depth int) any {
	switch k := rnd.IntN(8); {
	case k == 0 && depth > 0:
		list := make([]any, rnd.IntN(4))
		for i := range list {
			list[i] = randomValue(rnd, depth-1)
		}
		return list
	case k <= 2 && depth > 0:
		return randomObject(rnd, depth-1)
	case k == 3:
		return json.Number([]string{"0", "-0", "1", "-17", "12345678901", "1.5", "-0.25e3", "1E-7", "9223372036854775807", "123456789012345678.25"}[rnd.IntN(10)])
	case k == 4:
		return []any{true, false, nil}[rnd.IntN(3)]
	}
	return randomText(rnd)
}

func randomText(rnd *rand.Rand) string {
	parts := []string{"", "a", "plain words, of some length", "\"", "\\", "\n\r\t\b\f", "\x00\x1f\x7f", "é", "한글", "𝄞", "\u2028", "</script>", "\uFFFD"}
	var b strings.Builder
	for range rnd.IntN(5) {
		b.WriteString(parts[rnd.IntN(len(parts))])
	}
	return b.String()
}

func randomObject(rnd *rand.Rand, depth int) map[string]any {
	object := map[string]any{}
	for range rnd.IntN(7) {
		object["k"+strings.ReplaceAll(randomText(rnd), ".", "")] = randomValue(rnd, depth)
	}
	return object
}

// variant writes a value as one of the many texts that mean it.
func variant(rnd *rand.Rand, b *bytes.Buffer, v any) {
	blank := func() { b.WriteString([]string{"", "", "", " ", "\n", "\r\n\t "}[rnd.IntN(6)]) }
	blank()
	switch v := v.(type) {
	case map[string]any:
		b.WriteByte('{')
		first := true
		member := func(key string, value any) {
			if !first {
				b.WriteByte(',')
			}
			first = false
			blank()
			variantText(rnd, b, key)
			blank()
			b.WriteByte(':')
			variant(rnd, b, value)
		}
		for key, value := range v {
			if rnd.IntN(10) == 0 { // an earlier value, which does not count
				member(key, randomValue(rnd, 1))
			}
			member(key, value)
		}
		blank()
		b.WriteByte('}')
	case []any:
		b.WriteByte('[')
		for i, value := range v {
			if i > 0 {
				b.WriteByte(',')
			}
			variant(rnd, b, value)
		}
		blank()
		b.WriteByte(']')
	case string:
		variantText(rnd, b, v)
	case json.Number:
		b.WriteString(v.String())
	default:
		fmt.Fprint(b, map[any]string{true: "true", false: "false", nil: "null"}[v])
	}
	blank()
}

func variantText(rnd *rand.Rand, b *bytes.Buffer, s string) {
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r < 0x20 || r == '"' || r == '\\' || rnd.IntN(20) == 0:
			if r > 0xFFFF {
				r -= 0x10000
				fmt.Fprintf(b, `\u%04x\u%04X`, 0xD800+r>>10, 0xDC00+r&0x3FF)
			} else if short := strings.IndexRune("\"\\/\b\f\n\r\t", r); short >= 0 && rnd.IntN(2) == 0 {
				b.WriteByte('\\')
				b.WriteByte("\"\\/bfnrt"[strings.Index("\"\\/\b\f\n\r\t", string(r))])
			} else {
				fmt.Fprintf(b, `\u%04x`, r)
			}
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
}

// TestAnyObject reads random objects: the fields are what encoding/json sees.
func TestAnyObject(t *testing.T) {
	seed := rand.Uint64()
	t.Log("seed", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	r := rules(t, Options{Format: "json"})
	var out Reading
	for range 5000 {
		var text bytes.Buffer
		variant(rnd, &text, randomObject(rnd, 4))
		var want map[string]any
		if err := unmarshal(text.Bytes(), &want); err != nil {
			t.Fatalf("%s: %v", &text, err)
		}
		r.Read(text.Bytes(), &out)
		if got := document(t, &out); !reflect.DeepEqual(got, want) {
			t.Fatalf("%s\n got %#v\nwant %#v", &text, got, want)
		}
		for key, value := range want {
			if s, ok := value.(string); ok {
				if got, _ := out.AppendText(nil, key); string(got) != s {
					t.Fatalf("%s: the text of %q is %q, want %q", &text, key, got, s)
				}
			}
		}
	}
}

// renamed tells whether a value has a key or a number that is not kept as it
// is, or is deeper or larger than what is parsed.
func renamed(v any, depth int) bool {
	switch v := v.(type) {
	case map[string]any:
		if depth >= maxDepth || len(v) > maxFields {
			return true
		}
		for key, value := range v {
			if strings.Contains(key, ".") || strings.TrimSpace(key) == "" || len(key) > maxKey/6 || depth == 0 && own([]byte(key)) ||
				depth == 0 && (key == "ts" || key == "timestamp" || strings.HasPrefix(key, prefix)) || renamed(value, depth+1) {
				return true
			}
		}
	case []any:
		if depth >= maxDepth {
			return true
		}
		for _, value := range v {
			if renamed(value, depth+1) {
				return true
			}
		}
	case json.Number:
		_, fits := scanNumber([]byte(v), 0)
		return !fits
	case string:
		return strings.ContainsRune(v, utf8.RuneError) // there is more than one way to replace what is no text
	}
	return false
}

// FuzzJSON holds the scanner against encoding/json: what is an object for the
// one is one for the other, with the same fields.
func FuzzJSON(f *testing.F) {
	for _, s := range []string{`{"a":1,"b":{"c":[1,{"d":"e"}]},"a":"\u00e9\n"}`, `{"a":{"b":1,"b":2,"c":"\xff"}}`, "{\"\xff\":\"\xff\\n\"}", `{"x":-0.1e+5}`, `{"":{"":[]}}`} {
		f.Add([]byte(s))
	}
	r := rules(f, Options{Format: "json"})
	f.Fuzz(func(t *testing.T, text []byte) {
		var out Reading
		r.Read(text, &out)
		doc := document(t, &out)
		var want map[string]any
		line := bytes.TrimSuffix(text, []byte{'\r'})
		err := json.Unmarshal(line, &want)
		if err == nil && want != nil {
			err = unmarshal(line, &want)
		}
		switch {
		case len(line) == 0:
		case err != nil || want == nil:
			if !out.ParseError {
				t.Fatalf("%q is no object (%v), but is read as %v", text, err, doc)
			}
		case renamed(want, 0):
		case !reflect.DeepEqual(doc, want):
			t.Fatalf("%q\n got %v\nwant %v", text, doc, want)
		}
	})
}

// once fails where a key of an object comes twice.
func once(t *testing.T, object []byte) {
	t.Helper()
	if bytes.ContainsAny(object, "\n\r") {
		t.Fatalf("%q is more than a line", object)
	}
	d := json.NewDecoder(bytes.NewReader(object))
	var open []map[string]bool // nil: an array
	key := false
	for {
		token, err := d.Token()
		if err != nil {
			break
		}
		switch {
		case token == json.Delim('{'):
			open, key = append(open, map[string]bool{}), true
			continue
		case token == json.Delim('['):
			open, key = append(open, nil), false
			continue
		case token == json.Delim('}') || token == json.Delim(']'):
			open = open[:len(open)-1]
		case key:
			name := token.(string)
			if keys := open[len(open)-1]; keys[name] {
				t.Fatalf("%s has %q twice", object, name)
			} else {
				keys[name] = true
			}
			key = false
			continue
		}
		key = len(open) > 0 && open[len(open)-1] != nil
	}
}

// TestLimits: what is too much to be stored is flagged, and costs little.
func TestLimits(t *testing.T) {
	object := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, `,"k%d":%d`, i, i)
		}
		return "{" + b.String()[1:] + "}"
	}
	r := rules(t, Options{Format: "json"})
	var out Reading
	for text, flagged := range map[string]bool{
		object(maxFields): false, object(maxFields + 1): true,
		`{"o":` + object(maxFields) + `}`: false, `{"o":` + object(maxFields+1) + `}`: true,
		`{"` + strings.Repeat("k", maxKey) + `":1}`: false, `{"` + strings.Repeat("k", maxKey+1) + `":1}`: true,
		`{"` + strings.Repeat("k.", 19) + `k":1}`: false, `{"` + strings.Repeat("k.", 20) + `k":1}`: true,
		`{"o":{"` + strings.Repeat("k.", 18) + `k":1}}`: false, `{"o":{"` + strings.Repeat("k.", 19) + `k":1}}`: true,
		`{"a.b":` + strings.Repeat(`{"k":`, 17) + `{}` + strings.Repeat("}", 17) + `}`: false,
		`{"a.b":` + strings.Repeat(`{"k":`, 18) + `{}` + strings.Repeat("}", 18) + `}`: true,
		`{"a":` + strings.Repeat("[", 100000):                                          true,
	} {
		r.Read([]byte(text), &out)
		if out.ParseError != flagged || flagged && len(out.Fields) > 0 {
			t.Errorf("%.80s…: flagged %v, want %v", text, out.ParseError, flagged)
		}
	}
}
