package admission

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	jsonpatch "github.com/evanphx/json-patch/v5"
	admissionv1 "k8s.io/api/admission/v1"
	corev1 "k8s.io/api/core/v1"
)

// However a body is made: no panic, and an HTTP error or a decision about the
// request that was in it.
func FuzzBody(f *testing.F) {
	f.Add([]byte(fmt.Sprintf(reviewOf, annotated)))
	f.Add([]byte(fmt.Sprintf(reviewOf, `null`)))
	f.Add([]byte(strings.Replace(fmt.Sprintf(reviewOf, annotated), "k8s.io/v1", "k8s.io/v1beta1", 1)))
	f.Add([]byte(`{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"a","operation":"DELETE","oldObject":{}}}`))
	f.Add([]byte(``))
	f.Add([]byte(`{"request":{"uid":1e999}}`))
	s := newServed(nil)
	f.Fuzz(func(t *testing.T, body []byte) {
		s.log.Reset()
		w := s.post(string(body))
		if value(s.metrics.panics) != 0 {
			t.Fatalf("a panic: %s", s.log)
		}
		if w.Code != http.StatusOK {
			if w.Code < 400 || w.Code > 499 || w.Body.Len() == 0 || strings.Contains(w.Body.String(), `"allowed"`) {
				t.Errorf("answer %d: %s", w.Code, w.Body)
			}
			return
		}
		var asked, answered admissionv1.AdmissionReview
		if err := json.Unmarshal(w.Body.Bytes(), &answered); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(body, &asked); err == nil && (asked.Request.UID != answered.Response.UID || asked.APIVersion != answered.APIVersion) {
			t.Errorf("answer of %s for %q, asked was %s for %q", answered.APIVersion, answered.Response.UID, asked.APIVersion, asked.Request.UID)
		}
	})
}

// Whatever the pod: it is denied with a reason, or gets a patch that fits, or it
// is left alone, and its user is told so.
func FuzzPod(f *testing.F) {
	f.Add([]byte(annotated), "/var/log/a.log", "")
	f.Add([]byte(`{"spec":{"initContainers":[{"name":"taco-logs","restartPolicy":"Always"}],"containers":[{"name":"app","volumeMounts":[{"name":"v","mountPath":"/srv","subPathExpr":"$(A)"}]}],"volumes":[{"name":"v"}]}}`), "app:/srv/a,/b/c", "- paths: /srv/x\n  split: true\n")
	f.Add([]byte(`{"spec":{"containers":[],"os":{"name":"windows"}}}`), "", "- {}")
	f.Add([]byte(`{"metadata":null,"spec":null}`), "/**/x", "[")
	s := newServed(nil)
	f.Fuzz(func(t *testing.T, object []byte, paths, config string) {
		var raw map[string]any
		if json.Unmarshal(object, &raw) != nil || raw == nil {
			return
		}
		metadata, _ := raw["metadata"].(map[string]any)
		if metadata == nil {
			metadata = map[string]any{}
			raw["metadata"] = metadata
		}
		annotations := map[string]any{"logging.taco/paths": paths}
		if config != "" {
			annotations["logging.taco/config"] = config
		}
		metadata["annotations"] = annotations
		text, err := json.Marshal(raw)
		if err != nil {
			t.Fatal(err)
		}
		s.log.Reset()
		w := s.post(fmt.Sprintf(reviewOf, text))
		if value(s.metrics.panics) != 0 {
			t.Fatalf("a panic: %s", s.log)
		}
		var review admissionv1.AdmissionReview
		if err := json.Unmarshal(w.Body.Bytes(), &review); err != nil || w.Code != http.StatusOK {
			t.Fatalf("answer %d: %v", w.Code, err)
		}
		r := review.Response
		switch {
		case !r.Allowed:
			if !strings.Contains(r.Result.Message, "logging.taco/") || r.Patch != nil {
				t.Errorf("denied with %q", r.Result.Message)
			}
		case r.Patch == nil:
			if len(r.Warnings) == 0 {
				t.Errorf("a bare pod, and nothing is said: %s", text)
			}
		default:
			patch, err := jsonpatch.DecodePatch(r.Patch)
			if err != nil {
				t.Fatal(err)
			}
			after, err := patch.Apply(text)
			if err != nil {
				t.Fatalf("%v: %s of %s", err, r.Patch, text)
			}
			var pod corev1.Pod
			if err := json.Unmarshal(after, &pod); err != nil || pod.Annotations["logging.taco/status"] == "" {
				t.Errorf("%v: %s", err, after)
			}
		}
	})
}
