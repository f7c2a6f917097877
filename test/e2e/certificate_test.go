package e2e

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// The CA has come into its last third, under load: both injectors come to serve a
// certificate of a new one, and every pod meanwhile has its sidecar.
func TestCertificateRenewed(t *testing.T) {
	b := newBench(t)
	injectorsReady(b)
	var secret corev1.Secret
	b.get(&secret, "-n", own, "secret", "injector-certificate")
	served := parse(b, secret.Data["tls.crt"])

	// The same as it would be in ten months: an old CA and its certificate, and
	// the one that is served now is still trusted.
	made := time.Now().Add(-4 * time.Hour) // begun an hour before it was made
	old := issue(b, &x509.Certificate{
		Subject: pkix.Name{CommonName: "logging.taco injector CA"}, NotBefore: made, NotAfter: made.Add(5 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}, nil)
	leaf := issue(b, &x509.Certificate{
		Subject: served.Subject, DNSNames: served.DNSNames, IPAddresses: served.IPAddresses, NotBefore: made, NotAfter: made.Add(5 * time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}, old)
	data, err := json.Marshal(map[string]any{"data": map[string][]byte{
		"ca.crt": append(old.text, secret.Data["ca.crt"]...), "ca.key": old.key(b), "tls.crt": leaf.text, "tls.key": leaf.key(b),
	}})
	if err != nil {
		t.Fatal(err)
	}

	l := b.load()
	l.more(b, 200)
	b.run("patch", "-n", own, "secret", "injector-certificate", "--type=merge", "-p", string(data))
	var renewed *x509.Certificate
	b.eventually("there is a new certificate", func() error {
		b.get(&secret, "-n", own, "secret", "injector-certificate")
		renewed = parse(b, secret.Data["tls.crt"])
		if renewed.Equal(served) || renewed.Equal(leaf.cert) {
			return errors.New("not yet")
		}
		return nil
	})
	for _, pod := range injectors(b) {
		b.eventually(pod+" serves it", func() error {
			ends := injectorMetric(b, pod, "taco_injector_certificate_expiry_timestamp_seconds", "")
			return differs(int64(ends), renewed.NotAfter.Unix())
		})
	}
	l.more(b, 500)
	l.stop()
	l.whole(b, "while the certificate was renewed")
	if bundle := secret.Data["ca.crt"]; bytes.Equal(bundle[:len(old.text)], old.text) || !bytes.Contains(bundle, old.text) {
		t.Error("the old CA is first, or no longer trusted at all")
	}
}

// A certificate with its key, as PEM.
type certificate struct {
	cert   *x509.Certificate
	signer *ecdsa.PrivateKey
	text   []byte
}

// issue makes one, signed by another or by itself.
func issue(b *bench, template *x509.Certificate, by *certificate) *certificate {
	b.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		b.Fatal(err)
	}
	template.SerialNumber = big.NewInt(time.Now().UnixNano())
	parent, signer := template, key
	if by != nil {
		parent, signer = by.cert, by.signer
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		b.Fatal(err)
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	return &certificate{parse(b, text), key, text}
}

func (c *certificate) key(b *bench) []byte {
	b.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(c.signer)
	if err != nil {
		b.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

func parse(b *bench, text []byte) *x509.Certificate {
	b.Helper()
	block, _ := pem.Decode(text)
	if block == nil {
		b.Fatalf("no certificate: %q", text)
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		b.Fatal(err)
	}
	return cert
}

// differs is nil when two values are the same.
func differs[T comparable](got, want T) error {
	if got != want {
		return fmt.Errorf("it is %v, not %v", got, want)
	}
	return nil
}
