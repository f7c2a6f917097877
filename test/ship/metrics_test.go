package ship

import (
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// metrics are the agent's values by name, labels included.
type metrics map[string]float64

var scraper = &http.Client{Timeout: 5 * time.Second}

func scrape(address string) (string, error) {
	res, err := scraper.Get("http://" + address + "/metrics")
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	return string(b), err
}

// metrics asks the agent; nil: it does not answer.
func (a *agent) metrics() metrics {
	text, err := scrape(a.address)
	if err != nil {
		return nil
	}
	m := metrics{}
	for line := range strings.Lines(text) {
		at := strings.LastIndexByte(strings.TrimSpace(line), ' ')
		if strings.HasPrefix(line, "#") || at < 0 {
			continue
		}
		if v, err := strconv.ParseFloat(strings.TrimSpace(line[at:]), 64); err == nil {
			m[line[:at]] = v
		}
	}
	return m
}

func (m metrics) documents() int { return int(m["taco_ship_documents_total"]) }
func (m metrics) refused() int   { return int(m["taco_ship_documents_refused_total"]) }
func (m metrics) bare() int      { return int(m["taco_ship_documents_without_fields_total"]) }
func (m metrics) already() int   { return int(m["taco_ship_documents_already_stored_total"]) }
func (m metrics) pending() int   { return m.sum("taco_pending_bytes") }

// sum adds the values of all labels.
func (m metrics) sum(name string) (n int) {
	for key, v := range m {
		if key == name || strings.HasPrefix(key, name+"{") {
			n += int(v)
		}
	}
	return n
}

// blocked is the reason for which records wait; "": they do not.
func (m metrics) blocked() string {
	for name, v := range m {
		if rest, ok := strings.CutPrefix(name, `taco_ship_blocked{reason="`); ok && v == 1 {
			return strings.TrimSuffix(rest, `"}`)
		}
	}
	return ""
}

// until waits for the metrics to satisfy a condition, and returns them.
func (a *agent) until(what string, ok func(metrics) bool) (m metrics) {
	a.t.Helper()
	end, documents := time.Now().Add(deadline), 0
	for pause := 10 * time.Millisecond; ; pause = min(pause*3/2, 250*time.Millisecond) {
		if m = a.metrics(); m != nil && ok(m) {
			return m
		}
		if m.documents() > documents { // as long as something comes, there is no hurry
			end, documents = time.Now().Add(deadline), m.documents()
		}
		if !a.runs() {
			a.t.Fatalf("the sidecar ended (%v) before %s", a.cmd.ProcessState, what)
		}
		if time.Now().After(end) {
			a.t.Fatalf("waited in vain: %s; %d documents, blocked: %q, metrics: %v", what, m.documents(), m.blocked(), m)
		}
		time.Sleep(pause)
	}
}

// untilDocuments waits for so many records with their final outcome.
func (a *agent) untilDocuments(n int) metrics {
	a.t.Helper()
	m := a.until(fmt.Sprintf("%d documents", n), func(m metrics) bool { return m.documents() >= n && m.pending() == 0 })
	if m.documents() != n {
		a.t.Errorf("%d documents, want %d", m.documents(), n)
	}
	return m
}

// untilBlocked waits until records wait for that reason.
func (a *agent) untilBlocked(reason string) metrics {
	a.t.Helper()
	m := a.until("records wait: "+reason, func(m metrics) bool { return m.blocked() == reason })
	// What it says passes through a pipe, and may come after what it serves.
	eventually(a.t, "it says that records wait: "+reason, func() bool { return strings.Contains(a.said.String(), "blocked="+reason) })
	return m
}
