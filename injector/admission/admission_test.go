package admission

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	jsonpatch "github.com/evanphx/json-patch/v5"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	admissionv1 "k8s.io/api/admission/v1"
	corev1 "k8s.io/api/core/v1"

	"logging.taco/injector/annotation"
	"logging.taco/injector/inject"
	"logging.taco/injector/profile"
)

// served is a webhook with what it wrote down.
type served struct {
	http.Handler
	metrics  *Metrics
	registry *prometheus.Registry
	log      *bytes.Buffer
}

func newServed(f func(*corev1.Pod, string, profile.Profile) (*corev1.Pod, inject.Report)) *served {
	s := &served{registry: prometheus.NewRegistry(), log: &bytes.Buffer{}}
	s.metrics = NewMetrics(s.registry)
	s.Handler = NewHandler(Options{
		Profile: profile.Default,
		Metrics: s.metrics,
		Log:     slog.New(slog.NewJSONHandler(s.log, nil)),
		inject:  f,
	})
	return s
}

// post sends a body as the API server does.
func (s *served) post(body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, "/mutate", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w
}

// review sends a pod in an AdmissionReview; more is put into the request.
func (s *served) review(t *testing.T, pod, more string) *admissionv1.AdmissionResponse {
	t.Helper()
	if more != "" {
		more = "," + more
	}
	w := s.post(fmt.Sprintf(`{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"u-1",
		"kind":{"group":"","version":"v1","kind":"Pod"},"resource":{"group":"","version":"v1","resource":"pods"},
		"namespace":"shop","operation":"CREATE","object":%s%s}}`, pod, more))
	return answer(t, w)
}

func answer(t *testing.T, w *httptest.ResponseRecorder) *admissionv1.AdmissionResponse {
	t.Helper()
	var review admissionv1.AdmissionReview
	if err := json.NewDecoder(w.Body).Decode(&review); err != nil || w.Code != http.StatusOK {
		t.Fatalf("answer %d: %v", w.Code, err)
	}
	if review.APIVersion != "admission.k8s.io/v1" || review.Kind != "AdmissionReview" || review.Response.UID != "u-1" {
		t.Errorf("answer is %s %s for %q", review.APIVersion, review.Kind, review.Response.UID)
	}
	return review.Response
}

func (s *served) count(d decision, reason string) int {
	return value(s.metrics.admissions.WithLabelValues(string(d), reason))
}

func value(c prometheus.Counter) int {
	var m dto.Metric
	_ = c.Write(&m)
	return int(m.Counter.GetValue())
}

const annotated = `{"apiVersion":"v1","kind":"Pod","metadata":{"generateName":"web-","annotations":{"logging.taco/paths":"/var/log/app/*.log"}},
	"spec":{"futureField":{"deep":[1,2]},"containers":[{"name":"app","image":"app:1","futureKnob":12345678901234567890,"env":[{"name":"PASSWORD","value":"hunter2"}]}]}}`

func TestInjected(t *testing.T) {
	s := newServed(nil)
	r := s.review(t, annotated, `"dryRun":true`)
	if !r.Allowed || r.PatchType == nil || *r.PatchType != admissionv1.PatchTypeJSONPatch {
		t.Fatalf("answer: %+v", r)
	}
	patch, err := jsonpatch.DecodePatch(r.Patch)
	if err != nil {
		t.Fatal(err)
	}
	after, err := patch.Apply([]byte(annotated))
	if err != nil {
		t.Fatal(err)
	}
	var pod corev1.Pod
	if err := json.Unmarshal(after, &pod); err != nil {
		t.Fatal(err)
	}
	if len(pod.Spec.InitContainers) != 1 || pod.Spec.InitContainers[0].Name != "taco-logs" || len(pod.Spec.Containers[0].VolumeMounts) != 1 {
		t.Errorf("the pod became %s", after)
	}
	for _, unknown := range []string{`"futureField":{"deep":[1,2]}`, `"futureKnob":12345678901234567890`} {
		if !strings.Contains(string(after), unknown) {
			t.Errorf("%s did not survive", unknown)
		}
	}
	if n := s.count(injected, inject.Reason("UserUnset").Label()) + s.count(injected, inject.Reason("FolderCovered").Label()); n != 1 {
		t.Errorf("counted %d times", n)
	}

	var line map[string]any
	if err := json.Unmarshal(s.log.Bytes(), &line); err != nil {
		t.Fatalf("not one line of log: %v: %s", err, s.log)
	}
	if line["namespace"] != "shop" || line["generateName"] != "web-" || line["decision"] != "injected" || line["dryRun"] != true {
		t.Errorf("log: %s", s.log)
	}
	for _, content := range []string{"hunter2", "app:1", "/var/log/app"} {
		if strings.Contains(s.log.String(), content) {
			t.Errorf("the log has the pod's %q", content)
		}
	}
}

func TestDenied(t *testing.T) {
	s := newServed(nil)
	r := s.review(t, `{"metadata":{"name":"web","annotations":{"logging.taco/paths":"/var/log/a.log,relative.log"}},"spec":{"containers":[{"name":"app"}]}}`, `"name":"web"`)
	if r.Allowed || r.Patch != nil {
		t.Fatalf("answer: %+v", r)
	}
	for _, want := range []string{"logging.taco/paths", "relative.log", "absolute"} {
		if !strings.Contains(r.Result.Message, want) {
			t.Errorf("%q is not in the message %q", want, r.Result.Message)
		}
	}
	if s.count(denied, "invalid_value") != 1 {
		t.Error("not counted as denied")
	}
	if strings.Contains(s.log.String(), "relative.log") || !strings.Contains(s.log.String(), `"name":"web"`) {
		t.Errorf("log: %s", s.log)
	}
}

func TestLeftAlone(t *testing.T) {
	const pod = `{"metadata":{"name":"web","annotations":{"logging.taco/paths":"/var/log/app/a.log"%s}},"spec":{"containers":[{"name":"app"}]%s}}`
	for name, c := range map[string]struct{ pod, more, reason string }{
		"no annotation":  {`{"metadata":{"name":"web"},"spec":{"containers":[{"name":"app"}]}}`, "", "not_annotated"},
		"opted out":      {fmt.Sprintf(pod, `,"logging.taco/inject":"false"`, ""), "", "opted_out"},
		"mirror pod":     {fmt.Sprintf(pod, `,"kubernetes.io/config.mirror":"x"`, ""), "", "mirror_pod"},
		"Windows":        {fmt.Sprintf(pod, "", `,"os":{"name":"windows"}`), "", "windows_pod"},
		"kube-system":    {fmt.Sprintf(pod, "", ""), `"namespace":"kube-system"`, "skipped_namespace"},
		"own namespace":  {fmt.Sprintf(pod, "", ""), `"namespace":"logging-taco"`, "skipped_namespace"},
		"update":         {fmt.Sprintf(pod, "", ""), `"operation":"UPDATE"`, "not_pod_creation"},
		"binding":        {fmt.Sprintf(pod, "", ""), `"subResource":"binding"`, "not_pod_creation"},
		"another kind":   {`{"metadata":{"name":"x"}}`, `"kind":{"group":"apps","version":"v1","kind":"Deployment"}`, "not_pod_creation"},
		"another's Pod":  {`{"metadata":{"name":"x"}}`, `"kind":{"group":"example.com","version":"v1","kind":"Pod"}`, "not_pod_creation"},
		"delete, no pod": {`null`, `"operation":"DELETE"`, "not_pod_creation"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newServed(nil)
			r := s.review(t, c.pod, c.more)
			if !r.Allowed || r.Patch != nil {
				t.Errorf("answer: %+v", r)
			}
			if s.count(skipped, c.reason) != 1 {
				t.Errorf("not counted as %s: %s", c.reason, s.log)
			}
		})
	}
}

func TestFaults(t *testing.T) {
	explode := func(*corev1.Pod, string, profile.Profile) (*corev1.Pod, inject.Report) { panic("hunter2") }
	for name, c := range map[string]struct {
		inject func(*corev1.Pod, string, profile.Profile) (*corev1.Pod, inject.Report)
		pod    string
		reason string
		panics int
	}{
		"panic":        {explode, annotated, "panicked", 1},
		"no object":    {nil, `null`, "unreadable_pod", 0},
		"other object": {nil, `{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"annotations":{"logging.taco/paths":"/a/b"}}}`, "unreadable_pod", 0},
		"text":         {nil, `"hunter2"`, "unreadable_pod", 0},
		"list":         {nil, `["hunter2"]`, "unreadable_pod", 0},
		"another form": {nil, `{"metadata":{"annotations":{"logging.taco/paths":"/a/b"}},"spec":{"containers":"hunter2"}}`, "unreadable_pod", 0},
	} {
		t.Run(name, func(t *testing.T) {
			s := newServed(c.inject)
			r := s.review(t, c.pod, "")
			if !r.Allowed || r.Patch != nil {
				t.Errorf("answer: %+v", r)
			}
			if len(r.Warnings) != 1 || !strings.Contains(r.Warnings[0], "WITHOUT") {
				t.Errorf("warnings: %q", r.Warnings)
			}
			if s.count(fault, c.reason) != 1 || value(s.metrics.panics) != c.panics {
				t.Errorf("not counted as %s", c.reason)
			}
			if strings.Contains(s.log.String(), "hunter2") {
				t.Errorf("the log has what was in the pod: %s", s.log)
			}
			if !strings.Contains(s.log.String(), `"level":"ERROR"`) {
				t.Errorf("log: %s", s.log)
			}
		})
	}
}

func TestBadRequests(t *testing.T) {
	for name, c := range map[string]struct {
		method, media, body string
		code                int
		reason              string
	}{
		"GET":        {http.MethodGet, "application/json", "", http.StatusMethodNotAllowed, badMethod},
		"PUT":        {http.MethodPut, "application/json", "{}", http.StatusMethodNotAllowed, badMethod},
		"media type": {http.MethodPost, "application/yaml", "{}", http.StatusUnsupportedMediaType, badMedia},
		"none":       {http.MethodPost, "", "{}", http.StatusUnsupportedMediaType, badMedia},
		"odd":        {http.MethodPost, "application/json; charset", "{}", http.StatusUnsupportedMediaType, badMedia},
		"too large":  {http.MethodPost, "application/json", strings.Repeat(" ", maxBody+1), http.StatusRequestEntityTooLarge, tooLarge},
		"10 MiB":     {http.MethodPost, "application/json", strings.Repeat(" ", 10<<20), http.StatusRequestEntityTooLarge, tooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			s := newServed(nil)
			r := httptest.NewRequest(c.method, "/mutate", strings.NewReader(c.body))
			r.Header.Set("Content-Type", c.media)
			w := httptest.NewRecorder()
			s.ServeHTTP(w, r)
			if w.Code != c.code {
				t.Errorf("answer %d: %s", w.Code, w.Body)
			}
			if value(s.metrics.refused.WithLabelValues(c.reason)) != 1 || !strings.Contains(s.log.String(), "request refused") {
				t.Errorf("not counted as %s, log: %s", c.reason, s.log)
			}
		})
	}
	for name, body := range map[string]string{
		"empty":        "",
		"no request":   `{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview"}`,
		"null":         `{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":null}`,
		"no uid":       `{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"kind":{"version":"v1","kind":"Pod"},"operation":"CREATE","object":` + annotated + `}}`,
		"other kind":   `{"apiVersion":"admission.k8s.io/v1","kind":"Status","request":{"uid":"u-1"}}`,
		"other group":  `{"apiVersion":"example.com/v1","kind":"AdmissionReview","request":{"uid":"u-1"}}`,
		"not JSON":     "apiVersion: admission.k8s.io/v1",
		"not UTF-8":    "\xff\xfe",
		"deep":         strings.Repeat("[", 1<<20),
		"truncated":    `{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"u-`,
		"no review":    `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"x"}}`,
		"another type": `[]`,
	} {
		t.Run(name, func(t *testing.T) {
			s := newServed(nil)
			w := s.post(body)
			if w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), "AdmissionReview") || strings.Contains(w.Body.String(), "allowed") {
				t.Errorf("answer %d: %s", w.Code, w.Body)
			}
			if value(s.metrics.refused.WithLabelValues(unreadable)) != 1 || s.count(injected, noReason)+s.count(skipped, noReason) != 0 {
				t.Error("not counted")
			}
		})
	}
	t.Run("too large in chunks", func(t *testing.T) {
		server := httptest.NewServer(newServed(nil))
		defer server.Close()
		body := io.LimitReader(strings.NewReader(strings.Repeat(" ", maxBody+1)), maxBody+1) // of unknown length
		answer, err := http.Post(server.URL, "application/json; charset=utf-8", body)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		text, _ := io.ReadAll(answer.Body)
		if answer.StatusCode != http.StatusRequestEntityTooLarge || !strings.Contains(string(text), "is not read") {
			t.Errorf("answer %d: %s", answer.StatusCode, text)
		}
	})
}

// Whatever is written under a key: a denial that names it, never a bare pod.
func TestBadAnnotations(t *testing.T) {
	s := newServed(nil)
	for _, key := range annotation.Keys {
		for what, value := range map[string]string{
			"empty": "", "blank": " \n\t", "64 KiB": strings.Repeat("x", 64<<10), "not UTF-8": "\xff\xfe", "a map": "{a: [b, *c", "a NUL": "\x00",
			"a bomb": "- &a {paths: [/a]}\n- *a\n- *a", "faults": strings.Repeat("- x\n", 100),
		} {
			pod := map[string]any{
				"metadata": map[string]any{"annotations": map[string]string{annotation.Paths: "/srv/app/a.log", key: value}},
				"spec":     map[string]any{"containers": []any{map[string]any{"name": "app"}}},
			}
			text, err := json.Marshal(pod)
			if err != nil {
				t.Fatal(err)
			}
			r := s.review(t, string(text), "")
			switch key {
			case annotation.Drop, annotation.Keep, annotation.Redact, annotation.Multiline:
				if r.Allowed && len(r.Patch) > 0 {
					continue // almost any text is an expression
				}
			}
			if r.Allowed || !strings.Contains(r.Result.Message, key) || len(r.Result.Message) > 10<<10 {
				t.Errorf("%s, %s: allowed %t, %.300q", key, what, r.Allowed, r.Result.Message)
			}
		}
	}
	if s.count(fault, "panicked") != 0 || value(s.metrics.panics) != 0 {
		t.Errorf("panics: %s", s.log)
	}
}

// An API server of before v1 is answered in its own version.
func TestOldReview(t *testing.T) {
	s := newServed(nil)
	w := s.post(`{"apiVersion":"admission.k8s.io/v1beta1","kind":"AdmissionReview","request":{"uid":"u-1","kind":{"group":"","version":"v1","kind":"Pod"},"operation":"CREATE","namespace":"shop","object":` + annotated + `}}`)
	var review admissionv1.AdmissionReview
	if err := json.Unmarshal(w.Body.Bytes(), &review); err != nil {
		t.Fatal(err)
	}
	if review.APIVersion != "admission.k8s.io/v1beta1" || !review.Response.Allowed || len(review.Response.Patch) == 0 {
		t.Errorf("answer: %s", w.Body)
	}
}

func TestPrintable(t *testing.T) {
	got := printable([]string{"two\nlines\tand \xff a byte"})
	if want := "logging.taco: two lines and \uFFFD a byte"; got[0] != want {
		t.Errorf("%q, want %q", got[0], want)
	}
}

// BenchmarkReview is the handler with what an API server sends for a usual pod: of a
// Deployment, with two containers, probes, a token's volume, and managed fields.
func BenchmarkReview(b *testing.B) {
	s := newServed(nil)
	s.log = nil
	s.Handler = NewHandler(Options{Profile: profile.Default, Metrics: s.metrics, Log: slog.New(slog.DiscardHandler)})
	body, err := os.ReadFile("testdata/review.json")
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if s.post(string(body)).Code != http.StatusOK {
			b.Fatal("refused")
		}
	}
}
