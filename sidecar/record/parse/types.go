package parse

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// valueType is what a field is made.
type valueType uint8

const (
	asString valueType = iota
	asInteger
	asFloat
	asBool
)

var typeNames = map[string]valueType{"string": asString, "integer": asInteger, "float": asFloat, "bool": asBool}

// newTypes reads KEY:TYPE,KEY:TYPE; its error is a reason, to be put after the value.
func newTypes(s string) (map[string]valueType, error) {
	if s == "" {
		return nil, nil
	}
	types := map[string]valueType{}
	for part := range strings.SplitSeq(s, ",") {
		part = strings.TrimSpace(part)
		i := strings.LastIndexByte(part, ':')
		if i <= 0 {
			return nil, fmt.Errorf("%q is no KEY:TYPE, such as status:integer", part)
		}
		t, ok := typeNames[part[i+1:]]
		if !ok {
			return nil, fmt.Errorf("%q is no type: use string, integer, float or bool", part[i+1:])
		}
		if _, twice := types[part[:i]]; twice {
			return nil, errors.New(part[:i] + " comes twice")
		}
		types[part[:i]] = t
	}
	return types, nil
}

// fieldType is what a field with this key is made.
type fieldType struct {
	key string
	to  valueType
}

func (r *Rules) typeOf(key []byte) (valueType, bool) {
	for i := range r.types { // there are few
		if t := &r.types[i]; len(t.key) == len(key) && t.key == string(key) {
			return t.to, true
		}
	}
	return 0, false
}

// convert gives fields their types. What cannot have its type is left out;
// false: there was such a one.
func (r *Rules) convert(out *Reading) bool {
	ok := true
	left := out.Fields[:0]
	for _, f := range out.Fields {
		t, typed := r.typeOf(f.Key)
		if !typed {
			left = append(left, f)
			continue
		}
		switch converted, fits := out.as(f, t); {
		case fits:
			left = append(left, converted)
		case len(converted.Value) == 0 || string(converted.Value) == "-": // logs write none so
		default:
			ok = false
		}
	}
	out.Fields = left
	return ok
}

// as is the field as another type; false: it cannot be.
func (out *Reading) as(f Field, t valueType) (Field, bool) {
	switch {
	case f.Kind == Null:
		return f, true
	case t == asString:
		if f.Kind != Quoted {
			f.Kind = String
		}
		return f, true
	case f.Kind == JSON:
		return f, false
	case f.Kind == Quoted:
		f.Value, f.Kind = out.store.unquote(f.Value[1:len(f.Value)-1]), String
	}
	from := len(out.store)
	switch t {
	case asInteger:
		n, err := strconv.ParseInt(string(f.Value), 10, 64)
		if err != nil {
			return f, false
		}
		out.store = strconv.AppendInt(out.store, n, 10)
	case asFloat:
		if end, fits := scanNumber(f.Value, 0); end == len(f.Value) && fits {
			f.Kind = Number
			return f, true
		}
		n, ok := float(f.Value)
		if !ok || n-n != 0 { // what is not finite
			return f, false
		}
		out.store = strconv.AppendFloat(out.store, n, 'g', -1, 64)
	case asBool:
		switch strings.ToLower(string(f.Value)) {
		case "true", "yes", "on", "1":
			f.Value = word1
		case "false", "no", "off", "0":
			f.Value = word0
		default:
			return f, false
		}
		f.Kind = Bool
		return f, true
	}
	f.Value, f.Kind = out.store.since(from), Number
	return f, true
}

var word1, word0 = []byte("true"), []byte("false")
