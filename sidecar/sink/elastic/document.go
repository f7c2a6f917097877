package elastic

import (
	"encoding/base64"
	"encoding/binary"
	"hash/crc32"
	"hash/fnv"
	"strconv"
	"time"

	"logging.taco/sidecar/follow"
	"logging.taco/sidecar/record/jsontext"
	"logging.taco/sidecar/record/parse"
)

// A document is what the node agent would have made of the line, and where the
// line comes from:
//
//	{"@timestamp":…,"log":…,"stream":"file","time":…,"log_file":{"path":…,"offset":…},"kubernetes":{…}}
//
// Its id is the generation (a hash of identity, device, inode, birth time and
// epoch), the offset, and a checksum of the text. The first two name a record
// for as long as the checkpoint lives. Where it is lost, epochs begin again at
// zero: the checksum then keeps a record from being taken for another one that
// stood at the same offset before a truncation.

// constants are what all documents of a source end with.
type constants struct {
	tail []byte // ,"kubernetes":{…}
}

// encoder appends the records of one range to bulks.
type encoder struct {
	sink  *Sink
	rules *parse.Rules
	now   time.Time
	index string // of records without a time and fields of their own

	container string

	action []byte // {"create":{"_id":"GENERATION-
	middle []byte // ,"log_file":{"path":…,"offset":
	stamp  []byte // {"@timestamp":…,"log":
	time   []byte // ,"stream":"file","time":…
	tail   []byte

	ownStamp, ownTime []byte // the same of a record with a time of its own
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// encoder makes the parts that all records of r have in common. The slices it
// had for the range before are used again.
func (s *Sink) encoder(r *follow.Range) *encoder {
	e := &s.enc
	e.sink, e.rules, e.now = s, s.opt.Sources[r.Source].Rules, s.opt.Now().UTC()
	e.action = append(e.action[:0], `{"create":{`...)
	if s.opt.Output.IDs {
		e.action = append(e.action, `"_id":"`...)
		e.action = appendGeneration(e.action, s.opt.Identity, r)
	}
	e.stamp, e.time = appendStamps(e.stamp[:0], e.time[:0], e.now)
	e.middle = append(e.middle[:0], `,"log_file":{"path":`...)
	e.middle = jsontext.AppendString(e.middle, []byte(r.Path))
	e.middle = append(e.middle, `,"offset":`...)
	e.tail, e.container = s.same[r.Source].tail, s.opt.Sources[r.Source].Container
	e.index = ""
	if !s.index.fields {
		e.index = s.index.of(e.now, nil)
	}
	return e
}

// appendStamps writes t, which is in UTC, with its milliseconds and in full. Both by
// layouts that package time is quick in: records may have times of their own.
func appendStamps(stamp, at []byte, t time.Time) ([]byte, []byte) {
	stamp = append(stamp, `{"@timestamp":"`...)
	stamp = t.AppendFormat(stamp, time.RFC3339)
	millis := t.Nanosecond() / 1_000_000
	stamp = append(stamp[:len(stamp)-len("Z")], '.', '0'+byte(millis/100), '0'+byte(millis/10%10), '0'+byte(millis%10))
	stamp = append(stamp, `Z","log":`...)
	at = append(at, `,"stream":"file","time":"`...)
	at = t.AppendFormat(at, time.RFC3339Nano)
	return stamp, append(at, '"')
}

// appendGeneration writes 15 characters that name the generation, and a dash.
func appendGeneration(out []byte, identity string, r *follow.Range) []byte {
	at := r.Position()
	h := fnv.New128a()
	h.Write([]byte(identity))
	var b [37]byte
	binary.BigEndian.PutUint64(b[1:], at.Dev)
	binary.BigEndian.PutUint64(b[9:], at.Ino)
	binary.BigEndian.PutUint64(b[17:], uint64(at.Birth))
	binary.BigEndian.PutUint32(b[25:], at.Epoch)
	h.Write(b[:])
	if at.Birth == 0 {
		h.Write([]byte(r.Path)) // the inode's number alone may be used again
	}
	var sum [16]byte
	h.Sum(sum[:0])
	var text [22]byte
	base64.RawURLEncoding.Encode(text[:], sum[:])
	out = append(out, text[:15]...)
	return append(out, '-')
}

// append appends the action and document of a record, or of a part of one that
// is split, and perhaps goes on. False: the rules dropped it.
func (e *encoder) append(b *bulk, text []byte, offset int64, split, goesOn bool) bool {
	if n := len(text); n > 0 && text[n-1] == '\r' && !goesOn {
		text = text[:n-1]
	}
	stamp, at, index := e.stamp, e.time, e.index
	var reading *parse.Reading
	if e.rules != nil {
		reading = &e.sink.reading
		if split {
			e.rules.ReadPart(text, reading)
		} else {
			e.rules.Read(text, reading)
		}
		if reading.Dropped {
			return false
		}
		text = reading.Text
		when := e.now
		if reading.HasTime {
			when = reading.Time.UTC()
			stamp, at = appendStamps(e.ownStamp[:0], e.ownTime[:0], when)
			e.ownStamp, e.ownTime = stamp, at
		}
		if e.sink.index.fields || reading.HasTime {
			index = e.sink.index.of(when, func(name string) string { return e.field(name, reading) })
		}
	} else if e.sink.index.fields {
		index = e.sink.index.of(e.now, func(name string) string { return e.field(name, nil) })
	}

	from := len(b.body)
	b.body = append(b.body, e.action...)
	if e.sink.opt.Output.IDs {
		b.body = appendOffset(b.body, offset)
		b.body = appendChecksum(b.body, text)
		b.body = append(b.body, '"')
	}
	if len(b.items) == 0 {
		b.index = index
	} else if index != b.index {
		if e.sink.opt.Output.IDs {
			b.body = append(b.body, ',')
		}
		b.body = append(b.body, `"_index":"`...)
		b.body = append(b.body, index...)
		b.body = append(b.body, '"')
	}
	b.body = append(b.body, "}}\n"...)
	document := len(b.body)
	b.body = append(b.body, stamp...)
	b.body = jsontext.AppendString(b.body, text)
	b.body = append(b.body, at...)
	b.body = append(b.body, e.middle...)
	b.body = strconv.AppendInt(b.body, offset, 10)
	b.body = append(b.body, '}')
	if split {
		b.body = append(b.body, `,"split":true`...)
	}
	fields := len(b.body)
	if reading != nil {
		b.body = reading.AppendParsed(b.body)
	}
	fieldsEnd := len(b.body)
	if reading != nil {
		b.body = reading.AppendRest(b.body)
	}
	b.body = append(b.body, e.tail...)
	b.body = append(b.body, "}\n"...)
	b.items = append(b.items, item{index: index, start: from, document: document, end: len(b.body), fields: fields, fieldsEnd: fieldsEnd})
	return true
}

// field is the text of a field, for the index's name.
func (e *encoder) field(name string, reading *parse.Reading) string {
	if reading != nil {
		if text, found := reading.AppendText(nil, name); found {
			return string(text)
		}
	}
	pod := e.sink.opt.Pod
	switch name {
	case "kubernetes.namespace_name":
		return pod.Namespace()
	case "kubernetes.pod_name":
		return pod.Name()
	case "kubernetes.host":
		return pod.Node()
	case "kubernetes.container_name":
		return e.container
	}
	return ""
}

// appendOffset writes 10 hexadecimal digits or more: ids of one file sort by offset.
func appendOffset(out []byte, n int64) []byte {
	const digits = "0123456789abcdef"
	for shift := 36; shift >= 0; shift -= 4 {
		if shift == 36 && n>>40 != 0 {
			out = strconv.AppendInt(out, n>>40, 16)
		}
		out = append(out, digits[n>>shift&15])
	}
	return out
}

// appendChecksum writes a dash and the text's CRC-32C.
func appendChecksum(out, text []byte) []byte {
	var sum [4]byte
	binary.BigEndian.PutUint32(sum[:], crc32.Checksum(text, castagnoli))
	var b [6]byte
	base64.RawURLEncoding.Encode(b[:], sum[:])
	out = append(out, '-')
	return append(out, b[:]...)
}
