package backend

import (
	"crypto/tls"
	"path/filepath"
	"testing"
	"time"
)

// NewTLSScript starts one that speaks TLS, with an authority of its own.
func NewTLSScript(t testing.TB) *Script {
	t.Helper()
	s := newScript(t)
	var err error
	if s.authority, err = newAuthority(t.TempDir()); err != nil {
		t.Fatal(err)
	}
	s.Certify(t, longLife)
	s.server.TLS = &tls.Config{GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		return &tls.Config{Certificates: []tls.Certificate{*s.certificate}, ClientAuth: tls.VerifyClientCertIfGiven, ClientCAs: s.authority.pool()}, nil
	}}
	s.server.StartTLS()
	return s
}

// Certify makes a new certificate, which expires after so long, and ends the
// connections that had the former.
func (s *Script) Certify(t testing.TB, life time.Duration) {
	t.Helper()
	file := filepath.Join(s.authority.folder, "script")
	err := s.authority.signServer("script", "127.0.0.1", life)
	var pair tls.Certificate
	if err == nil {
		pair, err = tls.LoadX509KeyPair(file+".crt", file+".key")
	}
	if err != nil {
		t.Fatal(err)
	}
	s.mu.Lock()
	s.certificate = &pair
	s.mu.Unlock()
	s.CloseConnections()
}

// CA is the file of the authority that signs the certificate.
func (s *Script) CA() string { return filepath.Join(s.authority.folder, "ca.crt") }

// ClientCertificate makes a client's certificate, which is asked for by no one but
// is seen in the TLS state of a Bulk, and returns its files.
func (s *Script) ClientCertificate(t testing.TB, name string) (certificate, key string) {
	t.Helper()
	if err := s.authority.signClient(name); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(s.authority.folder, name)
	return file + ".crt", file + ".key"
}

// CloseConnections ends all connections: clients have to come anew.
func (s *Script) CloseConnections() { s.server.CloseClientConnections() }
