package backend_test

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/http"
	"testing"
	"time"

	"logging.taco/test/backend"
)

func TestSecure(t *testing.T) {
	begin := time.Now()
	n := backend.Start(t, backend.OpenSearchSecure, backend.CertificateLife(time.Hour))
	t.Logf("started in %s", time.Since(begin))
	store(t, n, "anything", 0, 1)
	shipper := n.As(backend.Shipper)
	store(t, shipper, "logstash-2018.02.04", 0, 10)

	status, body := shipper.Post("/other/_bulk", bulk(0, 1))
	if status != http.StatusOK || body.At("items", "0", "create", "status") != 403.0 {
		t.Errorf("the shipper writes elsewhere: status %d: %v", status, body)
	}
	for _, c := range []struct {
		path string
		user backend.User
		want int
	}{
		{"/_cluster/health", backend.Shipper, http.StatusForbidden},
		{"/", backend.Shipper, http.StatusForbidden},
		{"/", backend.User{Name: "shipper", Password: "wrong"}, http.StatusUnauthorized},
		{"/", backend.User{}, http.StatusUnauthorized},
		{"/", backend.Admin, http.StatusOK},
	} {
		if status, body := n.As(c.user).Get(c.path); status != c.want {
			t.Errorf("%s as %v: status %d, want %d: %v", c.path, c.user, status, c.want, body)
		}
	}
	if left := time.Until(expiry(t, n)); left > time.Hour {
		t.Errorf("the certificate expires in %s, want an hour", left)
	}
	n.Kill()
	n.Restart(backend.CertificateLife(2 * time.Hour))
	if left := time.Until(expiry(t, n)); left < time.Hour {
		t.Errorf("after a restart it expires in %s, want two hours", left)
	}
	n.Refresh("logstash-*")
	if count := n.Count("logstash-*", ""); count != 10 {
		t.Errorf("%d documents, want 10", count)
	}

	_, err := http.Get(n.URL())
	var unknown x509.UnknownAuthorityError
	if !errors.As(err, &unknown) {
		t.Errorf("without its CA: %v", err)
	}
}

// expiry is when the node's certificate expires.
func expiry(t *testing.T, n *backend.Node) time.Time {
	t.Helper()
	res, err := n.Client().Get(n.URL())
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	return res.TLS.PeerCertificates[0].NotAfter
}

// Who comes with a certificate or a token needs no password.
func TestSecureWithoutPassword(t *testing.T) {
	n := backend.Shared(t, backend.OpenSearchSecure)
	store(t, n, n.Prefix+"logs", 0, 1)
	who := func(c *http.Client, token string) int {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, n.URL()+"/"+n.Prefix+"logs/_count", nil)
		if err != nil {
			t.Fatal(err)
		}
		if token != "" {
			req.Header.Set("Authorization", "Bearer "+token)
		}
		res, err := c.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		return res.StatusCode
	}
	for _, c := range []struct {
		user backend.User
		want int
	}{{backend.Admin, http.StatusOK}, {backend.Shipper, http.StatusForbidden}} {
		pair, err := tls.LoadX509KeyPair(n.Certificate(c.user))
		if err != nil {
			t.Fatal(err)
		}
		transport := n.Client().Transport.(*http.Transport).Clone()
		transport.TLSClientConfig.Certificates = []tls.Certificate{pair}
		if status := who(&http.Client{Transport: transport}, ""); status != c.want {
			t.Errorf("certificate of %s: status %d, want %d", c.user.Name, status, c.want)
		}
		if status := who(n.Client(), backend.Token(c.user, time.Hour)); status != c.want {
			t.Errorf("token of %s: status %d, want %d", c.user.Name, status, c.want)
		}
		if status := who(n.Client(), backend.Token(c.user, -time.Hour)); status != http.StatusUnauthorized {
			t.Errorf("expired token of %s: status %d", c.user.Name, status)
		}
	}
}
