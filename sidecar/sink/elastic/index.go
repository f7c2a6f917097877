package elastic

import (
	"fmt"
	"strings"
	"time"
)

// indexPattern makes index names: strftime of a record's time in UTC, and
// {field} for the value of one of its fields.
type indexPattern struct {
	parts  []part
	dated  bool
	fields bool

	// The last name of a pattern without fields, and how long it holds.
	name       string
	from, till time.Time
}

// part is text, a Go time layout, or a field's name.
type part struct {
	text, layout, field string
	week                byte // V or G: ISO 8601's week or its year
}

var layouts = map[byte]string{'Y': "2006", 'y': "06", 'm': "01", 'd': "02", 'H': "15", 'j': "002"}

// parseIndex reads a pattern that config has checked.
func parseIndex(pattern string) (*indexPattern, error) {
	p := &indexPattern{}
	for rest := pattern; rest != ""; {
		switch rest[0] {
		case '%':
			if len(rest) < 2 {
				return nil, fmt.Errorf("index %q: a letter is missing after %%", pattern)
			}
			p.dated = true
			switch c := rest[1]; {
			case layouts[c] != "":
				p.parts = append(p.parts, part{layout: layouts[c]})
			case c == 'V' || c == 'G' || c == 'U':
				p.parts = append(p.parts, part{week: c})
			default:
				return nil, fmt.Errorf("index %q: %%%c is not known", pattern, c)
			}
			rest = rest[2:]
		case '{':
			name, after, found := strings.Cut(rest[1:], "}")
			if !found {
				return nil, fmt.Errorf("index %q: a } is missing", pattern)
			}
			p.fields = true
			p.parts = append(p.parts, part{field: name})
			rest = after
		default:
			n := strings.IndexAny(rest, "%{")
			if n < 0 {
				n = len(rest)
			}
			p.parts = append(p.parts, part{text: rest[:n]})
			rest = rest[n:]
		}
	}
	return p, nil
}

// of names the index of a record. lookup gives a field's value, or nothing.
func (p *indexPattern) of(at time.Time, lookup func(field string) string) string {
	at = at.UTC()
	if !p.fields && p.name != "" && (!p.dated || !at.Before(p.from) && at.Before(p.till)) {
		return p.name
	}
	name := p.render(at, lookup)
	if !p.fields {
		// The finest unit is an hour.
		p.name, p.from = name, at.Truncate(time.Hour)
		p.till = p.from.Add(time.Hour)
	}
	return name
}

func (p *indexPattern) render(at time.Time, lookup func(field string) string) string {
	var b []byte
	for _, part := range p.parts {
		switch {
		case part.layout != "":
			b = at.AppendFormat(b, part.layout)
		case part.week != 0:
			year, week := at.ISOWeek()
			switch part.week {
			case 'G':
				b = fmt.Appendf(b, "%04d", year)
			case 'V':
				b = fmt.Appendf(b, "%02d", week)
			case 'U': // weeks begin on Sunday, as strftime has it
				b = fmt.Appendf(b, "%02d", (at.YearDay()+6-int(at.Weekday()))/7)
			}
		case part.field != "":
			b = appendIndexPart(b, lookup(part.field))
		default:
			b = append(b, part.text...)
		}
	}
	return string(b)
}

// appendIndexPart makes any value part of an index name: lower case, and _
// for what a name cannot hold. Nothing becomes "none".
func appendIndexPart(b []byte, value string) []byte {
	const most = 100
	if value == "" {
		return append(b, "none"...)
	}
	for i := 0; i < len(value) && i < most; i++ {
		switch c := value[i]; {
		case 'A' <= c && c <= 'Z':
			b = append(b, c+'a'-'A')
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9', c == '-' && len(b) > 0, c == '.' && len(b) > 0, c == '_' && len(b) > 0:
			b = append(b, c)
		default:
			if len(b) > 0 {
				b = append(b, '_')
			}
		}
	}
	return b
}

// wildcard is the pattern that matches all names, for the template.
func (p *indexPattern) wildcard() string {
	var b strings.Builder
	star := false
	for _, part := range p.parts {
		if part.text == "" || star && part.text == "." {
			if !star {
				b.WriteByte('*')
			}
			star = true
			continue
		}
		b.WriteString(part.text)
		star = false
	}
	return b.String()
}
