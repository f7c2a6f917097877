package parse

import (
	"math/rand/v2"
	"regexp"
	"testing"
	"time"
)

func TestTimeFormats(t *testing.T) {
	for _, c := range []struct{ format, zone, text, want string }{
		{"%Y-%m-%d %H:%M:%S,%L", "", "2026-11-21 10:00:00,123", "2026-11-21T10:00:00.123Z"},
		{"%Y-%m-%dT%H:%M:%S.%N%z", "", "2026-11-21T10:00:00.123456789+09:00", "2026-11-21T01:00:00.123456789Z"},
		{"%Y%m%d%H%M%S", "", "20261121100000", "2026-11-21T10:00:00Z"},
		{"%y%m%d %k:%M:%S", "", "261121  9:00:01", "2026-11-21T09:00:01Z"}, // MySQL
		{"%d.%m.%Y %H:%M", "Europe/Berlin", "1.7.2026 12:30", "2026-07-01T10:30:00Z"},
		{"%A, %d %B %Y %I:%M:%S %p", "", "Saturday, 21 November 2026 12:05:06 am", "2026-11-21T00:05:06Z"},
		{"%b %e, %Y %l:%M %p", "", "Nov  1, 2026  1:05 PM", "2026-11-01T13:05:00Z"},
		{"%c", "", "Sat Nov 21 10:00:00 2026", "2026-11-21T10:00:00Z"},
		{"%D %T", "", "11/21/26 10:00:00", "2026-11-21T10:00:00Z"},
		{"%Y-%j %R", "", "2024-366 23:59", "2024-12-31T23:59:00Z"},
		{"%Y-%j %R", "", "2023-366 23:59", ""},
		{"%m%d %H:%M:%S.%f", "", "1121 10:00:00.000042", "2026-11-21T10:00:00.000042Z"}, // klog
		{"%s.%L", "", "1520000000.123", "2018-03-02T14:13:20.123Z"},
		{"%s", "Asia/Seoul", "1520000000", "2018-03-02T14:13:20Z"},
		{"%Y-%m-%d %H:%M:%S %Z", "", "2026-11-21 10:00:00 UTC", "2026-11-21T10:00:00Z"},
		{"%Y-%m-%d %H:%M:%S %Z", "", "2026-11-21 10:00:00 CET", ""},
		{"%Y-%m-%d %H:%M:%S %Z", "Europe/Berlin", "2026-11-21 10:00:00 CET", "2026-11-21T09:00:00Z"},
		{"%Y-%m-%d %H:%M:%S %Z", "Europe/Berlin", "2026-11-21 10:00:00 CEST", ""},
		{"%Y-%m-%d %H:%M:%S %Z", "Europe/Berlin", "2026-10-25 02:30:00 CEST", "2026-10-25T00:30:00Z"},
		{"%Y-%m-%d %H:%M:%S %Z", "Europe/Berlin", "2026-10-25 02:30:00 CET", "2026-10-25T01:30:00Z"},
		{"%Y-%m-%d %H:%M:%S %Z", "", "2026-11-21 10:00:00 GMT+1", ""},
		{"%Y-%m-%d %H:%M:%S %z", "", "2026-11-21 10:00:00 GMT", "2026-11-21T10:00:00Z"},
		{"%Y-%m-%d %H:%M:%S %z", "", "2026-11-21 10:00:00 +25:00", ""},
		{"%Y-%m-%d %H:%M:%S", "", "2026-02-29 10:00:00", ""},
		{"%Y-%m-%d", "", "2100-02-29", ""},
		{"%Y-%m-%d", "", "2000-02-29", "2000-02-29T00:00:00Z"},
		{"%Y-%m-%d", "", "2100-03-01", "2100-03-01T00:00:00Z"},
		{"%Y-%m-%d", "", "0001-01-01", "0001-01-01T00:00:00Z"},
		{"%Y-%m-%d %H:%M:%S", "", "2024-02-29 10:00:00", "2024-02-29T10:00:00Z"},
		{"%Y-%m-%d %H:%M:%S", "", "2026-13-01 10:00:00", ""},
		{"%Y-%m-%d %H:%M:%S", "", "2026-11-21 24:00:00", ""},
		{"%Y-%m-%d %H:%M:%S", "", "2016-12-31 23:59:60", "2017-01-01T00:00:00Z"},
		{"%Y-%m-%d %H:%M:%S", "", "0000-12-31 23:59:00", ""},
		{"%Y-%m-%d %H:%M:%S", "", "226-11-21 10:00:00", ""},
		{"%Y-%m-%d %H:%M:%S", "", "2026-11-21 10:00:00 x", ""},
		{"%Y-%m-%d %H:%M:%S %p", "", "2026-11-21 10:00:00 XM", ""},
		{"%%%Y-%m-%d", "", "%2026-11-21", "2026-11-21T00:00:00Z"},
		{"%b %d %H:%M:%S", "", "Nov 28 11:00:00", "2026-11-28T11:00:00Z"},
		{"%b %d %H:%M:%S", "", "Nov 29 11:00:00", "2025-11-29T11:00:00Z"},
		{"%b %d %H:%M:%S", "", "Feb 29 11:00:00", ""},
		{"Mon, 02 Jan 2006 15:04:05 MST", "", "Sat, 21 Nov 2026 10:00:00 GMT", "2026-11-21T10:00:00Z"},
		{"2006-01-02 15:04:05", "", "2026-11-21 10:00:00.25", "2026-11-21T10:00:00.25Z"}, // as Go has it
		{"2006-01-02 15:04:05.999 -07:00", "", "2026-11-21 10:00:00 -02:30", "2026-11-21T12:30:00Z"},
		{"2006-01-02 15:04:05.000 -07:00", "", "2026-11-21 10:00:00 -02:30", ""},
		{"Jan _2 15:04:05", "", "Nov  1 15:04:05", "2026-11-01T15:04:05Z"},
		{"02_2006_01", "", "21_2026_11", "2026-11-21T00:00:00Z"},
		{"rfc3339", "", "2026-11-21T10:00:00Z", "2026-11-21T10:00:00Z"},
		{"rfc3339", "", "2026-11-21t10:00:00.123456789123z", "2026-11-21T10:00:00.123456789Z"},
		{"rfc3339", "", "2026-11-21T10:00:00,5-0330", "2026-11-21T13:30:00.5Z"},
		{"rfc3339", "", "2026-11-21T10:00:00+09", "2026-11-21T01:00:00Z"},
		{"rfc3339", "", "2026-11-21T10:00:00", ""},
		{"rfc3339", "+09:00", "2026-11-21T10:00:00", "2026-11-21T01:00:00Z"},
		{"rfc3339", "", "2026-11-31T10:00:00Z", ""},
		{"rfc3339", "", "2026-11-21T10:00:00.Z", ""},
		{"apache", "", "10/Oct/2000:13:55:36 -0700", "2000-10-10T20:55:36Z"},
		{"epoch", "", "1520000000", "2018-03-02T14:13:20Z"},
		{"epoch", "", "-1.5", "1969-12-31T23:59:58.5Z"},
		{"epoch", "", "1520000000123", ""}, // milliseconds: the year 50136
		{"epoch", "", "99999999999999999999", ""},
		{"epoch", "", "9223372036854775807", ""},
		{"epoch", "", "1e400", ""},
		{"epoch", "", "", ""},
		{"epoch_ms", "", "1520000000123.5", "2018-03-02T14:13:20.1235Z"},
		{"epoch_us", "", "1520000000123456", "2018-03-02T14:13:20.123456Z"},
		{"epoch_ns", "", "1520000000123456789", "2018-03-02T14:13:20.123456789Z"},
		{"epoch_ns", "", "-1", "1969-12-31T23:59:59.999999999Z"},
		{"epoch_ns", "", "15200000001234567890", ""},
	} {
		r := rules(t, Options{Format: "csv:t", TimeKey: "t", TimeFormat: c.format, TimeZone: c.zone})
		var out Reading
		r.Read([]byte(`"`+c.text+`"`), &out)
		got := ""
		if out.HasTime {
			got = out.Time.Format(time.RFC3339Nano)
		}
		if got != c.want || out.TimeError != (c.want == "") || out.ParseError {
			t.Errorf("%q of %q in %q: %q, want %q (error: %v)", c.format, c.text, c.zone, got, c.want, out.TimeError)
		}
	}
}

// TestGoLayouts writes random times in Go's own layouts, and reads them as Go does.
func TestGoLayouts(t *testing.T) {
	seed := rand.Uint64()
	t.Log("seed", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	seoul, err := time.LoadLocation("Asia/Seoul")
	if err != nil {
		t.Fatal(err)
	}
	for _, layout := range []string{
		time.ANSIC, time.UnixDate, time.RubyDate, time.RFC822Z, time.RFC850, time.RFC1123, time.RFC1123Z, time.RFC3339, time.RFC3339Nano,
		time.DateTime, time.DateOnly, "2006-01-02 15:04:05.000000", "02/Jan/2006:15:04:05 -0700", "January 2, 2006 3:04:05 PM -07:00",
		"2006-1-2 15:4:5.999999999Z07:00", "06-01-02 15:04:05", "2006-002 15:04", "2006__2T15:04:05,000", "Monday 02 Jan 2006 03:04:05.99pm",
	} {
		r := rules(t, Options{Format: "tsv:t", TimeKey: "t", TimeFormat: layout, TimeZone: "Asia/Seoul"})
		var out Reading
		for range 300 {
			when := time.Unix(rnd.Int64N(3e9), rnd.Int64N(1e9)).In(seoul)
			if when.Year() < 1989 { // what was called KDT then is not what is tested here
				continue
			}
			text := when.Format(layout)
			want, err := time.ParseInLocation(layout, text, seoul)
			if err != nil {
				t.Fatal(err)
			}
			if r.Read([]byte(text), &out); !out.HasTime || !out.Time.Equal(want) {
				t.Fatalf("%q of %q: %v, want %v", layout, text, out.Time, want)
			}
		}
	}
}

var strict = regexp.MustCompile(`^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d([.,]\d+)?([Zz]|[+-]\d\d:\d\d)$`)

// FuzzRFC3339: what is RFC 3339 for Go is read the same.
func FuzzRFC3339(f *testing.F) {
	f.Add("2026-11-21T10:00:00.123+09:00")
	f.Add("0001-01-01T00:00:00Z")
	r := rules(f, Options{Format: "tsv:t", TimeKey: "t"})
	f.Fuzz(func(t *testing.T, s string) {
		var out Reading
		r.Read([]byte(s), &out)
		want, err := time.Parse(time.RFC3339Nano, s)
		// Go also takes an hour of one digit.
		if err == nil && strict.MatchString(s) && sane(want.UTC()) && (!out.HasTime || !out.Time.Equal(want)) {
			t.Fatalf("%q: %v, want %v", s, out.Time, want)
		}
	})
}
