package elastic

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
)

// outcome is the answer to one item.
type outcome struct {
	status int
	fault  *fault
}

// wanted is all of an answer that is read; see filter_path in request.go.
//
//	{"errors":true,"items":[{"create":{"status":201}},{"create":{"status":400,"error":{"type":…}}}]}
var (
	allWell  = []byte(`{"errors":false,"items":[`)
	oneWell  = []byte(`{"create":{"status":201}}`)
	lastWell = []byte(`]}`)
)

// readOutcomes reads the outcomes of n items, by their position, and calls fn
// for each that is not status 201. An answer that is no such JSON, or of another
// number of items, is an error: then nothing is known of any item.
func readOutcomes(answer []byte, n int, fn func(i int, o outcome)) error {
	if wellFor(answer, n) {
		return nil
	}
	// Twice: nothing of an answer counts until all of it is known to be good.
	if err := eachOutcome(answer, n, func(int, outcome) {}); err != nil {
		return err
	}
	return eachOutcome(answer, n, fn)
}

// eachOutcome decodes one item after the other: a bulk has thousands.
func eachOutcome(answer []byte, n int, fn func(i int, o outcome)) error {
	notOne := func(err error) error { return fmt.Errorf("the answer is no answer to a bulk: %w", err) }
	d := json.NewDecoder(bytes.NewReader(answer))
	if err := expect(d, json.Delim('{')); err != nil {
		return notOne(err)
	}
	count := -1
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return notOne(err)
		}
		if key != "items" {
			if err := d.Decode(new(json.RawMessage)); err != nil {
				return notOne(err)
			}
			continue
		}
		if err := expect(d, json.Delim('[')); err != nil {
			return notOne(err)
		}
		for count = 0; d.More(); count++ {
			var item map[string]struct {
				Status int             `json:"status"`
				Error  json.RawMessage `json:"error"`
			}
			if err := d.Decode(&item); err != nil {
				return notOne(err)
			}
			if len(item) != 1 {
				return fmt.Errorf("an item of the answer has %d results", len(item))
			}
			for _, r := range item {
				if r.Status < 100 || r.Status > 599 {
					return fmt.Errorf("an item of the answer has the status %d", r.Status)
				}
				if r.Status != 201 && count < n {
					fn(count, outcome{r.Status, readFault(r.Error)})
				}
			}
		}
		if err := expect(d, json.Delim(']')); err != nil {
			return notOne(err)
		}
	}
	if err := expect(d, json.Delim('}')); err != nil {
		return notOne(err)
	}
	if count != n {
		return fmt.Errorf("the answer has %d items for %d records", max(count, 0), n)
	}
	return nil
}

// expect reads a token.
func expect(d *json.Decoder, want json.Delim) error {
	got, err := d.Token()
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	if err == nil && got != want {
		return fmt.Errorf("%v stands where %v should be", got, want)
	}
	return err
}

// wellFor tells, without decoding it, whether the answer says of n items that
// each was stored.
func wellFor(answer []byte, n int) bool {
	rest, ok := bytes.CutPrefix(bytes.TrimSpace(answer), allWell)
	if !ok {
		return false
	}
	for i := range n {
		if i > 0 {
			if rest, ok = bytes.CutPrefix(rest, []byte{','}); !ok {
				return false
			}
		}
		if rest, ok = bytes.CutPrefix(rest, oneWell); !ok {
			return false
		}
	}
	return bytes.Equal(rest, lastWell)
}

// readFault reads an error, which some answers write as a string.
func readFault(b json.RawMessage) *fault {
	if len(b) == 0 {
		return nil
	}
	f := &fault{}
	if json.Unmarshal(b, f) == nil {
		return f
	}
	var text string
	if json.Unmarshal(b, &text) == nil {
		return &fault{Reason: text}
	}
	return &fault{Reason: string(b)}
}

// readRequestFault reads the error of a whole request.
func readRequestFault(answer []byte) *fault {
	var a struct {
		Error json.RawMessage `json:"error"`
	}
	if json.Unmarshal(answer, &a) != nil {
		return nil
	}
	return readFault(a.Error)
}
