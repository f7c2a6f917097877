package elastic

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"
	"unicode/utf8"
)

// How many bytes of a document, and of each of its reasons, a letter has.
const (
	mostDocument = 64 << 10
	mostReason   = 4 << 10
)

// letter is a line of the dead letter file: a record that the backend will
// never take, why, and the document itself.
//
//	{"time":…,"index":…,"status":400,"error":{"type":…,"reason":…,"caused_by":…},"action":{…},"document":{…}}
//
// A document that is too long for the file is a string, cut, with "cut":true.
type letter struct {
	Time     time.Time       `json:"time"`
	Index    string          `json:"index"`
	Status   int             `json:"status"`
	Error    *fault          `json:"error"`
	Action   json.RawMessage `json:"action"`
	Document json.RawMessage `json:"document"`
	Cut      bool            `json:"cut,omitempty"`
}

// deadLetter is the file, and its one predecessor NAME.1.
type deadLetter struct {
	name string
	most int64 // bytes

	mu sync.Mutex // one line at a time
}

func newDeadLetter(name string, most int64) *deadLetter { return &deadLetter{name: name, most: most} }

// write appends a letter. Without a file there is nothing to do: the caller
// counts and says it.
func (d *deadLetter) write(l letter, action, document []byte) error {
	if d.name == "" {
		return nil
	}
	l.Action, l.Document, l.Error = raw(action), raw(document), l.Error.cut()
	if len(document) > mostDocument || l.Document == nil {
		text := cut(string(document), mostDocument)
		l.Document, _ = json.Marshal(text)
		l.Cut = len(text) < len(document)
	}
	line, err := json.Marshal(l)
	if err != nil {
		return fmt.Errorf("write the dead letter: %w", err)
	}
	line = append(line, '\n')
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.append(line)
}

// cut leaves at most so many bytes of a text, and no half character.
func cut(text string, most int) string {
	if len(text) <= most {
		return text
	}
	for most > 0 && !utf8.RuneStart(text[most]) {
		most--
	}
	return text[:most]
}

// cut is the fault with reasons that do not quote all of a long document.
func (f *fault) cut() *fault {
	if f == nil {
		return nil
	}
	return &fault{f.Type, cut(f.Reason, mostReason), f.CausedBy.cut()}
}

func raw(b []byte) json.RawMessage {
	if json.Valid(b) {
		return b
	}
	return nil
}

func (d *deadLetter) append(line []byte) error {
	f, err := os.OpenFile(d.name, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("open the dead letter file: %w", err)
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return fmt.Errorf("open the dead letter file: %w", err)
	}
	if st.Size() > 0 && st.Size()+int64(len(line)) > d.most {
		if err := os.Rename(d.name, d.name+".1"); err != nil {
			return fmt.Errorf("rotate the dead letter file: %w", err)
		}
		return d.append(line)
	}
	n, err := f.Write(line)
	if err != nil {
		// Half a line would spoil the next one.
		if n > 0 {
			err = errors.Join(err, f.Truncate(st.Size()))
		}
		return fmt.Errorf("write the dead letter: %w", err)
	}
	return nil
}
