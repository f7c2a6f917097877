package parse

import (
	"bytes"
	"math"
	"strings"
	"time"
)

// timing is where the time of a record stands, and how it is written.
type timing struct {
	keys   [][]byte // the fields that may have it
	format timeFormat
	wanted bool // a record without a time is flagged
}

// A timeFormat reads the time that stands at the start of s, and tells its
// length: 0, there is none.
type timeFormat func(s []byte) (t time.Time, n int)

// usual are the fields that have the time where nothing else is said.
var usual = [][]byte{[]byte("time"), []byte("@timestamp"), []byte("timestamp"), []byte("ts")}

// candidate is the index of a key that may have the time, or -1.
func (t *timing) candidate(key []byte) int {
	for i, k := range t.keys {
		if len(k) == len(key) && string(k) == string(key) {
			return i
		}
	}
	return -1
}

// take reads the value of a field as the record's time.
func (t *timing) take(value []byte, kind Kind, out *Reading) bool {
	switch kind {
	case Quoted:
		value = out.store.unquote(value[1 : len(value)-1])
	case String, Number:
	default:
		return false
	}
	when, n := t.format(value)
	if n == 0 || n != len(value) || !sane(when) {
		return false
	}
	out.Time, out.HasTime = when, true
	return true
}

// leading reads the time at the start of a line that has no format.
func (t *timing) leading(line []byte, out *Reading) {
	if t.format == nil {
		return
	}
	when, n := t.format(line)
	// 10:00:00 is not to be found in 10:00:001.
	if n == 0 || n < len(line) && line[n] >= '0' && line[n] <= '9' && line[n-1] >= '0' && line[n-1] <= '9' || !sane(when) {
		out.TimeError = t.wanted
		return
	}
	out.Time, out.HasTime = when, true
}

// sane tells whether RFC 3339, and so the backend, can write t.
func sane(t time.Time) bool {
	const first, end = -62135596800, 253402300800 // of the years 1 and 10000
	return t.Unix() >= first && t.Unix() < end
}

// Formats that have names. The unit of an epoch is in nanoseconds.
var epochs = map[string]int64{"epoch": 1e9, "epoch_ms": 1e6, "epoch_us": 1e3, "epoch_ns": 1}

// newTimeFormat reads a name, a strptime format or a Go layout; its error is a
// reason, to be put after the value. No name is the usual: RFC 3339 or apache.
// zone: nil where none was given.
func newTimeFormat(s string, zone *time.Location, now func() time.Time) (timeFormat, error) {
	if unit := epochs[s]; unit != 0 {
		return func(s []byte) (time.Time, int) { return readEpoch(s, unit) }, nil
	}
	rfc3339 := func(s []byte) (time.Time, int) { return readRFC3339(s, zone) }
	switch {
	case s == "rfc3339":
		return rfc3339, nil
	case s == "apache":
		return readApacheTime, nil
	case s == "":
		return func(s []byte) (time.Time, int) {
			if len(s) > 2 && s[0] == '[' && s[len(s)-1] == ']' { // of LTSV
				t, n := readApacheTime(s[1 : len(s)-1])
				if n == len(s)-2 {
					n = len(s)
				}
				return t, n
			}
			if len(s) > 2 && s[2] == '/' {
				return readApacheTime(s)
			}
			return readRFC3339(s, zone)
		}, nil
	}
	l, err := compile(s)
	if err != nil {
		return nil, err
	}
	l.zone, l.now = orUTC(zone), now
	return l.read, nil
}

func orUTC(zone *time.Location) *time.Location {
	if zone == nil {
		return time.UTC
	}
	return zone
}

// readRFC3339 reads 2006-01-02T15:04:05.999Z. Also a space for the T, a comma
// for the point, an offset without its colon or minutes and, where the zone was
// given, no offset at all: so ISO 8601 is written by many.
func readRFC3339(s []byte, zone *time.Location) (time.Time, int) {
	if len(s) < len("2006-01-02T15:04:05") || s[4] != '-' || s[7] != '-' || s[13] != ':' || s[16] != ':' {
		return time.Time{}, 0
	}
	if s[10] != 'T' && s[10] != ' ' && s[10] != 't' {
		return time.Time{}, 0
	}
	var d date
	var a, b int
	ok := two(s[0:], &a) && two(s[2:], &b) && two(s[5:], &d.month) && two(s[8:], &d.day) &&
		two(s[11:], &d.hour) && two(s[14:], &d.minute) && two(s[17:], &d.second)
	d.year = a*100 + b
	if !ok || !d.valid() {
		return time.Time{}, 0
	}
	i := len("2006-01-02T15:04:05")
	if i+1 < len(s) && (s[i] == '.' || s[i] == ',') && isDigit(s[i+1]) {
		d.nanos, i = fraction(s, i+1)
	}
	if offset, n := readOffset(s[i:]); n > 0 {
		return d.at(offset), i + n
	}
	if i < len(s) && s[i] == ' ' { // as Ruby writes it
		if offset, n := readOffset(s[i+1:]); n >= len("+0900") {
			return d.at(offset), i + 1 + n
		}
	}
	if zone == nil {
		return time.Time{}, 0
	}
	return d.in(zone), i
}

// readApacheTime reads 10/Oct/2000:13:55:36 -0700.
func readApacheTime(s []byte) (time.Time, int) {
	const length = len("10/Oct/2000:13:55:36 ")
	if len(s) < length || s[2] != '/' || s[6] != '/' || s[11] != ':' || s[14] != ':' || s[17] != ':' || s[20] != ' ' {
		return time.Time{}, 0
	}
	var d date
	var a, b int
	ok := two(s[0:], &d.day) && two(s[7:], &a) && two(s[9:], &b) && two(s[12:], &d.hour) && two(s[15:], &d.minute) && two(s[18:], &d.second)
	month, n := name(s[3:6], monthNames)
	d.year, d.month = a*100+b, month+1
	offset, n2 := readOffset(s[length:])
	if !ok || n == 0 || n2 == 0 || !d.valid() {
		return time.Time{}, 0
	}
	return d.at(offset), length + n2
}

// readEpoch reads a number of units since 1970, perhaps with a fraction.
func readEpoch(s []byte, unit int64) (time.Time, int) {
	i, before := 0, false
	if len(s) > 0 && s[0] == '-' {
		i, before = 1, true
	}
	whole, from := int64(0), i
	for ; i < len(s) && isDigit(s[i]); i++ {
		if whole > (math.MaxInt64-9)/10 {
			return time.Time{}, 0
		}
		whole = whole*10 + int64(s[i]-'0')
	}
	if i == from {
		return time.Time{}, 0
	}
	part := 0
	if i+1 < len(s) && s[i] == '.' && isDigit(s[i+1]) {
		part, i = fraction(s, i+1)
	}
	if i < len(s) && s[i]|0x20 == 'e' {
		return epochExponent(s, unit)
	}
	perSecond := 1_000_000_000 / unit
	seconds := whole / perSecond
	nanos := whole%perSecond*unit + int64(part)*unit/1_000_000_000
	if before {
		seconds, nanos = -seconds, -nanos
	}
	return time.Unix(seconds, nanos).UTC(), i
}

// epochExponent reads 1.5e9, as some write a float.
func epochExponent(s []byte, unit int64) (time.Time, int) {
	n := bytes.IndexFunc(s, func(r rune) bool { return !strings.ContainsRune("0123456789.eE+-", r) })
	if n < 0 {
		n = len(s)
	}
	seconds, ok := float(s[:n])
	seconds *= float64(unit) / 1e9
	if !ok || math.Abs(seconds) > 1e12 {
		return time.Time{}, 0
	}
	whole := int64(seconds)
	return time.Unix(whole, int64(math.Round((seconds-float64(whole))*1e6))*1000).UTC(), n // a float has microseconds at best
}
