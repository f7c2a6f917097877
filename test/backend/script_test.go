package backend_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"logging.taco/test/backend"
)

func TestScript(t *testing.T) {
	s := backend.NewScript(t)
	send := func(body string) (status int, text string, err error) {
		client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL()+"/logs/_bulk", strings.NewReader(gzipped(t, body)))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Encoding", "gzip")
		res, err := client.Do(req)
		if err != nil {
			return 0, "", err
		}
		defer res.Body.Close()
		b, err := io.ReadAll(res.Body)
		return res.StatusCode, string(b) + res.Header.Get("Retry-After") + res.Header.Get("Location"), err
	}
	statuses := func(text string) (all []int) {
		var answer struct {
			Errors bool
			Items  []struct{ Create struct{ Status int } }
		}
		if err := json.Unmarshal([]byte(text), &answer); err != nil {
			t.Fatalf("%v: %s", err, text)
		}
		for _, i := range answer.Items {
			all = append(all, i.Create.Status)
		}
		return all
	}
	s.Then(
		backend.Items(backend.Item{Status: 201}, backend.Item{Status: 400, Type: "mapper_parsing_exception", Reason: "why"}),
		backend.Text(429, "{}", "", "Retry-After", "2"), backend.HTML(200), backend.Redirect(307, "http://elsewhere"),
		backend.Miscounted(1), backend.Cut(20), backend.Dropped(),
	)
	if _, text, err := send(bulk(0, 3)); err != nil || !strings.Contains(text, "mapper_parsing_exception") || len(statuses(text)) != 3 || statuses(text)[1] != 400 {
		t.Errorf("items: %v, %s", err, text)
	}
	if status, text, err := send(bulk(0, 3)); err != nil || status != 429 || text != "{}2" {
		t.Errorf("status: %d %s %v", status, text, err)
	}
	if status, text, err := send(bulk(0, 3)); err != nil || status != 200 || !strings.HasPrefix(text, "<!DOCTYPE html>") {
		t.Errorf("HTML: %d %s %v", status, text, err)
	}
	if status, text, err := send(bulk(0, 3)); err != nil || status != 307 || text != "http://elsewhere" {
		t.Errorf("redirect: %d %s %v", status, text, err)
	}
	if _, text, err := send(bulk(10, 3)); err != nil || len(statuses(text)) != 1 {
		t.Errorf("miscounted: %s %v", text, err)
	}
	if status, text, err := send(bulk(20, 3)); status != 200 || len(text) != 20 || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("cut: %d %s %v", status, text, err)
	}
	if status, _, err := send(bulk(30, 3)); err == nil {
		t.Errorf("dropped: %d", status)
	}
	if _, text, err := send(bulk(0, 3)); err != nil || statuses(text)[0] != 409 || statuses(text)[1] != 201 || statuses(text)[2] != 409 {
		t.Errorf("as usual: %s %v", text, err)
	}
	if status, _, err := send(`{"create":{}}` + "\n{"); err != nil || status != 400 {
		t.Errorf("no bulk: %d %v", status, err)
	}
	documents := s.Documents()
	if len(documents) != 9 || string(documents["logs/1"].Source) != `{"log":"line 1"}` || documents["logs/22"].ID != "22" {
		t.Errorf("documents: %v", documents)
	}
	if bulks := s.Bulks(); len(bulks) != 8 || bulks[0].Actions[2].ID != "2" || string(bulks[0].Plain) != bulk(0, 3) {
		t.Errorf("%d bulks", len(bulks))
	}
}

// A client that has no answer knows nothing: the document may be there or not.
func TestScriptUntil(t *testing.T) {
	s := backend.NewScript(t)
	s.Always(backend.Cut(0))
	go func() {
		for _, id := range []int{1, 2} {
			res, err := http.Post(s.URL()+"/logs/_bulk", "application/x-ndjson", strings.NewReader(bulk(id, 1)))
			if err == nil {
				res.Body.Close()
			}
		}
	}()
	s.Until(t, "two documents", func() bool { return len(s.Documents()) == 2 })
}

func TestTLSScript(t *testing.T) {
	s := backend.NewTLSScript(t)
	text, err := os.ReadFile(s.CA())
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(text)
	pair, err := tls.LoadX509KeyPair(s.ClientCertificate(t, "client"))
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, Certificates: []tls.Certificate{pair}}}}
	defer client.CloseIdleConnections()
	send := func() error {
		res, err := client.Post(s.URL()+"/logs/_bulk", "application/x-ndjson", strings.NewReader(bulk(0, 1)))
		if err == nil {
			io.Copy(io.Discard, res.Body)
			res.Body.Close()
		}
		return err
	}
	if err := send(); err != nil {
		t.Fatal(err)
	}
	if peers := s.Bulks()[0].TLS.PeerCertificates; len(peers) != 1 || peers[0].Subject.CommonName != "client" {
		t.Errorf("the client is %v", peers)
	}
	s.Certify(t, -time.Minute)
	client.CloseIdleConnections() // it may not have seen yet that they are closed
	var invalid x509.CertificateInvalidError
	if err := send(); !errors.As(err, &invalid) || invalid.Reason != x509.Expired {
		t.Errorf("with an expired certificate: %v", err)
	}
	s.Certify(t, time.Hour)
	client.CloseIdleConnections()
	if err := send(); err != nil {
		t.Error(err)
	}
}
