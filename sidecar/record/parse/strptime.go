package parse

import "time"

// read is a timeFormat.
func (l *layout) read(s []byte) (time.Time, int) {
	d := date{month: 1, day: 1}
	i, zone, offset, hasOffset, pm, yearDay := 0, []byte(nil), 0, false, -1, 0
	for k := range l.ops {
		from := i
		switch o := &l.ops[k]; o.do {
		case literal:
			if i < len(s) && s[i] == o.char {
				i++
			}
		case space:
			for i < len(s) && (s[i] == ' ' || s[i] == '\t') {
				i++
			}
		case 'Y':
			if d.year, i = number(s, i, 4); i != from+4 {
				i = from
			}
		case 'y':
			if d.year, i = number(s, i, 2); i != from+2 {
				i = from
			}
			if d.year += 1900; d.year < 1969 {
				d.year += 100
			}
		case 'm':
			d.month, i = number(s, i, 2)
		case 'd':
			d.day, i = padded(s, i, 2)
		case 'b':
			m, n := name(s[i:], monthNames)
			d.month, i = m+1, i+n
		case 'a':
			_, n := name(s[i:], dayNames)
			i += n
		case 'j':
			yearDay, i = padded(s, i, 3)
			if yearDay == 0 {
				i = from
			}
		case 'H':
			d.hour, i = padded(s, i, 2)
		case 'I':
			if d.hour, i = padded(s, i, 2); d.hour < 1 || d.hour > 12 {
				i = from
			}
		case 'M':
			d.minute, i = number(s, i, 2)
		case 'S':
			d.second, i = number(s, i, 2)
		case 'p':
			if len(s) > i+1 && s[i+1]|0x20 == 'm' && (s[i]|0x20 == 'a' || s[i]|0x20 == 'p') {
				if pm = 0; s[i]|0x20 == 'p' {
					pm = 12
				}
				i += 2
			}
		case 'L':
			d.nanos, i = fraction(s, i)
		case maybeFraction, goFraction:
			if i+1 < len(s) && (s[i] == '.' || s[i] == ',') && isDigit(s[i+1]) {
				d.nanos, i = fraction(s, i+1)
			}
			if o.do == maybeFraction || o.char == '9' {
				continue // it may be absent
			}
		case 'z':
			n := 0
			offset, n = readOffset(s[i:])
			if n == 0 {
				offset, n = universal(s[i:])
			}
			i, hasOffset = i+n, true
		case 'Z':
			for i < len(s) && isLetter(s[i]) {
				i++
			}
			if zone = s[from:i]; i < len(s) && (s[i] == '+' || s[i] == '-' || isDigit(s[i])) {
				i = from // GMT+1
			}
		case 's':
			seconds := 0
			seconds, i = number(s, i, 12)
			d = fromUnix(seconds)
			hasOffset, offset = true, 0
		}
		if i == from {
			return time.Time{}, 0
		}
	}
	if pm >= 0 {
		d.hour = d.hour%12 + pm
	}
	if yearDay > 0 {
		if yearDay > 365 && (yearDay > 366 || daysIn(d.year, 2) == 28) {
			return time.Time{}, 0
		}
		for d.day = yearDay; d.day > daysIn(d.year, d.month); d.month++ {
			d.day -= daysIn(d.year, d.month)
		}
	}
	t, ok := l.instant(&d, hasOffset, offset, zone)
	if !ok {
		return time.Time{}, 0
	}
	return t, i
}

// instant finds the year where it is not written, and the zone.
func (l *layout) instant(d *date, hasOffset bool, offset int, abbreviation []byte) (time.Time, bool) {
	at := func() (time.Time, bool) {
		if !d.valid() {
			return time.Time{}, false
		}
		if hasOffset {
			return d.at(offset), true
		}
		if abbreviation == nil {
			return d.in(l.zone), true
		}
		return abbreviated(d, l.zone, abbreviation)
	}
	if l.year {
		return at()
	}
	// A log tells of the past, by a clock that may be ahead.
	latest := l.now().Add(ahead)
	for d.year = latest.Year() + 1; d.year >= latest.Year()-1; d.year-- {
		if t, ok := at(); ok && !t.After(latest) {
			return t, true
		}
	}
	return time.Time{}, false
}

// ahead is how far in the future a time may be that is written without its year.
const ahead = 7 * 24 * time.Hour

// abbreviated is an instant in a zone that is named by its abbreviation: UTC,
// or what the given zone is called then. Others mean several zones in the world.
func abbreviated(d *date, zone *time.Location, abbreviation []byte) (time.Time, bool) {
	switch string(abbreviation) {
	case "UTC", "GMT", "Z", "UT":
		return d.at(0), true
	}
	t := d.in(zone)
	// The hour that comes twice in autumn is told by the name.
	for _, shift := range []time.Duration{0, time.Hour, -time.Hour} {
		other := t.Add(shift).In(zone)
		if name, _ := other.Zone(); name == string(abbreviation) && other.Hour() == d.hour && other.Minute() == d.minute {
			return other.UTC(), true
		}
	}
	return time.Time{}, false
}

// universal reads UTC or GMT, perhaps with an offset after it: its seconds, and
// the length.
func universal(s []byte) (seconds, n int) {
	if !prefixFold(s, "utc") && !prefixFold(s, "gmt") {
		return 0, 0
	}
	if len(s) == 3 || !isLetter(s[3]) && s[3] != '+' && s[3] != '-' {
		return 0, 3
	}
	if seconds, n = readOffset(s[3:]); n > 0 {
		n += 3
	}
	return seconds, n
}

// fromUnix is the date of so many seconds since 1970, in UTC.
func fromUnix(seconds int) date {
	t := time.Unix(int64(seconds), 0).UTC()
	return date{t.Year(), int(t.Month()), t.Day(), t.Hour(), t.Minute(), t.Second(), 0}
}

// number reads at most so many digits, from i to next.
func number(s []byte, i, digits int) (n, next int) {
	for ; i < len(s) && digits > 0 && isDigit(s[i]); i++ {
		n = n*10 + int(s[i]-'0')
		digits--
	}
	return n, i
}

// padded is a number that is filled up with spaces.
func padded(s []byte, i, digits int) (n, next int) {
	from := i
	for from < len(s) && s[from] == ' ' && from-i < digits-1 {
		from++
	}
	if n, next = number(s, from, digits); next == from {
		return 0, i
	}
	return n, next
}
