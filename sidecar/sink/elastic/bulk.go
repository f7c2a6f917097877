package elastic

import (
	"bytes"

	"github.com/klauspost/compress/gzip"
)

// item is one record of a bulk: its action and document are body[start:end].
type item struct {
	index    string
	start    int
	document int // where the document begins
	end      int
	tries    int // that ended in an error which may be the document's fault

	fields, fieldsEnd int // of what was parsed, in the document; alike: nothing
}

// bulk is a request's body while it is made, and until each of its items has
// its final outcome.
type bulk struct {
	sink  *Sink
	index string // of the first item; the action of an item of another index names it
	body  []byte
	items []item

	packed bytes.Buffer // body, compressed
	gzip   *gzip.Writer
	answer []byte

	version int // of the credentials that the last request had
	fates   []fate
}

// flush sends what is in the bulk, until less than keep bytes are left.
func (b *bulk) flush(keep int) {
	for len(b.items) > 0 && len(b.body) >= keep {
		n := b.fitting(b.sink.pace.size())
		b.judge(n, b.request(n))
	}
}

// fitting is how many items, one at least, make a request of at most so many bytes.
func (b *bulk) fitting(size int) int {
	if size >= b.sink.full {
		size += slack // the record by which it came to be full
	}
	n := 1
	for n < len(b.items) && b.items[n].end-b.items[0].start <= size {
		n++
	}
	return n
}

// load returns the request's body of the first n items, which are contiguous.
func (b *bulk) load(n int, compress bool) ([]byte, error) {
	plain := b.body[b.items[0].start:b.items[n-1].end]
	if !compress {
		return plain, nil
	}
	b.packed.Reset()
	if b.gzip == nil {
		var err error
		if b.gzip, err = gzip.NewWriterLevel(&b.packed, gzip.BestSpeed); err != nil {
			return nil, err
		}
	} else {
		b.gzip.Reset(&b.packed)
	}
	if _, err := b.gzip.Write(plain); err != nil {
		return nil, err
	}
	if err := b.gzip.Close(); err != nil {
		return nil, err
	}
	return b.packed.Bytes(), nil
}

// leaveOut takes what was parsed out of the document; false: that is nothing. The
// text has it still.
func (b *bulk) leaveOut(it *item) bool {
	if it.fields == it.fieldsEnd {
		return false
	}
	for i := it.fields; i < it.fieldsEnd; i++ {
		b.body[i] = ' ' // which JSON takes between any two tokens, so that nothing has to move
	}
	it.fieldsEnd, it.tries = it.fields, 0
	return true
}

// keep drops all of the first n items but those that again names, and closes
// the gaps. An item that comes to be the first must not rely on the index of
// another: the bulk's own stays as it is.
func (b *bulk) keep(n int, again func(i int) bool) {
	kept, to := 0, 0
	for i := range b.items {
		it := b.items[i]
		if i < n && !again(i) {
			continue
		}
		copy(b.body[to:], b.body[it.start:it.end])
		it.document += to - it.start
		it.fields += to - it.start
		it.fieldsEnd += to - it.start
		it.end += to - it.start
		it.start = to
		to = it.end
		b.items[kept] = it
		kept++
	}
	b.items, b.body = b.items[:kept], b.body[:to]
}
