package ship

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"logging.taco/test/backend"
)

// What no real node can be made to answer, a stand-in does.

// shipToScript ships to a stand-in, which is healthy until told otherwise.
func shipToScript(t testing.TB) (*shipment, *backend.Script) {
	t.Helper()
	b := backend.NewScript(t)
	return shipTo(t, b.URL()), b
}

// texts are those of all documents that a stand-in has.
func texts(t testing.TB, b *backend.Script) (all []string) {
	t.Helper()
	for _, d := range b.Documents() {
		all = append(all, logOf(t, d.Source))
	}
	return all
}

// TestInFlight: so many bulks at once, and no more.
func TestInFlight(t *testing.T) {
	t.Parallel()
	for _, most := range []int{1, 2, 4} {
		t.Run(fmt.Sprint(most), func(t *testing.T) {
			t.Parallel()
			s, b := shipToScript(t)
			want := padded("a", 500)
			s.write("a.log", text(want))
			var mu sync.Mutex
			var now, peak int
			full := make(chan struct{}) // closed when as many are under way as there may be
			b.Always(func(script *backend.Script, w http.ResponseWriter, r *backend.Bulk) {
				mu.Lock()
				if now++; now > peak {
					if peak = now; peak == most {
						close(full)
					}
				}
				mu.Unlock()
				<-full
				mu.Lock()
				now--
				mu.Unlock()
				backend.Stored()(script, w, r)
			})
			a := s.start(fmt.Sprintf("--in-flight=%d", most), "--batch-size=8KiB")
			a.untilDocuments(len(want))
			a.stop(0)
			if peak != most {
				t.Errorf("%d bulks at once, want %d", peak, most)
			}
			eachOnce(t, texts(t, b), want)
		})
	}
}

// An answer that says nothing of the records means nothing for them: all are
// sent again, and what had been stored is not stored twice.
func TestAnswers(t *testing.T) {
	t.Parallel()
	stored, missing := backend.Item{Status: 201}, backend.Item{Status: 404, Type: "index_not_found_exception", Reason: "no such index"}
	for _, c := range []struct {
		name    string
		replies []backend.Reply
		said    string // on stderr
		bad     int    // answers that are none
		already int    // of 10 records, sent again although they had been stored
		args    string
	}{
		{name: "HTML with status 200", replies: answers(backend.HTML(200)), said: "cannot be used", bad: 1},
		{name: "HTML with status 502", replies: answers(backend.HTML(502)), said: "cannot serve"},
		{name: "HTML with status 403", replies: answers(backend.HTML(403)), said: "forbids writing"},
		{name: "HTML with status 404", replies: answers(backend.HTML(404)), said: "not how Elasticsearch or OpenSearch answers"},
		{name: "no words", replies: answers(backend.Text(200, "", "")), said: "cannot be used", bad: 1},
		{name: "another object", replies: answers(backend.Text(200, `{"took":1}`, "")), said: "cannot be used", bad: 1},
		{name: "no items", replies: answers(backend.Text(200, `{"errors":false}`, "")), said: "cannot be used", bad: 1},
		{name: "items of another type", replies: answers(backend.Text(200, `{"errors":false,"items":{"create":{"status":201}}}`, "")), said: "cannot be used", bad: 1},
		{name: "items without a status", replies: answers(backend.Text(200, `{"errors":false,"items":[`+strings.Repeat(`{"create":{}},`, 9)+`{"create":{}}]}`, "")), said: "cannot be used", bad: 1},
		{name: "a number", replies: answers(backend.Text(200, `1`, "")), said: "cannot be used", bad: 1},
		{name: "too few items", replies: answers(backend.Miscounted(9)), said: "cannot be used", bad: 1, already: 10},
		{name: "too many items", replies: answers(backend.Miscounted(11)), said: "cannot be used", bad: 1, already: 10},
		{name: "no item", replies: answers(backend.Miscounted(0)), said: "cannot be used", bad: 1, already: 10},
		{name: "cut in the head", replies: answers(backend.Cut(0)), said: "does not answer", already: 10},
		{name: "cut in the body", replies: answers(backend.Cut(40)), said: "does not answer", already: 10},
		{name: "without end", replies: answers(endless), said: "longer than"},
		{name: "reset", replies: answers(backend.Dropped(), backend.Dropped(), backend.Dropped(), backend.Dropped()), said: "does not answer"},
		{name: "silence", replies: answers(backend.Silence()), said: "does not answer", args: "--timeout=1s"},
		{name: "moved", replies: answers(backend.Redirect(301, "http://127.0.0.1:9/elsewhere/_bulk")), said: "sends us elsewhere"},
		{name: "moved for now", replies: answers(backend.Redirect(307, "http://127.0.0.1:9/elsewhere/_bulk")), said: "sends us elsewhere"},
		{name: "busy", replies: answers(backend.Text(429, `{"error":{"type":"circuit_breaking_exception","reason":"too much"},"status":429}`, "")), said: "too much"},
		{name: "too long", replies: answers(backend.Text(413, "", "")), said: ""},
		{name: "not authorized", replies: answers(backend.Text(401, "Unauthorized", "text/plain")), said: "does not know these credentials"},
		{name: "an error as a text", replies: answers(backend.Text(500, `{"error":"no handler","status":500}`, "")), said: "cannot serve"},
		{name: "errors false and an item that failed", replies: answers(backend.Text(200,
			`{"errors":false,"items":[`+strings.Repeat(`{"create":{"status":201}},`, 9)+`{"create":{"status":429,"error":{"type":"x","reason":"y"}}}]}`, "")), said: "sent again"},
		{name: "every other one", replies: answers(backend.Items(stored, backend.Item{Status: 429, Type: "es_rejected_execution_exception"})), said: "sent again"},
		{name: "every other one, of an index that is not there", replies: answers(backend.Items(missing, stored)), said: "cannot write to this index"},
		{name: "the result has another name", replies: answers(renamed), said: ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s, b := shipToScript(t)
			b.Then(c.replies...)
			want := lines("a", 10)
			s.write("a.log", text(want))
			args := []string{"--template=off", "--index=logs"}
			if c.args != "" {
				args = append(args, c.args)
			}
			a := s.start(args...)
			m := a.untilDocuments(len(want))
			a.stop(0)
			if c.name != "errors false and an item that failed" { // which stores none of what it says is stored
				eachOnce(t, texts(t, b), want)
			}
			if said := a.said.String(); !strings.Contains(said, c.said) || c.said != "" && !strings.Contains(said, "goes on") || c.said == "" && said != "" {
				t.Errorf("it says:\n%s\nwant %q", said, c.said)
			}
			if m["taco_ship_bad_answers_total"] != float64(c.bad) || m.already() != c.already || m.refused() != 0 || m.blocked() != "" {
				t.Errorf("%v bad answers, %d already stored, %d refused, blocked: %q; want %d and %d",
					m["taco_ship_bad_answers_total"], m.already(), m.refused(), m.blocked(), c.bad, c.already)
			}
		})
	}
}

func answers(all ...backend.Reply) []backend.Reply { return all }

// endless says more than any answer has to say.
func endless(_ *backend.Script, w http.ResponseWriter, _ *backend.Bulk) {
	for piece := []byte(strings.Repeat(" ", 64<<10)); ; {
		if _, err := w.Write(piece); err != nil {
			return
		}
	}
}

// renamed says index where a create was asked for.
func renamed(s *backend.Script, w http.ResponseWriter, b *backend.Bulk) {
	backend.Miscounted(0)(s, discarded{}, b)
	fmt.Fprintf(w, `{"errors":false,"items":[%s{"index":{"status":201}}]}`, strings.Repeat(`{"index":{"status":201}},`, len(b.Actions)-1))
}

// discarded is an answer that nobody reads.
type discarded struct{}

func (discarded) Header() http.Header         { return http.Header{} }
func (discarded) Write(b []byte) (int, error) { return len(b), nil }
func (discarded) WriteHeader(int)             {}

// TestRetryAfter: a backend that says when is not asked before.
func TestRetryAfter(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, value string
		status      int
	}{
		{"seconds", "4", http.StatusTooManyRequests},
		{"a date", "", http.StatusServiceUnavailable},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s, b := shipToScript(t)
			b.Then(func(_ *backend.Script, w http.ResponseWriter, _ *backend.Bulk) {
				if c.value == "" {
					c.value = time.Now().Add(5 * time.Second).UTC().Format(http.TimeFormat) // whole seconds
				}
				w.Header().Set("Retry-After", c.value)
				w.WriteHeader(c.status)
			})
			s.write("a.log", canary+"\n")
			a := s.start()
			a.untilDocuments(1)
			a.stop(0)
			bulks := b.Bulks()
			if pause := bulks[1].At.Sub(bulks[0].At); len(bulks) != 2 || pause < 4*time.Second {
				t.Errorf("%d bulks, the second after %v", len(bulks), pause)
			}
		})
	}
}

// TestRacedMapping: two first documents of a field may each find a type for it,
// and one of them is refused; at the next attempt there is a mapping, which it
// may fit. One that never fits is put aside.
func TestRacedMapping(t *testing.T) {
	t.Parallel()
	race := backend.Item{Status: 400, Type: "illegal_argument_exception", Reason: "mapper [n] cannot be changed from type [long] to [float]"}
	for _, c := range []struct{ refusals, letters int }{{1, 0}, {2, 1}} {
		t.Run(fmt.Sprint(c.refusals), func(t *testing.T) {
			t.Parallel()
			s, b := shipToScript(t)
			b.Then(backend.Items(backend.Item{Status: 201}, race))
			for range c.refusals - 1 {
				b.Then(backend.Items(race))
			}
			want := lines("a", 2)
			s.write("a.log", text(want))
			a := s.start("--template=off")
			m := a.untilDocuments(2)
			a.stop(0)
			eachOnce(t, texts(t, b), want[:2-c.letters])
			if m.refused() != c.letters || len(s.letters()) != c.letters {
				t.Errorf("%d refused and %d dead letters, want %d", m.refused(), len(s.letters()), c.letters)
			}
		})
	}
}

// TestFlapping: a backend that is busy now and then is not said each time.
func TestFlapping(t *testing.T) {
	t.Parallel()
	s, b := shipToScript(t)
	for range 8 {
		b.Then(backend.Items(backend.Item{Status: 429, Type: "es_rejected_execution_exception", Reason: "queue capacity"}), backend.Stored())
	}
	want := padded("a", 400)
	s.write("a.log", text(want))
	a := s.start("--batch-size=8KiB", "--template=off")
	m := a.untilDocuments(len(want))
	a.stop(0)
	eachOnce(t, texts(t, b), want)
	if said := strings.Count(a.said.String(), "\n"); m["taco_ship_retries_total"] < 8 || said > 2 {
		t.Errorf("%v pauses are said in %d lines:\n%s", m["taco_ship_retries_total"], said, a.said.String())
	}
}

// TestPausesInFlight: bulks that fail at once have failed once, and wait no
// longer than one would.
func TestPausesInFlight(t *testing.T) {
	t.Parallel()
	s, b := shipToScript(t)
	const most = 8
	for range most {
		b.Then(backend.Text(503, "{}", ""))
	}
	want := padded("a", 800)
	s.write("a.log", text(want))
	a := s.start(fmt.Sprintf("--in-flight=%d", most), "--batch-size=8KiB", "--template=off")
	m := a.untilDocuments(len(want))
	a.stop(0)
	eachOnce(t, texts(t, b), want)
	// With a pause that doubled for each of them, the last would wait two minutes.
	if m["taco_ship_retries_total"] != most || m["taco_ship_waited_seconds_total"] > 3*most {
		t.Errorf("%v pauses of %v seconds together", m["taco_ship_retries_total"], m["taco_ship_waited_seconds_total"])
	}
}

// TestForbiddenWords: what an answer quotes is said nowhere.
func TestForbiddenWords(t *testing.T) {
	t.Parallel()
	s, b := shipToScript(t)
	replies := []backend.Reply{backend.Text(400, `{"error":{"type":"parse_exception","reason":"cannot read `+canary+`"},"status":400}`, "")}
	for _, status := range []int{400, 500} {
		for _, kind := range []string{"mapper_parsing_exception", "unheard_of_exception", "illegal_argument_exception"} {
			replies = append(replies, backend.Items(backend.Item{Status: status, Type: kind, Reason: "failed to parse " + canary}, backend.Item{Status: 201}))
		}
	}
	a := s.start("--template=off")
	for i, r := range replies {
		b.Then(r)
		s.write("a.log", text(lines(fmt.Sprint(i), 2)))
		a.untilDocuments(2 * (i + 1))
	}
	a.stop(0) // which looks at stderr
	if len(b.Documents())+len(s.letters()) != 2*len(replies) || len(s.letters()) != 2 {
		t.Errorf("%d dead letters and %d documents of %d lines", len(s.letters()), len(b.Documents()), 2*len(replies))
	}
}
