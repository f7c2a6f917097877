package admission

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	admissionv1 "k8s.io/api/admission/v1"
	utiljson "k8s.io/apimachinery/pkg/util/json"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"
)

// versions of AdmissionReview that are answered, each in its own; they do not
// differ in anything but that.
const (
	reviewKind  = "AdmissionReview"
	reviewV1    = "admission.k8s.io/v1"
	reviewBeta1 = "admission.k8s.io/v1beta1"
)

// reviews reads AdmissionReviews and writes their answers. What is no review is an
// HTTP error, so that nobody takes the answer for a decision.
type reviews struct {
	webhook *admission.Webhook
	limits  *limits // for what is refused
}

func (v *reviews) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	review, err := readReview(r.Body, r.ContentLength)
	var large *tooLargeError
	switch {
	case errors.As(err, &large):
		v.limits.refuse(w, r, http.StatusRequestEntityTooLarge, tooLarge, err.Error())
		return
	case err != nil:
		v.limits.refuse(w, r, http.StatusBadRequest, unreadable, err.Error())
		return
	}
	response := v.webhook.Handle(r.Context(), admission.Request{AdmissionRequest: *review.Request})
	answer := admissionv1.AdmissionReview{TypeMeta: review.TypeMeta, Response: &response.AdmissionResponse}
	text, err := json.Marshal(answer)
	if err != nil {
		v.limits.refuse(w, r, http.StatusInternalServerError, unreadable, "the answer cannot be written")
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(text) // who has gone asks again
}

// tooLargeError is a body that is not read to its end.
type tooLargeError struct{ length int64 } // 0: it has not said

func (e *tooLargeError) Error() string {
	if e.length == 0 {
		return fmt.Sprintf("a body of more than %d bytes is not read", maxBody)
	}
	return fmt.Sprintf("a body of %d bytes; at most %d are read", e.length, maxBody)
}

// readReview reads one review with a request from a body; length -1: not known.
// Its errors have nothing of the body.
func readReview(from io.Reader, length int64) (*admissionv1.AdmissionReview, error) {
	var body bytes.Buffer
	body.Grow(int(min(max(length, 0), maxBody)) + bytes.MinRead)
	if _, err := body.ReadFrom(io.LimitReader(from, maxBody+1)); err != nil {
		return nil, fmt.Errorf("read the body: %w", err)
	}
	if body.Len() > maxBody {
		return nil, &tooLargeError{}
	}
	var review admissionv1.AdmissionReview
	if err := utiljson.Unmarshal(body.Bytes(), &review); err != nil {
		return nil, fmt.Errorf("an %s as JSON is needed, and this body of %d bytes is none", reviewKind, body.Len())
	}
	switch {
	case review.Kind != reviewKind || review.APIVersion != reviewV1 && review.APIVersion != reviewBeta1:
		return nil, fmt.Errorf("an %s of %s is needed", reviewKind, reviewV1)
	case review.Request == nil || review.Request.UID == "":
		return nil, fmt.Errorf("an %s with a request, and that with a uid, is needed", reviewKind)
	}
	return &review, nil
}

// newReviews puts the decision behind controller-runtime's Webhook, which makes a
// complete response of it.
func newReviews(decide func(context.Context, admission.Request) admission.Response, l *limits) *reviews {
	return &reviews{webhook: &admission.Webhook{Handler: admission.HandlerFunc(decide)}, limits: l}
}
