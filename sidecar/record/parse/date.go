package parse

import "time"

// date is a time as it is written, without its zone.
type date struct {
	year, month, day, hour, minute, second, nanos int
}

func (d *date) valid() bool {
	return d.month >= 1 && d.month <= 12 && d.day >= 1 && d.day <= daysIn(d.year, d.month) &&
		d.hour <= 23 && d.minute <= 59 && d.second <= 60 // a leap second is the next minute's first
}

func daysIn(year, month int) int {
	switch month {
	case 2:
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	case 4, 6, 9, 11:
		return 30
	}
	return 31
}

// at is the instant where the clock is offset seconds before UTC's.
func (d *date) at(offset int) time.Time {
	// Years begin in March here, so that a leap day is the last one.
	y, m := d.year, d.month-3
	if m < 0 {
		y, m = y-1, m+12
	}
	if y < 0 {
		return time.Time{}
	}
	days := 365*y + y/4 - y/100 + y/400 + (153*m+2)/5 + d.day - 1 - 719468
	return time.Unix(int64(days)*86400+int64(d.hour*3600+d.minute*60+d.second-offset), int64(d.nanos)).UTC()
}

// in is the instant in a zone. What comes twice in autumn is taken for one of
// the two.
func (d *date) in(zone *time.Location) time.Time {
	if zone == time.UTC {
		return d.at(0)
	}
	return time.Date(d.year, time.Month(d.month), d.day, d.hour, d.minute, d.second, d.nanos, zone).UTC()
}

func isDigit(c byte) bool { return c-'0' <= 9 }

// two reads two digits.
func two(s []byte, to *int) bool {
	if len(s) < 2 || !isDigit(s[0]) || !isDigit(s[1]) {
		return false
	}
	*to = int(s[0]-'0')*10 + int(s[1]-'0')
	return true
}

// fraction reads the digits of a fraction of a second, from i to next, as
// nanoseconds; those beyond the ninth are left out.
func fraction(s []byte, i int) (nanos, next int) {
	scale := 1_000_000_000
	for ; i < len(s) && isDigit(s[i]); i++ {
		scale /= 10
		nanos += int(s[i]-'0') * scale
	}
	return nanos, i
}

func isLetter(c byte) bool { return c|0x20-'a' < 26 }

// readOffset reads Z, +09:00, +0900 or +09: seconds, and its length.
func readOffset(s []byte) (seconds, n int) {
	if len(s) > 0 && s[0]|0x20 == 'z' {
		if len(s) > 1 && isLetter(s[1]) {
			return 0, 0
		}
		return 0, 1
	}
	var hours, minutes int
	if len(s) < 3 || s[0] != '+' && s[0] != '-' || !two(s[1:], &hours) {
		return 0, 0
	}
	n = 3
	if len(s) > 5 && s[3] == ':' && two(s[4:], &minutes) {
		n = 6
	} else if two(s[3:], &minutes) {
		n = 5
	}
	if hours > 23 || minutes > 59 {
		return 0, 0
	}
	seconds = hours*3600 + minutes*60
	if s[0] == '-' {
		seconds = -seconds
	}
	return seconds, n
}

var (
	monthNames = []string{"january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november", "december"}
	dayNames   = []string{"sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"}
)

// name reads a name, or its first three letters, in any case: its index and its
// length, 0 if it is none of them.
func name(s []byte, names []string) (index, n int) {
	if len(s) < 3 {
		return 0, 0
	}
	for i, full := range names {
		if !prefixFold(s, full[:3]) {
			continue
		}
		if prefixFold(s, full) {
			return i, len(full)
		}
		return i, 3
	}
	return 0, 0
}

// prefixFold tells whether s begins with a text of lower case letters.
func prefixFold(s []byte, lower string) bool {
	if len(s) < len(lower) {
		return false
	}
	for i := range len(lower) {
		if s[i]|0x20 != lower[i] {
			return false
		}
	}
	return true
}
