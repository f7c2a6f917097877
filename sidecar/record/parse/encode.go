package parse

import (
	"slices"

	"logging.taco/sidecar/record/jsontext"
)

// AppendJSON appends what was read as members of an object that has members
// already: ,"key":value for each field, then ,"parse_error":true and
// ,"time_error":true where they are so. Text and time are the caller's.
func (out *Reading) AppendJSON(b []byte) []byte {
	return out.AppendRest(out.AppendParsed(b))
}

// AppendParsed appends the first part of what AppendJSON does: the fields that were parsed.
func (out *Reading) AppendParsed(b []byte) []byte { return appendFields(b, out.Fields[:out.parsed]) }

// AppendRest appends the second part: the constant fields, and what was wrong.
func (out *Reading) AppendRest(b []byte) []byte {
	b = appendFields(b, out.Fields[out.parsed:])
	if out.ParseError {
		b = append(b, `,"parse_error":true`...)
	}
	if out.TimeError {
		b = append(b, `,"time_error":true`...)
	}
	return b
}

func appendFields(b []byte, fields []Field) []byte {
	for i := range fields {
		f := &fields[i]
		if n := len(f.Key) + len(`,"":`); f.plain {
			b = slices.Grow(b, n+len(f.Value))
			b = b[:len(b)+n]
			key := b[len(b)-n:]
			key[0], key[1], key[n-2], key[n-1] = ',', '"', '"', ':'
			copy(key[2:], f.Key)
		} else {
			b = append(jsontext.AppendString(append(b, ','), f.Key), ':')
		}
		if f.Kind == String {
			b = jsontext.AppendString(b, f.Value)
		} else {
			b = append(b, f.Value...)
		}
	}
	return b
}

// AppendText appends what the field with this key says, without quotes and
// escapes. False: there is no such field.
func (out *Reading) AppendText(b []byte, key string) ([]byte, bool) {
	for i := range out.Fields {
		f := &out.Fields[i]
		if string(f.Key) != key {
			continue
		}
		if f.Kind == Quoted {
			var s store
			return append(b, s.unquote(f.Value[1:len(f.Value)-1])...), true
		}
		return append(b, f.Value...), true
	}
	return b, false
}
