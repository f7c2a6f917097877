//go:build linux

package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// An authority signs certificates and writes them, with their keys, as
// NAME.crt and NAME.key into one folder.
type authority struct {
	folder string
	cert   *x509.Certificate
	key    crypto.Signer
}

// makeCertificates makes all the keys of a cluster: who may call whom.
func makeCertificates(folder, node string) error {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	ca, err := newAuthority(folder, "ca")
	if err != nil {
		return err
	}
	// Who speaks for other users (an aggregated API server's front) is signed
	// by an authority of its own, so that no other certificate can.
	front, err := newAuthority(folder, "front-ca")
	if err != nil {
		return err
	}
	server := func(names ...string) x509.Certificate {
		c := x509.Certificate{ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
		for _, name := range names {
			if ip := net.ParseIP(name); ip != nil {
				c.IPAddresses = append(c.IPAddresses, ip)
			} else {
				c.DNSNames = append(c.DNSNames, name)
			}
		}
		return c
	}
	client := x509.Certificate{ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
	for _, leaf := range []struct {
		by       *authority
		file     string
		user     string
		group    string
		template x509.Certificate
	}{
		{ca, "apiserver", "kube-apiserver", "", server("localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc",
			"kubernetes.default.svc.cluster.local", "127.0.0.1", nodeIP, serviceIP)},
		{ca, "kubelet-serving", "system:node:" + node, "system:nodes", server(node, nodeIP)},
		{ca, "kubelet", "system:node:" + node, "system:nodes", client},
		{ca, "apiserver-kubelet-client", kubeletClient, "", client},
		{ca, "controller-manager", "system:kube-controller-manager", "", client},
		{ca, "scheduler", "system:kube-scheduler", "", client},
		{ca, "proxy", "system:kube-proxy", "", client},
		{ca, "admin", "admin", "system:masters", client},
		{front, "front-proxy-client", "front-proxy-client", "", client},
	} {
		if err := leaf.by.sign(leaf.file, leaf.user, leaf.group, leaf.template); err != nil {
			return fmt.Errorf("make the certificate %s: %w", leaf.file, err)
		}
	}
	return makeTokenKey(folder)
}

func newAuthority(folder, file string) (*authority, error) {
	a := &authority{folder: folder}
	return a, a.sign(file, "taco cluster "+file, "", x509.Certificate{IsCA: true, BasicConstraintsValid: true})
}

// sign makes a key and a certificate for it; the first certificate that an
// authority signs is its own.
func (a *authority) sign(file, user, group string, template x509.Certificate) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	if template.SerialNumber, err = rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120)); err != nil {
		return err
	}
	template.Subject = pkix.Name{CommonName: user}
	if group != "" {
		template.Subject.Organization = []string{group}
	}
	template.NotBefore = time.Now().Add(-time.Hour) // clocks may be set back a little
	template.NotAfter = time.Now().AddDate(1, 0, 0)
	template.KeyUsage = x509.KeyUsageDigitalSignature
	if template.IsCA {
		template.KeyUsage |= x509.KeyUsageCertSign
	}
	if a.cert == nil {
		a.cert, a.key = &template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, &template, a.cert, key.Public(), a.key)
	if err != nil {
		return err
	}
	if a.cert == &template {
		if a.cert, err = x509.ParseCertificate(der); err != nil {
			return err
		}
	}
	if err := writePEM(filepath.Join(a.folder, file+".crt"), "CERTIFICATE", der); err != nil {
		return err
	}
	return writeKey(filepath.Join(a.folder, file+".key"), key)
}

// makeTokenKey makes the pair of keys for the tokens of ServiceAccounts.
func makeTokenKey(folder string) error {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return err
	}
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return err
	}
	if err := writePEM(filepath.Join(folder, "sa.pub"), "PUBLIC KEY", public); err != nil {
		return err
	}
	return writeKey(filepath.Join(folder, "sa.key"), key)
}

func writeKey(file string, key crypto.Signer) error {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	return writePEM(file, "PRIVATE KEY", der)
}

func writePEM(file, kind string, der []byte) error {
	return os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600)
}
