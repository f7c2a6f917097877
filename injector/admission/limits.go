package admission

import (
	"fmt"
	"mime"
	"net/http"
	"time"
)

// maxBody is the largest request that is read. An object in etcd has at most
// 1.5 MiB; as JSON, with the rest of the review, this leaves room enough. Bodies
// of unknown length are cut at the same size by controller-runtime.
const maxBody = 7 << 20

// bodyTimeout is how long a body may take; the API server gives up after half of it.
const bodyTimeout = 10 * time.Second

// limits refuses what is no review before any of it is read. The API server
// takes such an answer as a failure of the webhook, for which its failurePolicy
// says what happens.
func limits(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
		switch {
		case r.Method != http.MethodPost:
			w.Header().Set("Allow", http.MethodPost)
			http.Error(w, "only POST is served here, with an AdmissionReview", http.StatusMethodNotAllowed)
		case err != nil || media != "application/json":
			http.Error(w, "an AdmissionReview as application/json is needed", http.StatusUnsupportedMediaType)
		case r.ContentLength > maxBody:
			http.Error(w, fmt.Sprintf("a body of %d bytes; at most %d are read", r.ContentLength, maxBody), http.StatusRequestEntityTooLarge)
		default:
			r.Header.Set("Content-Type", "application/json") // without parameters
			// The server sets no time for bodies; one that trickles in ends here.
			_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(bodyTimeout))
			next.ServeHTTP(w, r)
		}
	})
}
