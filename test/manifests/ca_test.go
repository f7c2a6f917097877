package manifests

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// A ca is a certificate that signed itself, with its key: CA and server at once.
type ca struct {
	file string // tls.crt, with tls.key beside it as in a mounted Secret
	pem  []byte
	pool *x509.CertPool
}

func newCA(t *testing.T) *ca {
	t.Helper()
	c, err := makeCA(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func makeCA(dir string) (*ca, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "an administrator's"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(30 * 24 * time.Hour),
		DNSNames: []string{"injector." + own + ".svc"},
		IsCA:     true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, err
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	c := &ca{pem: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pool: x509.NewCertPool()}
	c.file = filepath.Join(dir, "tls.crt")
	c.pool.AppendCertsFromPEM(c.pem)
	for name, content := range map[string][]byte{
		"tls.crt": c.pem, "tls.key": pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// bundle writes the certificate as overlays/files wants it.
func (c *ca) bundle(t *testing.T, file string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(base64.StdEncoding.EncodeToString(c.pem)), 0o600); err != nil {
		t.Fatal(err)
	}
}
