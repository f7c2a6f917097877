package backend

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
)

// A Reply answers a bulk.
type Reply func(s *Script, w http.ResponseWriter, b *Bulk)

// An Item is the answer to an action: a status and, where it is an error, which.
type Item struct {
	Status       int
	Type, Reason string
}

// store stores what an item says is stored, under an id of its own if it has none.
func (s *Script) store(a Action, i Item) Item {
	s.mu.Lock()
	defer s.mu.Unlock()
	if a.ID == "" {
		a.ID = fmt.Sprintf("own-%d", len(s.documents))
	}
	key := a.Index + "/" + a.ID
	switch _, there := s.documents[key]; {
	case i.Status > 299 || a.Op == "delete":
	case there && a.Op == "create":
		return Item{http.StatusConflict, "version_conflict_engine_exception", "document already exists"}
	default:
		s.documents[key] = Document{Index: a.Index, ID: a.ID, Source: a.Source}
	}
	return i
}

// answer stores what is to be stored and returns the answer's text.
func (s *Script) answer(b *Bulk, items []Item) []byte {
	errors := false
	var all []any
	for n, a := range b.Actions {
		i := s.store(a, items[n%len(items)])
		one := map[string]any{"_index": a.Index, "_id": a.ID, "status": i.Status}
		if i.Status > 299 {
			errors = true
			one["error"] = map[string]any{"type": i.Type, "reason": i.Reason}
		}
		all = append(all, map[string]any{a.Op: one})
	}
	text, err := json.Marshal(map[string]any{"took": 1, "errors": errors, "items": all})
	if err != nil {
		panic(err) // of strings and numbers
	}
	return text
}

// Items answers 200 with these items, and from the first again if there are
// more actions. What they say is stored is stored.
func Items(items ...Item) Reply {
	return func(s *Script, w http.ResponseWriter, b *Bulk) { w.Write(s.answer(b, items)) }
}

// Stored stores all.
func Stored() Reply { return Items(Item{Status: http.StatusCreated}) }

// Miscounted stores all, and answers with so many items.
func Miscounted(items int) Reply {
	return func(s *Script, w http.ResponseWriter, b *Bulk) {
		s.answer(b, []Item{{Status: http.StatusCreated}})
		answerAll(w, "", "create", items)
	}
}

// Cut stores all, and ends the connection after so many bytes of the answer.
func Cut(after int) Reply {
	return func(s *Script, w http.ResponseWriter, b *Bulk) {
		text := s.answer(b, []Item{{Status: http.StatusCreated}})
		w.Header().Set("Content-Length", strconv.Itoa(len(text)))
		w.Write(text[:min(after, len(text))])
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	}
}

// Text stores nothing and answers with a status, a text, its content type if it
// is not JSON, and headers as pairs: Text(429, "{}", "", "Retry-After", "2").
func Text(status int, text, contentType string, headers ...string) Reply {
	return func(_ *Script, w http.ResponseWriter, _ *Bulk) {
		if contentType != "" {
			w.Header().Set("Content-Type", contentType)
		}
		for i := 0; i+1 < len(headers); i += 2 {
			w.Header().Set(headers[i], headers[i+1])
		}
		w.WriteHeader(status)
		io.WriteString(w, text)
	}
}

// HTML is what a login page or a proxy in between says, with this status.
func HTML(status int) Reply {
	return Text(status, "<!DOCTYPE html><html><body><h1>Welcome</h1></body></html>", "text/html")
}

// Redirect leads elsewhere, with one of the statuses 301 to 308.
func Redirect(status int, url string) Reply { return Text(status, "", "", "Location", url) }

// Silence stores nothing and does not answer, until the client gives up.
func Silence() Reply {
	return func(_ *Script, _ http.ResponseWriter, b *Bulk) { <-b.Context().Done() }
}

// Dropped stores nothing and resets the connection.
func Dropped() Reply {
	return func(_ *Script, w http.ResponseWriter, _ *Bulk) {
		if c, _, err := http.NewResponseController(w).Hijack(); err == nil {
			c.(*net.TCPConn).SetLinger(0)
			c.Close()
		}
	}
}
