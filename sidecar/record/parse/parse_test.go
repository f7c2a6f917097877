package parse

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
)

// formats are one of each kind, with all that can be asked of it.
var formats = []Options{
	{Format: "json"}, {Format: "logfmt"}, {Format: "ltsv"}, {Format: "csv"}, {Format: "csv:time,log,a"}, {Format: "tsv"},
	{Format: "apache2"}, {Format: "nginx"}, {Format: "syslog"}, {Format: `regexp:(?P<time>\d+-\S+)? *(?P<_id>\w*)`},
	{Format: "json", Types: "a:integer,b:float,c:bool,d:string", TimeKey: "t", TimeFormat: "epoch", Redact: []string{"secret", `\d{4}`}, Add: map[string]string{"a": "b"}},
	{TimeFormat: "%Y-%m-%d %H:%M:%S,%L"}, {TimeFormat: "Jan _2 15:04:05 MST", TimeZone: "Europe/Berlin", Drop: []string{"^DEBUG"}},
}

// FuzzRead: no text makes a reader fail, or a document that is none.
func FuzzRead(f *testing.F) {
	for i, s := range []string{`{"a":"1","t":1520000000.5,"b":"1e3","c":"yes","d":4}`, `a=1 b="x\n\x4"`, "a:1\tb:2", `1,"a""b",`, "2018-02-04T01:17:27Z,x,y", "a\tb",
		`h - - [28/Feb/2013:12:00:00 +0000] "GET / HTTP/1.1" 200 1 "-" "-"`, `h - - [28/Feb/2013:12:00:00 +0000] "GET / HTTP/1.1" 200 1 "-" "-" "-"`,
		`<34>1 2003-10-11T22:14:15.003Z h a p m [x y="\]"] BOM`, "2018-02-04T01:17:27Z x", `{"a":4111}`, "2026-11-21 10:00:00,123 x", "Nov  4 01:17:27 CET x"} {
		f.Add(i, []byte(s))
	}
	var all []*Rules
	for _, o := range formats {
		all = append(all, rules(f, o))
	}
	f.Fuzz(func(t *testing.T, which int, text []byte) {
		r := all[uint(which)%uint(len(all))]
		before := bytes.Clone(text)
		var out, again Reading
		r.Read(text, &out)
		document(t, &out)
		if !bytes.Equal(text, before) {
			t.Fatalf("the text is %q now, it was %q", text, before)
		}
		if r.redact == nil && !bytes.Equal(out.Text, text) {
			t.Fatalf("the record is %q, not %q", out.Text, text)
		}
		// A Reading that was used before reads the same.
		use(r, &again)
		r.Read(text, &again)
		if a, b := again.AppendJSON(nil), out.AppendJSON(nil); !bytes.Equal(a, b) || again.Time != out.Time || again.HasTime != out.HasTime {
			t.Fatalf("%q: read again it is\n%s, not\n%s", text, a, b)
		}
		r.ReadPart(text, &out)
		document(t, &out)
	})
}

// use fills a Reading with something else.
func use(r *Rules, out *Reading) {
	for _, s := range []string{`{"x":{"y":1,"y":2},"\u0041":"\n","t":5,"time":"2018-02-04T01:17:27Z"}`, "x=1", "{"} {
		r.Read([]byte(s), out)
	}
}

func TestNothingToDoIsNoRules(t *testing.T) {
	for _, o := range []Options{{}, {Format: "none"}} {
		r, err := New(o)
		if r != nil || err != nil {
			t.Errorf("%+v: %v, %v", o, r, err)
		}
		var out Reading
		r.Read([]byte(`{"a":1}`), &out)
		if string(out.Text) != `{"a":1}` || len(out.Fields) > 0 || out.ParseError || out.Dropped || r.Counts() != (Counts{}) {
			t.Errorf("%+v", out)
		}
		r.ReadPart([]byte("x"), &out)
		if string(out.Text) != "x" || out.ParseError {
			t.Errorf("%+v", out)
		}
	}
}

func TestDropAndKeep(t *testing.T) {
	for _, c := range []struct {
		drop, keep string
		text       string
		out        bool
	}{
		{"DEBUG", "", "a DEBUG b", false}, {"DEBUG", "", "a INFO b", true},
		{"", "ERROR|WARN", "a WARN b", true}, {"", "ERROR|WARN", "a INFO b", false},
		{"noise", "ERROR", "ERROR of noise", false}, {"noise", "ERROR", "ERROR", true},
		{`"GET /healthz `, "", `h "GET /healthz HTTP/1.1" 200`, false}, {"^$", "", "", false}, {"^$", "", "x", true},
		{"two$", "", "one two\r", false}, {"", "^two$", "two\r", true}, {"\\r", "", "two\r", true},
		{"(?i)debug", "", "x DeBuG", false}, {"\xef\xbf\xbd", "", "\xff", false}, {"(?m)^x", "", "y\nx", false},
	} {
		o := Options{Format: "json"}
		if c.drop != "" {
			o.Drop = []string{"not this", c.drop}
		}
		if c.keep != "" {
			o.Keep = []string{"not this", c.keep}
		}
		r := rules(t, o)
		var out Reading
		for i, read := range []func([]byte, *Reading){r.Read, r.ReadPart} {
			read([]byte(c.text), &out)
			if out.Dropped == c.out {
				t.Errorf("%+v: dropped %v", c, out.Dropped)
			}
			if n := r.Counts().Dropped; c.out && n != 0 || !c.out && n != int64(i+1) {
				t.Errorf("%+v: %d counted", c, n)
			}
		}
	}
}

func TestRedact(t *testing.T) {
	for _, c := range []struct {
		redact []string
		text   string
		want   string
	}{
		{[]string{"secret"}, "a secret b secret", "a [redacted] b [redacted]"},
		{[]string{"secret"}, "nothing", "nothing"},
		// A group without a name is no reason to let the rest out.
		{[]string{`(sk|pk)_[a-z0-9]+`}, "key sk_live7 and pk_9", "key [redacted] and [redacted]"},
		{[]string{`password=(?P<value>\S+)`}, "user=u password=hunter2 x", "user=u password=[redacted] x"},
		{[]string{`password=(?:(?P<a>\d+)|(?P<b>[a-z]+))`}, "password=12 password=ab", "password=[redacted] password=[redacted]"},
		{[]string{`token(?P<value>=\S+)?`}, "token token=x", "[redacted] token[redacted]"},
		{[]string{`(?P<out>a(?P<in>b)c)d`}, "abcd", "[redacted]d"},
		{[]string{`x+`, `y+`, `z+`}, "xxyyzz-xyz", "[redacted][redacted][redacted]-[redacted][redacted][redacted]"},
		{[]string{`x+`, `nothing`, `z+`}, "xz", "[redacted][redacted]"},
		{[]string{`x+`, `nothing`, `z+`}, "xz+z+z", "[redacted][redacted]+[redacted]+[redacted]"},
		{[]string{`\b\d{4}([ -]?\d{4}){3}\b`}, "card 4111 1111 1111 1111.", "card [redacted]."},
		{[]string{`\w+$`}, "a bc\r", "a [redacted]\r"},
		{[]string{`c$`, `b`}, "abc\r", "a[redacted][redacted]\r"},
		{[]string{`^a`}, "aaa", "[redacted]aa"},
	} {
		r := rules(t, Options{Redact: c.redact})
		var out Reading
		for _, read := range []func([]byte, *Reading){r.Read, r.ReadPart} {
			read([]byte(c.text), &out)
			if string(out.Text) != c.want {
				t.Errorf("%q of %q: %q, want %q", c.redact, c.text, out.Text, c.want)
			}
		}
		if n := r.Counts().Redacted; (n == 2) != (c.text != c.want) {
			t.Errorf("%q of %q: %d counted", c.redact, c.text, n)
		}
	}
}

// TestRedactInTurn holds several expressions against what regexp makes of each in turn.
func TestRedactInTurn(t *testing.T) {
	seed := rand.Uint64()
	t.Log("seed", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	expressions := []string{"a", "b+", "ab", "c|x", "xc?", "dac", "nothing", "^a", "c$"}
	var out Reading
	for range 2000 {
		var some []string
		for range 1 + rnd.IntN(4) {
			some = append(some, expressions[rnd.IntN(len(expressions))])
		}
		r := rules(t, Options{Redact: some})
		for range 5 {
			text := make([]byte, rnd.IntN(20))
			for i := range text {
				text[i] = "abcx "[rnd.IntN(5)]
			}
			want := bytes.Clone(text)
			for _, s := range some {
				want = regexp.MustCompile(s).ReplaceAllLiteral(want, []byte(redacted))
			}
			if r.Read(text, &out); !bytes.Equal(out.Text, want) {
				t.Fatalf("%q of %q: %q, want %q", some, text, out.Text, want)
			}
		}
	}
}

// FuzzMatcher: looking for what an expression needs does not change what it matches.
func FuzzMatcher(f *testing.F) {
	for _, s := range []string{"abc", "a(b|c)d", "(ab|cd)+e?", "(?i)ab", "a{2,3}b*", "^x|y$", "[ab]c", "(?:foo|foobar)x", "\xef\xbf\xbd", `\bDEBUG\b`, "(|a)b"} {
		f.Add(s, []byte("xabcd DEBUG foobarx ac aab \xff"))
	}
	for s, text := range map[string]string{"abc|[0-9]+": "5", "(abc){0,2}d": "d", "a*b|": "", "(?i:x)y|z": "XY"} {
		f.Add(s, []byte(text))
	}
	f.Fuzz(func(t *testing.T, expression string, text []byte) {
		m, err := newMatcher(expression)
		if err != nil {
			return
		}
		if got, want := m.match(text), regexp.MustCompile(expression).Match(text); got != want {
			t.Fatalf("%q in %q: %v, want %v; needs %q", expression, text, got, want, m.needs)
		}
	})
}

func TestPartsAreNotParsed(t *testing.T) {
	r := rules(t, Options{Format: "logfmt", Add: map[string]string{"env": "prod"}})
	var out Reading
	r.ReadPart([]byte("a=1 b=2"), &out)
	if got := string(out.AppendJSON(nil)); got != `,"env":"prod","parse_error":true` || r.Counts().ParseErrors != 1 {
		t.Errorf("%s, %+v", got, r.Counts())
	}
}

func TestCounts(t *testing.T) {
	r := rules(t, Options{Format: "json", TimeKey: "t", Drop: []string{"noise"}, Redact: []string{"hunter2"}})
	var out Reading
	for _, s := range []string{`{"t":"x"}`, `{}`, `{"t":"2018-02-04T01:17:27Z"}`, "noise", "noise hunter2", `{"p":"hunter2"}`, "no JSON", ""} {
		r.Read([]byte(s), &out)
	}
	if got := r.Counts(); got != (Counts{Dropped: 2, ParseErrors: 1, TimeErrors: 3, Redacted: 1}) {
		t.Errorf("%+v", got)
	}
}

func TestText(t *testing.T) {
	r := rules(t, Options{Format: "json"})
	var out Reading
	r.Read([]byte(`{"a":"x","b":"\u0041\n\ud834\u0041\ud834","c":{"d":1},"e":5}`), &out)
	for key, want := range map[string]string{"a": "x", "b": "A\n\uFFFDA\uFFFD", "c": `{"d":1}`, "e": "5"} {
		if got, ok := out.AppendText([]byte("<"), key); string(got) != "<"+want || !ok {
			t.Errorf("%s: %q, %v", key, got, ok)
		}
	}
	if got, ok := out.AppendText(nil, "z"); ok {
		t.Errorf("z: %q", got)
	}
}

func TestOptionsThatAreNone(t *testing.T) {
	for _, c := range []struct {
		o    Options
		want string
	}{
		{Options{Format: "xml"}, `format: "xml": use none, json, `},
		{Options{Format: "JSON"}, `use none, json, `},
		{Options{Format: "json:a"}, `nothing can follow json`},
		{Options{Format: "csv:"}, `each column needs a name`},
		{Options{Format: "csv:a,b,a"}, `two columns "a"`},
		{Options{Format: "regexp:("}, `not a regular expression`},
		{Options{Format: "regexp:(a)"}, `no named group`},
		{Options{Format: "regexp"}, `no named group`},
		{Options{Types: "a:integer"}, `types: "a:integer": without a format`},
		{Options{Format: "json", Types: "a"}, `"a" is no KEY:TYPE`},
		{Options{Format: "json", Types: "a:int"}, `"int" is no type: use string, integer, float or bool`},
		{Options{Format: "json", Types: "a:float,a:bool"}, `a comes twice`},
		{Options{TimeKey: "t"}, `time-key: "t": without a format`},
		{Options{Format: "nginx", TimeKey: "t"}, `has its time at a place of its own`},
		{Options{Format: "csv:a,b", TimeKey: "t"}, `no field of this name`},
		{Options{Format: "regexp:(?P<a>.)", TimeKey: "t"}, `no field of this name`},
		{Options{TimeZone: "UTC"}, `time-zone: "UTC": without format or time-format`},
		{Options{Format: "json", TimeZone: "Mars/Base"}, `time-zone: "Mars/Base": no time zone has this name`},
		{Options{Format: "json", TimeZone: "+9"}, `no time zone has this name`},
		{Options{Format: "json", TimeZone: "../etc/passwd"}, `no time zone has this name`},
		{Options{Format: "json", TimeZone: "KST"}, `no time zone has this name`},
		{Options{Format: "json", TimeZone: "Local"}, `no time zone has this name`},
		{Options{Format: "json", TimeFormat: "yyyy-MM-dd"}, `time-format: "yyyy-MM-dd": use rfc3339, `},
		{Options{TimeFormat: "%H:%M:%S"}, `it has no month`},
		{Options{TimeFormat: "%Y-%m %H:%M:%S"}, `it has no day of the month`},
		{Options{TimeFormat: "15:04:05.000"}, `it has no month`},
		{Options{TimeFormat: "%j %H:%M"}, `needs the year`},
		{Options{TimeFormat: "%Y-%m-%d %I:%M"}, `need AM or PM`},
		{Options{TimeFormat: "%Y-%m-%d %Q"}, `%Q is not known here`},
		{Options{TimeFormat: "%Y-%m-%d %"}, `a % ends it`},
		{Options{TimeFormat: "%Y-%m-%d %Y"}, `%Y comes twice`},
		{Options{Drop: []string{"ok", "("}}, `drop: "(": not a regular expression`},
		{Options{Keep: []string{"*"}}, `keep: "*": not a regular expression`},
		{Options{Redact: []string{"a*"}}, `redact: "a*": it matches the empty text`},
		{Options{Add: map[string]string{"z": "x", "stream": "x", "a": "x", "log": "x"}}, `add: "log": `},
		{Options{Add: map[string]string{"log": "x"}}, `add: "log": this key is the document's own`},
		{Options{Add: map[string]string{"kubernetes.pod": "x"}}, `this key is the document's own`},
		{Options{Add: map[string]string{"": "x"}}, `needs a name`},
		{Options{Add: map[string]string{"a..b": "x"}}, `needs a name`},
		{Options{Add: map[string]string{"\xff": "x"}}, `in UTF-8`},
	} {
		_, err := New(c.o)
		var fault *OptionError
		if !errors.As(err, &fault) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v:\n got %v\nwant …%s…", c.o, err, c.want)
		}
	}
}

func TestOptionsThatAreSome(t *testing.T) {
	for _, o := range []Options{
		{Format: "tsv"}, {Format: "csv:a, b"}, {Format: "regexp:(?P<a>.)", TimeKey: "a"}, {TimeFormat: "epoch_ms"}, {TimeFormat: "apache"},
		{TimeFormat: "%s"}, {TimeFormat: "%s.%L"}, {TimeFormat: "2006-01-02"}, {TimeFormat: "%c"}, {TimeFormat: "%D %T"}, {TimeFormat: "%F %R"},
		{Format: "json", TimeZone: "Asia/Seoul"}, {Format: "json", TimeZone: "-0330"}, {Format: "json", TimeZone: "+09"},
	} {
		if r, err := New(o); r == nil || err != nil {
			t.Errorf("%+v: %v", o, err)
		}
	}
}
