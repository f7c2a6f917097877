//go:build linux

package main

import (
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"testing"
)

func TestCertificates(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "keys")
	if err := makeCertificates(folder, "n1"); err != nil {
		t.Fatal(err)
	}
	pool := func(file string) *x509.CertPool {
		p := x509.NewCertPool()
		p.AddCert(readCert(t, folder, file))
		return p
	}
	ca, front := pool("ca"), pool("front-ca")
	server, client := x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth
	for _, want := range []struct {
		file, user, group string
		roots, others     *x509.CertPool
		usage             x509.ExtKeyUsage
		names             []string
	}{
		{"apiserver", "kube-apiserver", "", ca, front, server, []string{"localhost", "kubernetes.default.svc", "127.0.0.1", "10.244.0.1", "10.96.0.1"}},
		{"kubelet-serving", "system:node:n1", "system:nodes", ca, front, server, []string{"n1", "10.244.0.1"}},
		{"kubelet", "system:node:n1", "system:nodes", ca, front, client, nil},
		{"apiserver-kubelet-client", "kube-apiserver-kubelet-client", "", ca, front, client, nil},
		{"controller-manager", "system:kube-controller-manager", "", ca, front, client, nil},
		{"scheduler", "system:kube-scheduler", "", ca, front, client, nil},
		{"proxy", "system:kube-proxy", "", ca, front, client, nil},
		{"admin", "admin", "system:masters", ca, front, client, nil},
		{"front-proxy-client", "front-proxy-client", "", front, ca, client, nil},
	} {
		cert := readCert(t, folder, want.file)
		if cert.Subject.CommonName != want.user {
			t.Errorf("%s: user %q, want %q", want.file, cert.Subject.CommonName, want.user)
		}
		if got := append(cert.Subject.Organization, "")[0]; got != want.group {
			t.Errorf("%s: group %q, want %q", want.file, got, want.group)
		}
		for _, name := range append(want.names, "") {
			if _, err := cert.Verify(x509.VerifyOptions{Roots: want.roots, DNSName: name, KeyUsages: []x509.ExtKeyUsage{want.usage}}); err != nil {
				t.Errorf("%s as %q: %v", want.file, name, err)
			}
		}
		if _, err := cert.Verify(x509.VerifyOptions{Roots: want.others, KeyUsages: []x509.ExtKeyUsage{want.usage}}); err == nil {
			t.Errorf("%s: the other authority vouches for it, too", want.file)
		}
		if _, err := cert.Verify(x509.VerifyOptions{Roots: want.roots, KeyUsages: []x509.ExtKeyUsage{server + client - want.usage}}); err == nil {
			t.Errorf("%s: good for both server and client", want.file)
		}
	}
	keys, err := filepath.Glob(folder + "/*.key")
	if err != nil || len(keys) != 12 {
		t.Errorf("%d keys (%v), want 12", len(keys), err)
	}
	for _, key := range keys {
		if info, err := os.Stat(key); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s can be read by others: %v %v", key, info.Mode(), err)
		}
	}
}

func readCert(t *testing.T, folder, file string) *x509.Certificate {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(folder, file+".crt"))
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(text)
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}
