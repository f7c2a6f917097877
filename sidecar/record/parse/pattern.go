package parse

import (
	"errors"
	"fmt"
	"regexp"
)

// pattern is the format regexp: its named groups are fields.
type pattern struct {
	expression *regexp.Regexp
	groups     []group
}

type group struct {
	index int
	key   []byte
}

// newPattern's error is a reason, to be put after the value.
func newPattern(s string) (*pattern, error) {
	e, err := regexp.Compile(s)
	if err != nil {
		return nil, fmt.Errorf("not a regular expression (RE2): %w", err)
	}
	p := &pattern{expression: e}
	for i, name := range e.SubexpNames() {
		if name != "" {
			p.groups = append(p.groups, group{i, []byte(name)})
		}
	}
	if len(p.groups) == 0 {
		return nil, errors.New("it has no named group such as (?P<level>[A-Z]+), so there would be no fields")
	}
	return p, nil
}

// readPattern reads what matches the expression, anywhere in the text.
func readPattern(r *Rules, s []byte, out *Reading) bool {
	at := r.pattern.expression.FindSubmatchIndex(s)
	if at == nil {
		return false
	}
	for _, g := range r.pattern.groups {
		if from, to := at[2*g.index], at[2*g.index+1]; from >= 0 && !r.field(out, g.key, s[from:to], String, false) {
			return false
		}
	}
	return true
}
