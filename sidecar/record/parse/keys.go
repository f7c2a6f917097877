package parse

import "bytes"

// Limits of what is parsed; a record beyond them is flagged.
const (
	maxFields = 512 // of one object
	maxKey    = 512 // bytes of a key
	maxDepth  = 20  // of objects in objects, as Elasticsearch has it by default
)

// prefix stands before a key that a document has itself: parsed_log.
const prefix = "parsed_"

// own tells whether documents have this key themselves, or Elasticsearch keeps
// it for its metadata.
func own(key []byte) bool {
	switch string(key) {
	case "@timestamp", "log", "stream", "time", "log_file", "kubernetes", "split", "parse_error", "time_error":
		return true
	case "_id", "_index", "_type", "_source", "_routing", "_ignored", "_field_names", "_version", "_seq_no",
		"_primary_term", "_doc_count", "_nested_path", "_tier", "_size", "_parent", "_uid", "_all", "_timestamp",
		"_ttl", "_feature", "_data_stream_timestamp", "_tsid", "_ts_routing_hash", "_ignored_source", "_inference_fields":
		return true
	}
	return false
}

// storable is the key under which a document can have a field:
//
//   - Elasticsearch reads a.b as b in an object a. A key with an empty part
//     (a..b, .a) is refused by it, and gets _ for its dots; an empty one is _.
//   - A key whose first part documents have themselves gets the prefix: log,
//     log.level and _id become parsed_log, parsed_log.level and parsed__id.
func (out *Reading) storable(key []byte, dots int) []byte {
	first := key
	if mayBeBlank(key, dots) {
		if blankPart(key) {
			key = out.store.undotted(key)
			dots = 0
		}
		out.dotted = out.dotted || dots > 0
		first, _, _ = bytes.Cut(key, dot)
	}
	if !own(first) {
		return key
	}
	from := len(out.store)
	out.store = append(append(out.store, prefix...), key...)
	return out.store.since(from)
}

var dot = []byte{'.'}

// countDots is for keys, which are short.
func countDots(key []byte) int {
	n := 0
	for _, c := range key {
		if c == '.' {
			n++
		}
	}
	return n
}

// mayBeBlank is a quick look: only where it says so blankPart has to be asked.
func mayBeBlank(key []byte, dots int) bool {
	return dots > 0 || len(key) == 0 || key[0] <= ' ' || key[0] >= 0x80
}

// blankPart tells whether a part between dots is empty, or all of white space.
func blankPart(key []byte) bool {
	for more := true; more; {
		var part []byte
		part, key, more = bytes.Cut(key, dot)
		if len(bytes.TrimSpace(part)) == 0 {
			return true
		}
	}
	return false
}

// field adds what a scanner has found, unless it is the time. plain: the key
// has nothing that JSON escapes, for sure. False: the record has more than can
// be stored.
func (r *Rules) field(out *Reading, key, value []byte, kind Kind, plain bool) bool {
	if k := r.timing.candidate(key); k >= 0 && (!out.HasTime || out.timeKey == k) {
		if r.timing.take(value, kind, out) {
			out.timeKey = k
			return true
		}
		out.HasTime = false
	}
	dots := countDots(key)
	if len(key) > maxKey || len(out.Fields) >= maxFields || dots >= maxDepth {
		return false
	}
	out.set(Field{out.storable(key, dots), value, kind, plain})
	return true
}

// set adds a field whose key is storable. Where the key is there already, the
// last value wins.
func (out *Reading) set(f Field) {
	k := f.Key
	bit := uint64(1) << ((len(k) + int(k[0])<<1 + int(k[len(k)-1])<<2 + int(k[len(k)/2])) & 63)
	if out.seen&bit != 0 {
		for i := range out.Fields {
			if bytes.Equal(out.Fields[i].Key, k) {
				out.Fields[i] = f
				return
			}
		}
	}
	out.seen |= bit
	out.Fields = append(out.Fields, f)
}

// undot takes the dots from keys that would be objects where the record has a
// value: a.b beside a becomes a_b.
func (out *Reading) undot() {
	fields := out.Fields
	for i := range fields {
		key := fields[i].Key
		for end := bytes.IndexByte(key, '.'); end >= 0; {
			for j := range fields {
				if fields[j].Kind != JSON && fields[j].Kind != Null && bytes.Equal(fields[j].Key, key[:end]) {
					fields[i].Key = out.store.undotted(key)
					break
				}
			}
			next := bytes.IndexByte(key[end+1:], '.')
			if next < 0 {
				break
			}
			end += 1 + next
		}
	}
	// What has another name now may have one that is there already.
	out.Fields, out.seen = fields[:0], 0
	for _, f := range fields {
		out.set(f)
	}
}
