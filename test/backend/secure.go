package backend

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"embed"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// The users of OpenSearchSecure: one who may do all, and one who may only write,
// to indices that begin with "logstash-". Of each, a client certificate and a
// token are as good as the password.
var (
	Admin   = User{"admin", "admin-of-the-tests"}
	Shipper = User{"shipper", "shipper-of-the-tests"}
)

// signingKey signs tokens.
const signingKey = "the key of the tests, which is no secret"

//go:embed security
var security embed.FS

// secure makes a server one that speaks TLS, with an authority of its own.
func (s *server) secure() error {
	folder := s.certificates()
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	var err error
	if s.authority, err = newAuthority(folder); err != nil {
		return err
	}
	for _, user := range []User{Admin, Shipper} {
		if err := s.authority.signClient(user.Name); err != nil {
			return err
		}
	}
	s.client.Transport = &http.Transport{TLSClientConfig: &tls.Config{RootCAs: s.authority.pool()}}
	to := filepath.Join(s.data, "config", "opensearch-security")
	if err := os.MkdirAll(to, 0o755); err != nil {
		return err
	}
	return fs.WalkDir(security, "security", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := security.ReadFile(path)
		if err != nil {
			return err
		}
		key := base64.StdEncoding.EncodeToString([]byte(signingKey))
		return os.WriteFile(filepath.Join(to, filepath.Base(path)), []byte(strings.ReplaceAll(string(text), "SIGNING_KEY", key)), 0o600)
	})
}

// certificates is the folder of all certificates and keys. The plugin reads no others.
func (s *server) certificates() string { return filepath.Join(s.data, "config", "certificates") }

// secureSettings makes a node's certificate, new at each start, and returns the
// settings that name it.
func (s *server) secureSettings() ([]string, error) {
	if err := s.authority.signServer("node", s.address, s.certificateLife); err != nil {
		return nil, err
	}
	settings := []string{
		"plugins.security.ssl.http.enabled=true",
		"plugins.security.ssl.transport.enforce_hostname_verification=false",
		"plugins.security.allow_default_init_securityindex=true",
		"plugins.security.restapi.roles_enabled=all_access",
	}
	for _, layer := range []string{"http", "transport"} {
		for name, file := range map[string]string{"pemcert": "node.crt", "pemkey": "node.key", "pemtrustedcas": "ca.crt"} {
			settings = append(settings, fmt.Sprintf("plugins.security.ssl.%s.%s_filepath=certificates/%s", layer, name, file))
		}
	}
	return settings, nil
}

// CA is the file of the authority that signed the certificate of a secure node.
func (n *Node) CA() string { return filepath.Join(n.certificates(), "ca.crt") }

// Certificate returns the files of a user's client certificate and its key.
func (n *Node) Certificate(user User) (certificate, key string) {
	file := filepath.Join(n.certificates(), user.Name)
	return file + ".crt", file + ".key"
}

// As returns the same node, asked by another user.
func (n *Node) As(user User) *Node {
	other := *n
	other.user = user
	return &other
}

// Token returns a bearer token of a user that a secure node takes for so long.
func Token(user User, life time.Duration) string {
	part := func(v any) string {
		text, err := json.Marshal(v)
		if err != nil {
			panic(err) // of strings and numbers
		}
		return base64.RawURLEncoding.EncodeToString(text)
	}
	now := time.Now()
	text := part(map[string]any{"alg": "HS256", "typ": "JWT"}) + "." +
		part(map[string]any{"sub": user.Name, "iat": now.Unix(), "exp": now.Add(life).Unix()})
	mac := hmac.New(sha256.New, []byte(signingKey))
	mac.Write([]byte(text))
	return text + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}
