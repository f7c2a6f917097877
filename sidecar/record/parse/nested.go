package parse

import (
	"bytes"
	"unicode/utf8"

	"logging.taco/sidecar/record/jsontext"
)

// nested reads an object or an array inside a record. It stays as it stands,
// unless it has something that Elasticsearch refuses or that breaks a line: then
// it is written anew.
type nested struct {
	out   store // what is written anew
	write bool
	fault bool // something has to be changed

	members []member // of the objects that are open
	keys    store    // decoded ones
}

// member is one of an object.
type member struct {
	key []byte
	at  int // where it begins in out
}

// read is the value at i, so many keys deep, and where it ends, negative if it is none.
func (n *nested) read(s []byte, i, depth int) (value []byte, end int) {
	n.write, n.fault = false, false
	n.members, n.keys = n.members[:0], n.keys[:0]
	if end = n.value(s, i, depth); end < 0 || !n.fault {
		return s[i:max(end, i)], end
	}
	from := len(n.out)
	n.write = true
	n.members = n.members[:0]
	n.value(s, i, depth)
	return n.out.since(from), end
}

// put writes, in the second walk.
func (n *nested) put(b ...byte) {
	if n.write {
		n.out = append(n.out, b...)
	}
}

func (n *nested) value(s []byte, i, depth int) (end int) {
	if i == len(s) {
		return -1
	}
	switch s[i] {
	case '{':
		return n.object(s, i, depth)
	case '[':
		return n.array(s, i, depth)
	case '"':
		end, form := scanString(s, i)
		if end < 0 {
			return -1
		}
		if form&wide != 0 && !utf8.Valid(s[i:end]) {
			n.fault = true
			if n.write {
				n.out = jsontext.AppendString(n.out, n.keys.text(s[i+1:end-1], form))
			}
			return end
		}
		n.put(s[i:end]...)
		return end
	case 't', 'f', 'n':
		w := word(s[i:])
		if w == 0 {
			return -1
		}
		n.put(s[i : i+w]...)
		return i + w
	}
	end, fits := scanNumber(s, i)
	if end < 0 {
		return -1
	}
	if fits {
		n.put(s[i:end]...)
	} else {
		n.fault = true
		n.put('"')
		n.put(s[i:end]...)
		n.put('"')
	}
	return end
}

func (n *nested) array(s []byte, i, depth int) int {
	if depth >= maxDepth {
		return -1
	}
	n.put('[')
	if i = n.skip(s, i+1); i < len(s) && s[i] == ']' {
		n.put(']')
		return i + 1
	}
	for {
		if i = n.value(s, i, depth+1); i < 0 {
			return -1
		}
		if i = n.skip(s, i); i == len(s) || s[i] != ',' && s[i] != ']' {
			return -1
		}
		n.put(s[i])
		if s[i] == ']' {
			return i + 1
		}
		i = n.skip(s, i+1)
	}
}

func (n *nested) object(s []byte, i, depth int) int {
	if depth >= maxDepth {
		return -1
	}
	n.put('{')
	first := len(n.members)
	if i = n.skip(s, i+1); i < len(s) && s[i] == '}' {
		n.put('}')
		return i + 1
	}
	for {
		var key []byte
		var dots int
		if key, dots, i = n.key(s, i, first); i < 0 || depth+1+dots > maxDepth {
			return -1
		}
		n.members = append(n.members, member{key, len(n.out)})
		if n.write {
			n.out = append(jsontext.AppendString(n.out, key), ':')
		}
		if i = n.value(s, i, depth+1+dots); i < 0 {
			return -1
		}
		if i = n.skip(s, i); i == len(s) || s[i] != ',' && s[i] != '}' {
			return -1
		}
		if s[i] == '}' {
			n.put('}')
			n.members = n.members[:first]
			return i + 1
		}
		n.put(',')
		i = n.skip(s, i+1)
	}
}

// key reads a member's key and its colon: the key as it can be stored, the dots
// in it, and where the value begins. An earlier member of that key goes.
func (n *nested) key(s []byte, i, first int) (key []byte, dots, next int) {
	end, form := scanString(s, i)
	if end < 0 || len(n.members)-first >= maxFields || end-i > maxKey {
		return nil, 0, -1
	}
	key = n.keys.text(s[i+1:end-1], form)
	if form&wide != 0 && !utf8.Valid(s[i:end]) {
		n.fault = true
	}
	if dots = countDots(key); mayBeBlank(key, dots) && blankPart(key) {
		n.fault = true
		key, dots = n.keys.undotted(key), 0
	}
	for j := first; j < len(n.members); j++ {
		if bytes.Equal(n.members[j].key, key) {
			n.fault = true
			n.remove(j)
			break
		}
	}
	if i = n.skip(s, end); i == len(s) || s[i] != ':' {
		return nil, 0, -1
	}
	if i = n.skip(s, i+1); i == len(s) {
		return nil, 0, -1
	}
	return key, dots, i
}

// remove takes out a member, which others follow; all that is written of it
// ends with a comma.
func (n *nested) remove(j int) {
	end := len(n.out)
	if j+1 < len(n.members) {
		end = n.members[j+1].at
	}
	cut := end - n.members[j].at
	n.out = append(n.out[:n.members[j].at], n.out[end:]...)
	n.members = append(n.members[:j], n.members[j+1:]...)
	for k := j; k < len(n.members); k++ {
		n.members[k].at -= cut
	}
}

// skip is where white space ends; a newline in it would end the line that the
// document is.
func (n *nested) skip(s []byte, i int) int {
	for ; i < len(s); i++ {
		switch s[i] {
		case '\n', '\r':
			n.fault = true
		case ' ', '\t':
		default:
			return i
		}
	}
	return i
}
