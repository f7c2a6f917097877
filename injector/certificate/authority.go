package certificate

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"net"
	"time"
)

// authorityName is the subject of every CA made here. CAs of this name that are
// found published are known to be ours, also when their Secret is gone.
const authorityName = "logging.taco injector CA"

// skew is how far a clock may be behind ours: certificates begin this much
// before they were made.
const skew = time.Hour

// authority is a CA that can sign.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// newAuthority makes a self-signed CA that lives from now on.
func newAuthority(now time.Time, life time.Duration) (authority, error) {
	template := &x509.Certificate{
		Subject:               pkix.Name{CommonName: authorityName},
		NotBefore:             now.Add(-skew),
		NotAfter:              now.Add(life),
		KeyUsage:              x509.KeyUsageCertSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
		MaxPathLenZero:        true,
	}
	cert, key, err := sign(template, nil)
	if err != nil {
		return authority{}, fmt.Errorf("make a CA: %w", err)
	}
	return authority{cert, key}, nil
}

// issue makes a server certificate for names, which are DNS names or addresses.
// It never outlives its CA.
func (a authority) issue(names []string, now time.Time, life time.Duration) (*x509.Certificate, *ecdsa.PrivateKey, error) {
	template := &x509.Certificate{
		Subject:     pkix.Name{CommonName: names[0]},
		NotBefore:   now.Add(-skew),
		NotAfter:    now.Add(life),
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	if template.NotAfter.After(a.cert.NotAfter) {
		template.NotAfter = a.cert.NotAfter
	}
	for _, name := range names {
		if ip := net.ParseIP(name); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, name)
		}
	}
	cert, key, err := sign(template, &a)
	if err != nil {
		return nil, nil, fmt.Errorf("make a certificate for %s: %w", names[0], err)
	}
	return cert, key, nil
}

// sign makes a key and a certificate for it, signed by parent, or by itself
// without one.
func sign(template *x509.Certificate, parent *authority) (*x509.Certificate, *ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	if parent == nil {
		parent = &authority{template, key}
	}
	if template.SerialNumber, err = rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127)); err != nil {
		return nil, nil, err
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent.cert, key.Public(), parent.key)
	if err != nil {
		return nil, nil, err
	}
	cert, err := x509.ParseCertificate(der)
	return cert, key, err
}

// made is when a certificate of ours was made.
func made(c *x509.Certificate) time.Time { return c.NotBefore.Add(skew) }

// aged says whether two thirds of a certificate's life are over. It asks the
// certificate, not the settings, so that replicas with different settings agree.
func aged(c *x509.Certificate, now time.Time) bool {
	life := c.NotAfter.Sub(made(c))
	return !now.Before(made(c).Add(life * 2 / 3))
}
