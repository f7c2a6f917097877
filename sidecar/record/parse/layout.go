package parse

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// layout reads times that are written by a strptime format or a Go layout.
type layout struct {
	ops  []op
	year bool // the year is written; else it is the latest that is not ahead of now
	zone *time.Location
	now  func() time.Time
}

// op is a step: a directive's letter, or literal.
type op struct {
	do   byte
	char byte // of literal
}

const (
	literal       = 0
	space         = ' ' // one or more blanks
	maybeFraction = '?' // Go reads a fraction after the seconds, also where none is in the layout
	goFraction    = '.' // a fraction with its point or comma; char is 9 where it may be absent
)

// compile reads a strptime format or, where it holds 2006, a Go layout. Its
// error is a reason, to be put after the value.
func compile(s string) (*layout, error) {
	var ops []op
	var err error
	switch {
	case strings.Contains(s, "2006") || strings.Contains(s, "15:04"):
		ops = goLayout(s)
	case strings.Contains(s, "%"):
		ops, err = strptime(s)
	default:
		err = errors.New("use rfc3339, apache, epoch, epoch_ms, epoch_us, epoch_ns, a strptime format such as %Y-%m-%d %H:%M:%S, or a Go layout such as 2006-01-02 15:04:05")
	}
	if err != nil {
		return nil, err
	}
	has := map[byte]bool{}
	for _, o := range ops {
		if has[o.do] && o.do != literal && o.do != space && o.do != 'a' {
			return nil, fmt.Errorf("%%%c comes twice", o.do)
		}
		has[o.do] = true
	}
	switch {
	case has['s']:
	case !has['j'] && !(has['m'] || has['b']):
		return nil, errors.New("it has no month, so the day would be guessed")
	case !has['j'] && !has['d']:
		return nil, errors.New("it has no day of the month, which would be guessed")
	case has['j'] && !has['Y'] && !has['y']:
		return nil, errors.New("a day of the year needs the year")
	case has['I'] && !has['p']:
		return nil, errors.New("hours up to 12 need AM or PM")
	}
	return &layout{ops: ops, year: has['Y'] || has['y'] || has['s']}, nil
}

// shorthands are directives that stand for several.
var shorthands = map[byte]string{'T': "%H:%M:%S", 'D': "%m/%d/%y", 'F': "%Y-%m-%d", 'R': "%H:%M", 'c': "%a %b %d %H:%M:%S %Y"}

// same are directives that read alike.
var same = map[byte]byte{'e': 'd', 'B': 'b', 'h': 'b', 'k': 'H', 'l': 'I', 'A': 'a', 'P': 'p', 'N': 'L', 'f': 'L', 'n': space, 't': space}

func strptime(s string) ([]op, error) {
	var ops []op
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c == ' ' || c == '\t' {
			if len(ops) == 0 || ops[len(ops)-1].do != space {
				ops = append(ops, op{do: space})
			}
			continue
		}
		if c != '%' {
			ops = append(ops, op{char: c})
			continue
		}
		from := i
		for i++; i < len(s) && strings.IndexByte("-_0^#:369", s[i]) >= 0; i++ {
			// What these say of padding and digits is read in any case.
		}
		if i == len(s) {
			return nil, errors.New("a % ends it; write %% for the sign itself")
		}
		c = s[i]
		if long := shorthands[c]; long != "" {
			more, err := strptime(long)
			if err != nil {
				return nil, err
			}
			ops = append(ops, more...)
			continue
		}
		if other := same[c]; other != 0 {
			c = other
		}
		switch c {
		case '%':
			ops = append(ops, op{char: '%'})
		case 'Y', 'y', 'm', 'd', 'b', 'H', 'I', 'M', 'S', 'p', 'j', 'a', 'z', 'Z', 's', 'L', space:
			ops = append(ops, op{do: c})
		default:
			return nil, fmt.Errorf("%s is not known here; there are %%Y %%y %%m %%d %%e %%b %%B %%a %%A %%j %%H %%I %%p %%M %%S %%L %%N %%f %%z %%Z %%s %%T %%D %%F %%R", s[from:i+1])
		}
	}
	return ops, nil
}

// goElements are what stands for a part of the time in a Go layout. The longer
// of two that begin alike comes first.
var goElements = []struct {
	text string
	do   byte
}{
	{"2006", 'Y'}, {"January", 'b'}, {"Jan", 'b'}, {"Monday", 'a'}, {"Mon", 'a'}, {"MST", 'Z'},
	{"002", 'j'}, {"__2", 'j'}, {"01", 'm'}, {"02", 'd'}, {"03", 'I'}, {"04", 'M'}, {"05", 'S'}, {"06", 'y'},
	{"_2", 'd'}, {"15", 'H'}, {"PM", 'p'}, {"pm", 'p'},
	{"-07:00", 'z'}, {"-0700", 'z'}, {"-07", 'z'}, {"Z07:00", 'z'}, {"Z0700", 'z'}, {"Z07", 'z'},
	{"1", 'm'}, {"2", 'd'}, {"3", 'I'}, {"4", 'M'}, {"5", 'S'}, {" ", space},
}

func goLayout(s string) []op {
	var ops []op
next:
	for len(s) > 0 {
		if n := goFractionLen(s); n > 0 {
			if last := len(ops) - 1; last >= 0 && ops[last].do == maybeFraction {
				ops = ops[:last]
			}
			ops, s = append(ops, op{goFraction, s[1]}), s[n:]
			continue
		}
		for _, e := range goElements {
			if !strings.HasPrefix(s, e.text) || e.text == "_2" && strings.HasPrefix(s, "_2006") {
				continue
			}
			ops, s = append(ops, op{do: e.do}), s[len(e.text):]
			if e.do == 'S' {
				ops = append(ops, op{do: maybeFraction})
			}
			continue next
		}
		ops, s = append(ops, op{char: s[0]}), s[1:]
	}
	return ops
}

// goFractionLen is the length of .000, ,000 or .999 at the start of a layout.
func goFractionLen(s string) int {
	if len(s) < 2 || s[0] != '.' && s[0] != ',' || s[1] != '0' && s[1] != '9' {
		return 0
	}
	n := 1
	for n < len(s) && s[n] == s[1] {
		n++
	}
	if n < len(s) && isDigit(s[n]) {
		return 0
	}
	return n
}
