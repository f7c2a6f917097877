package elastic

import (
	"sync/atomic"
	"time"

	"logging.taco/sidecar/sink"
)

// stats are totals that any goroutine may read.
type stats struct {
	documents atomic.Int64 // with their final outcome: stored, already there or refused
	already   atomic.Int64 // of them, found stored by an earlier attempt
	refused   atomic.Int64 // of them, in the dead letter file

	bare atomic.Int64 // sent again without their fields

	requests       atomic.Int64
	sent           atomic.Int64 // of requests' bodies
	retries        atomic.Int64 // pauses before another attempt
	waited         atomic.Int64 // nanoseconds of them
	badAnswers     atomic.Int64
	letterFailures atomic.Int64
	reached        atomic.Bool // the backend has taken something

	trouble atomic.Pointer[trouble]
}

type trouble struct {
	kind  string
	since time.Time
}

// troubles are the kinds of what keeps records from being shipped.
var troubles = []string{
	"unreachable", "unauthorized", "forbidden", "busy", "unavailable", "index_blocked",
	"refused", "dead_letter", "bad_answer", "redirected", "misdirected",
}

func (s *stats) setTrouble(kind string, since time.Time) {
	if kind == "" {
		s.trouble.Store(nil)
		return
	}
	s.trouble.Store(&trouble{kind, since})
}

// Metrics implements sink.Sink.
func (s *Sink) Metrics() []sink.Metric {
	st := &s.stats
	now := st.trouble.Load()
	kinds := make([]sink.Sample, len(troubles))
	for i, kind := range troubles {
		kinds[i] = sink.Sample{Label: "reason", Of: kind, Value: 0}
		if now != nil && now.kind == kind {
			kinds[i].Value = 1
		}
	}
	since := 0.0
	if now != nil {
		since = float64(now.since.UnixNano()) / 1e9
	}
	counter := func(name, help string, value any) sink.Metric { return sink.Single(name, "counter", help, value) }
	return []sink.Metric{
		{Name: "taco_ship_blocked", Kind: "gauge", Help: "Whether records wait since the backend does not take them, by the reason.", Samples: kinds},
		sink.Single("taco_ship_blocked_since_timestamp_seconds", "gauge", "Since when the backend has not taken records; 0: it takes them.", since),
		counter("taco_ship_documents_total", "Records with their final outcome: stored, stored before, or refused.", st.documents.Load()),
		counter("taco_ship_documents_already_stored_total", "Records that an earlier attempt had stored.", st.already.Load()),
		counter("taco_ship_documents_refused_total", "Records that the backend will never take; they are in the dead letter file, if there is one.", st.refused.Load()),
		counter("taco_ship_documents_without_fields_total", "Records that were sent again without their own fields, as the backend refused these.", st.bare.Load()),
		counter("taco_ship_dead_letter_failures_total", "Attempts to write the dead letter file that failed.", st.letterFailures.Load()),
		counter("taco_ship_requests_total", "Bulk requests sent.", st.requests.Load()),
		counter("taco_ship_sent_bytes_total", "Bytes of bulk requests sent, as they are on the wire.", st.sent.Load()),
		counter("taco_ship_retries_total", "Pauses before another attempt.", st.retries.Load()),
		counter("taco_ship_waited_seconds_total", "Time spent in these pauses.", float64(st.waited.Load())/1e9),
		counter("taco_ship_bad_answers_total", "Answers that were no answer to a bulk.", st.badAnswers.Load()),
	}
}
