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

// mostDocument is how many bytes of a document a letter has.
const mostDocument = 64 << 10

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
	l.Action, l.Document = raw(action), raw(document)
	if len(document) > mostDocument || l.Document == nil {
		cut := document[:min(len(document), mostDocument)]
		for len(cut) > 0 && len(cut) < len(document) && !utf8.RuneStart(document[len(cut)]) {
			cut = cut[:len(cut)-1]
		}
		l.Document, _ = json.Marshal(string(cut))
		l.Cut = len(cut) < len(document)
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
