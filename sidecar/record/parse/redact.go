package parse

import "errors"

// redacted stands in place of what must not leave.
const redacted = "[redacted]"

// redaction takes out what an expression matches or, where the expression has
// named groups, what these have matched. Unnamed groups mean nothing: (a|b)-key
// is redacted as a whole.
type redaction struct {
	matcher
	groups []int
}

func newRedactions(expressions []string) ([]redaction, error) {
	var all []redaction
	for _, s := range expressions {
		m, err := newMatcher(s)
		if err == nil && m.expression.MatchString("") {
			err = errors.New("it matches the empty text, and so between any two characters")
		}
		if err != nil {
			return nil, &OptionError{"redact", s, err.Error()}
		}
		r := redaction{matcher: m}
		for i, name := range m.expression.SubexpNames() {
			if name != "" {
				r.groups = append(r.groups, i)
			}
		}
		all = append(all, r)
	}
	return all, nil
}

// redact is text without what was taken out of it, if anything was.
func (out *Reading) redact(all []redaction, text []byte) (clean []byte, any bool) {
	turn := 0
	for i := range all {
		r := &all[i]
		if !r.match(text) {
			continue
		}
		// The two buffers take turns: one is read, the other is written.
		to := &out.clean[turn]
		*to = (*to)[:0]
		at := 0
		cut := func(from, end int) {
			if from < at || end <= from {
				return // of a group in a group; or empty
			}
			*to = append(append(*to, text[at:from]...), redacted...)
			at = end
		}
		for _, m := range r.expression.FindAllSubmatchIndex(text, -1) {
			before := at
			for _, g := range r.groups {
				if m[2*g] >= 0 {
					cut(m[2*g], m[2*g+1])
				}
			}
			if at == before { // no group, or none has matched
				cut(m[0], m[1])
			}
		}
		if at > 0 {
			*to = append(*to, text[at:]...)
			text, any, turn = *to, true, 1-turn
		}
	}
	return text, any
}
