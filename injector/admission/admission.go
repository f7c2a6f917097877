// Package admission is the webhook's HTTP half: an AdmissionReview comes in, a
// decision and a minimal JSON patch go out. What is decided is the business of
// package inject; here it is said in the API server's words:
//
//	injected   allowed, with a patch, and warnings that kubectl prints
//	skipped    allowed as it is, with a warning where an annotated pod is meant
//	denied     refused with key, value and reason of what its user has to correct
//	fault      allowed as it is, with a warning: a bug of ours stops nobody's pod
//
// Every admission is one line in the log and one count in the metrics, by its
// decision and reason; neither ever holds the content of a pod. There are no
// side effects, so a dry run is like any other.
//
//	handler := admission.NewHandler(admission.Options{…})
//	mux.Handle("/mutate", handler)
package admission

import (
	"log/slog"
	"net/http"

	"golang.org/x/sync/semaphore"
	corev1 "k8s.io/api/core/v1"

	"logging.taco/injector/inject"
	"logging.taco/injector/profile"
)

// Options are what the webhook works with.
type Options struct {
	// Profile is asked once per pod, so that it may change.
	Profile func() profile.Profile
	Metrics *Metrics
	Log     *slog.Logger

	// inject is inject.Inject, but in tests of faults.
	inject func(*corev1.Pod, string, profile.Profile) (*corev1.Pod, inject.Report)
}

// NewHandler makes the webhook.
func NewHandler(o Options) http.Handler {
	if o.inject == nil {
		o.inject = inject.Inject
	}
	p := &pods{o}
	l := &limits{metrics: o.Metrics, log: o.Log, room: semaphore.NewWeighted(workRoom)}
	l.next = newReviews(p.handle, l)
	return l
}
