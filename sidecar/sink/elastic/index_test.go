package elastic

import (
	"testing"
	"time"
)

func TestIndexNames(t *testing.T) {
	at := time.Date(2021, 1, 3, 23, 30, 0, 0, time.FixedZone("", -3*3600)) // Monday, the 4th, in UTC
	fields := map[string]string{"tenant": "Blue/Ocean", "empty": "", "odd": "__x"}
	for _, c := range []struct{ pattern, want, wildcard string }{
		{"logstash-%Y.%m.%d", "logstash-2021.01.04", "logstash-*"},
		{"logs", "logs", "logs"},
		{"l-%y%j-%H", "l-21004-02", "l-*-*"},
		{"w-%G.%V", "w-2021.01", "w-*"},
		{"w-%Y.%U", "w-2021.01", "w-*"},
		{"{tenant}-%Y", "blue_ocean-2021", "*-*"},
		{"{odd}-x", "x-x", "*-x"},
		{"a-{empty}-{missing}", "a-none-none", "a-*-*"},
	} {
		p, err := parseIndex(c.pattern)
		if err != nil {
			t.Fatal(err)
		}
		lookup := func(name string) string { return fields[name] }
		for range 2 { // the second time what is remembered
			if got := p.of(at, lookup); got != c.want {
				t.Errorf("%s: %s, want %s", c.pattern, got, c.want)
			}
		}
		if got := p.wildcard(); got != c.wildcard {
			t.Errorf("%s: for the template %s, want %s", c.pattern, got, c.wildcard)
		}
	}
}

// Midnight in UTC is where the index changes, also back again.
func TestIndexOfTheDay(t *testing.T) {
	p, err := parseIndex("a-%Y.%m.%d")
	if err != nil {
		t.Fatal(err)
	}
	last := time.Date(2026, 12, 31, 23, 59, 59, 999999999, time.UTC)
	for _, c := range []struct {
		at   time.Time
		want string
	}{
		{last, "a-2026.12.31"}, {last.Add(1), "a-2027.01.01"}, {last, "a-2026.12.31"},
		{last.Add(-24 * time.Hour), "a-2026.12.30"},
	} {
		if got := p.of(c.at, nil); got != c.want {
			t.Errorf("%v: %s, want %s", c.at, got, c.want)
		}
	}
}

func FuzzIndexPart(f *testing.F) {
	f.Add("Größe/../x")
	f.Fuzz(func(t *testing.T, value string) {
		p, err := parseIndex("{v}")
		if err != nil {
			t.Fatal(err)
		}
		name := p.of(time.Now(), func(string) string { return value })
		if name == "" || name[0] == '-' || name[0] == '_' || name[0] == '.' || len(name) > 255 {
			t.Fatalf("%q makes the index %q", value, name)
		}
		for _, c := range name {
			if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '_' && c != '.' {
				t.Fatalf("%q makes the index %q", value, name)
			}
		}
	})
}
