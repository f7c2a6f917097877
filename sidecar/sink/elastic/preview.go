package elastic

import "logging.taco/sidecar/follow"

// Preview returns what would be sent for a range, the action and the document
// of each record in turn, and sends nothing. The index is named in each action.
func (s *Sink) Preview(r *follow.Range) []byte {
	if !s.load(r) {
		return nil
	}
	b := &bulk{sink: s}
	// No item of the bulk is in this index, so that each says its own.
	b.items = append(b.items, item{})
	src := &s.opt.Sources[r.Source]
	e := s.encoder(r)
	src.Framing.Each(s.in, r.Offset, func(text []byte, index int, _, _ bool) {
		e.append(b, text, r.Offset+int64(index), false, false)
	})
	return b.body
}
