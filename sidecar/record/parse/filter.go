package parse

import (
	"bytes"
	"fmt"
	"regexp"
	"regexp/syntax"
	"strings"
)

// matcher is a regular expression that is asked only where the text has what it
// needs: looking for a few bytes costs next to nothing.
type matcher struct {
	expression *regexp.Regexp
	needs      [][]byte // one of them is in every match; nil: nothing is known
	exact      bool     // and that is all
}

// newMatchers' error is of one of the expressions: the index of it, and a reason.
func newMatchers(key string, expressions []string) ([]matcher, error) {
	var all []matcher
	for _, s := range expressions {
		m, err := newMatcher(s)
		if err != nil {
			return nil, &OptionError{key, s, err.Error()}
		}
		all = append(all, m)
	}
	return all, nil
}

func newMatcher(s string) (matcher, error) {
	e, err := regexp.Compile(s)
	if err != nil {
		return matcher{}, fmt.Errorf("not a regular expression (RE2): %w", err)
	}
	m := matcher{expression: e}
	if tree, err := syntax.Parse(s, syntax.Perl); err == nil {
		for _, text := range needs(tree) {
			m.needs = append(m.needs, []byte(text))
		}
		m.exact = tree.Op == syntax.OpLiteral && m.needs != nil
	}
	return m, nil
}

func (m *matcher) match(text []byte) bool {
	if m.needs != nil {
		if !containsAny(text, m.needs) {
			return false
		}
		if m.exact {
			return true
		}
	}
	return m.expression.Match(text)
}

func containsAny(text []byte, some [][]byte) bool {
	for _, s := range some {
		if bytes.Contains(text, s) {
			return true
		}
	}
	return false
}

// matches tells whether one of them does.
func matches(all []matcher, text []byte) bool {
	for i := range all {
		if all[i].match(text) {
			return true
		}
	}
	return false
}

// mostNeeds bounds the alternatives that are looked for.
const mostNeeds = 8

// needs are texts of which one is in everything that the expression matches;
// nil: none are known.
func needs(e *syntax.Regexp) []string {
	switch e.Op {
	case syntax.OpLiteral:
		text := string(e.Rune)
		// U+FFFD matches any byte that is not UTF-8.
		if e.Flags&syntax.FoldCase != 0 || strings.ContainsRune(text, '\uFFFD') {
			return nil
		}
		return []string{text}
	case syntax.OpCapture, syntax.OpPlus:
		return needs(e.Sub[0])
	case syntax.OpRepeat:
		if e.Min > 0 {
			return needs(e.Sub[0])
		}
	case syntax.OpConcat:
		var best []string
		for _, sub := range e.Sub {
			if n := needs(sub); shortest(n) > shortest(best) {
				best = n
			}
		}
		return best
	case syntax.OpAlternate:
		var all []string
		for _, sub := range e.Sub {
			n := needs(sub)
			if n == nil || len(all)+len(n) > mostNeeds {
				return nil
			}
			all = append(all, n...)
		}
		return all
	}
	return nil
}

// shortest is the length of the shortest text: what is longer is rarer.
func shortest(texts []string) int {
	if len(texts) == 0 {
		return 0
	}
	n := len(texts[0])
	for _, s := range texts {
		n = min(n, len(s))
	}
	return n
}
