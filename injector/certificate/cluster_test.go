package certificate

import (
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

// lost is an API server at which every write comes second.
func lost(t *testing.T, bodies map[string]string) *Keeper {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		body, _ := io.ReadAll(r.Body)
		bodies[r.Method] = string(body)
		switch {
		case r.Method == http.MethodPost:
			w.WriteHeader(http.StatusConflict)
			io.WriteString(w, `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"AlreadyExists","code":409}`)
		case r.Method != http.MethodGet:
			w.WriteHeader(http.StatusConflict)
			io.WriteString(w, `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Conflict","code":409}`)
		case strings.Contains(r.URL.Path, "/secrets/"):
			io.WriteString(w, `{"kind":"Secret","apiVersion":"v1","metadata":{"name":"s","resourceVersion":"5"},"data":{"note":"a2VwdA=="}}`)
		default:
			io.WriteString(w, `{"kind":"MutatingWebhookConfiguration","apiVersion":"admissionregistration.k8s.io/v1","metadata":{"name":"w","resourceVersion":"5"},
				"webhooks":[{"name":"pods.example.com","clientConfig":{}},{"name":"more.example.com","clientConfig":{}}]}`)
		}
	}))
	t.Cleanup(server.Close)
	client, err := kubernetes.NewForConfig(&rest.Config{Host: server.URL, ContentConfig: rest.ContentConfig{ContentType: "application/json"}})
	if err != nil {
		t.Fatal(err)
	}
	k, err := NewKeeper(client, Objects{"ns", "s", "w"}, []string{host}, Policy{}, time.Now, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// Whoever comes second is told so, whichever way the API server says it.
func TestSecondWriter(t *testing.T) {
	bodies := map[string]string{}
	k := lost(t, bodies)
	ctx, data := t.Context(), map[string][]byte{keyLeaf: []byte("x")}
	for name, err := range map[string]error{
		"create":           k.secret.Write(ctx, data, ""),
		"update":           k.secret.Write(ctx, data, "5"),
		"an older version": k.secret.Write(ctx, data, "4"),
		"publish":          k.trust.Write(ctx, []byte("x"), "5"),
	} {
		if !errors.Is(err, errConflict) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := k.Look(ctx); !errors.Is(err, errConflict) {
		t.Errorf("a look that only ever loses ends with %v", err)
	}
}

// What is written is ours alone, and bound to the version that was read.
func TestWrittenIsOurs(t *testing.T) {
	bodies := map[string]string{}
	k := lost(t, bodies)
	_ = k.secret.Write(t.Context(), map[string][]byte{keyLeaf: []byte("x")}, "5")
	for _, want := range []string{`"resourceVersion":"5"`, `"note":"a2VwdA=="`, `"tls.crt":"eA=="`} {
		if !strings.Contains(bodies[http.MethodPut], want) {
			t.Errorf("the Secret is updated without %s: %s", want, bodies[http.MethodPut])
		}
	}
	_ = k.trust.Write(t.Context(), []byte("x"), "4")
	var got, want any
	if err := json.Unmarshal([]byte(bodies[http.MethodPatch]), &got); err != nil {
		t.Fatal(err)
	}
	_ = json.Unmarshal([]byte(`{"metadata":{"resourceVersion":"4"},"webhooks":[
		{"name":"pods.example.com","clientConfig":{"caBundle":"eA=="}},{"name":"more.example.com","clientConfig":{"caBundle":"eA=="}}]}`), &want)
	a, _ := json.Marshal(got)
	if b, _ := json.Marshal(want); string(a) != string(b) {
		t.Errorf("the patch is %s, want %s", a, b)
	}
}

func TestKeeperNeedsNames(t *testing.T) {
	if _, err := NewKeeper(nil, Objects{"ns", "", "w"}, []string{host}, Policy{}, time.Now, nil); err == nil {
		t.Error("a Keeper without a Secret")
	}
	if _, err := NewKeeper(nil, Objects{"ns", "s", "w"}, nil, Policy{}, time.Now, nil); err == nil {
		t.Error("a Keeper without a name")
	}
}
