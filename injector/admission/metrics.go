package admission

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"logging.taco/injector/inject"
)

// Metrics are what the webhook counts.
type Metrics struct {
	admissions *prometheus.CounterVec
	duration   prometheus.Histogram
	panics     prometheus.Counter
	refused    *prometheus.CounterVec
}

// noReason is the label of an admission about which there is nothing to say.
const noReason = "none"

// NewMetrics registers the metrics.
func NewMetrics(r prometheus.Registerer) *Metrics {
	m := &Metrics{
		admissions: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "taco_injector_admissions_total",
			Help: "Admissions by decision (injected, skipped, denied, fault) and the first of its reasons.",
		}, []string{"decision", "reason"}),
		duration: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "taco_injector_admission_duration_seconds",
			Help:    "Time from a decoded AdmissionReview to its answer.",
			Buckets: []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .5, 1, 5},
		}),
		panics: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "taco_injector_panics_total",
			Help: "Panics that were contained; each is a bug to be reported. The pod was let in without a sidecar.",
		}),
	}
	m.refused = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "taco_injector_requests_refused_total",
		Help: "Requests that were answered without a decision: not a review (method, media_type, unreadable), too_large, or busy. The failurePolicy decided over their pods.",
	}, []string{"reason"})
	r.MustRegister(m.admissions, m.duration, m.panics, m.refused)
	for _, reason := range []string{badMethod, badMedia, tooLarge, busy, unreadable} {
		m.refused.WithLabelValues(reason)
	}
	for _, d := range []decision{injected, skipped, denied, fault} {
		m.admissions.WithLabelValues(string(d), noReason) // there from the start, for rates
	}
	return m
}

func (m *Metrics) admitted(d decision, reasons []string, took time.Duration) {
	reason := noReason
	if len(reasons) > 0 {
		reason = inject.Reason(reasons[0]).Label()
	}
	m.admissions.WithLabelValues(string(d), reason).Inc()
	m.duration.Observe(took.Seconds())
}
