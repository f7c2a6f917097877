package admission

import (
	"context"
	"fmt"
	"log/slog"
	"mime"
	"net/http"
	"runtime/debug"
	"time"

	"golang.org/x/sync/semaphore"
)

const (
	// maxBody is the largest request that is read. An object in etcd has at most
	// 1.5 MiB; as JSON, with the rest of the review, this leaves room enough.
	maxBody = 7 << 20

	// bodyTimeout is how long a body may take, and then its answer; the API server
	// gives up after half of it.
	bodyTimeout = 10 * time.Second

	// workRoom is how much memory the requests under way may need together, so that
	// a flood of them does not end the injector: 500 usual ones, or a single one
	// that is as large as can be.
	workRoom = 32 << 20
	// workFactor is how much memory a byte of a body comes to, decoded and patched.
	workFactor = 6
	// leastWork is what a request needs however small it is.
	leastWork = 64 << 10

	// patience is how long a request waits for room. The API server waits for at
	// most 5 s, and takes our answer for what it is: not a decision.
	patience = 3 * time.Second
)

// Reasons for answers that are no decisions.
const (
	badMethod  = "method"
	badMedia   = "media_type"
	tooLarge   = "too_large"
	busy       = "busy"
	unreadable = "unreadable" // not a review, or not to its end
)

// limits refuses what is no review before any of it is read, and what is more
// than there is memory for. The API server takes such an answer as a failure of the
// webhook, for which its failurePolicy says what happens; so each is counted and
// logged.
type limits struct {
	next    http.Handler
	metrics *Metrics
	log     *slog.Logger
	room    *semaphore.Weighted
}

func (l *limits) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	defer l.contain(w, r)
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	switch {
	case r.Method != http.MethodPost:
		w.Header().Set("Allow", http.MethodPost)
		l.refuse(w, r, http.StatusMethodNotAllowed, badMethod, "only POST is served here, with an AdmissionReview")
		return
	case err != nil || media != "application/json":
		l.refuse(w, r, http.StatusUnsupportedMediaType, badMedia, "an AdmissionReview as application/json is needed")
		return
	case r.ContentLength > maxBody:
		l.refuse(w, r, http.StatusRequestEntityTooLarge, tooLarge, (&tooLargeError{r.ContentLength}).Error())
		return
	}
	work := workOf(r.ContentLength)
	ctx, cancel := context.WithTimeout(r.Context(), patience)
	err = l.room.Acquire(ctx, work)
	cancel()
	if err != nil {
		w.Header().Set("Retry-After", "1")
		l.refuse(w, r, http.StatusServiceUnavailable, busy, "too many admissions at once")
		return
	}
	defer l.room.Release(work)

	// The server sets no time for bodies and answers; one that trickles ends here.
	c := http.NewResponseController(w)
	_ = c.SetReadDeadline(time.Now().Add(bodyTimeout))
	_ = c.SetWriteDeadline(time.Now().Add(2 * bodyTimeout))
	defer c.SetWriteDeadline(time.Time{}) // the connection lives on
	l.next.ServeHTTP(w, r)
}

// workOf is the memory that a request with a body of that length may need; -1: it
// is not known.
func workOf(length int64) int64 {
	if length < 0 {
		length = maxBody
	}
	return min(max(length*workFactor, leastWork), workRoom)
}

func (l *limits) refuse(w http.ResponseWriter, r *http.Request, code int, reason, text string) {
	l.metrics.refused.WithLabelValues(reason).Inc()
	l.log.LogAttrs(r.Context(), slog.LevelWarn, "request refused", slog.Int("code", code), slog.String("reason", reason), slog.String("from", r.RemoteAddr))
	http.Error(w, text, code)
}

// contain keeps a panic outside of the decision, of which there is none known, to
// its own request.
func (l *limits) contain(w http.ResponseWriter, r *http.Request) {
	cause := recover()
	if cause == nil {
		return
	}
	if cause == http.ErrAbortHandler {
		panic(cause)
	}
	l.metrics.panics.Inc()
	l.log.LogAttrs(r.Context(), slog.LevelError, "request ended", slog.String("err", fmt.Sprintf("panic with a value of type %T at %s", cause, debug.Stack())))
	http.Error(w, "a fault of the injector; its log says more", http.StatusInternalServerError)
}
