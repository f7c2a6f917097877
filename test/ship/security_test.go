package ship

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"logging.taco/test/backend"
)

// secret is a folder as the kubelet mounts a Secret: the files are links into a
// folder that is replaced as a whole.
type secret struct {
	t       testing.TB
	dir     string
	version int
}

func newSecret(t testing.TB, files map[string]string) *secret {
	t.Helper()
	s := &secret{t: t, dir: t.TempDir()}
	s.set(files)
	return s
}

// set replaces all files at once.
func (s *secret) set(files map[string]string) {
	s.t.Helper()
	s.version++
	data := fmt.Sprintf("..data-%d", s.version)
	must(s.t, os.Mkdir(filepath.Join(s.dir, data), 0o755))
	for name, text := range files {
		must(s.t, writeFile(filepath.Join(s.dir, data, name), text))
		if err := os.Symlink(filepath.Join("..data", name), filepath.Join(s.dir, name)); err != nil && !os.IsExist(err) {
			s.t.Fatal(err)
		}
	}
	must(s.t, os.Symlink(data, filepath.Join(s.dir, "..next")))
	must(s.t, os.Rename(filepath.Join(s.dir, "..next"), filepath.Join(s.dir, "..data")))
}

func read(t testing.TB, file string) string {
	t.Helper()
	b, err := os.ReadFile(file)
	must(t, err)
	return string(b)
}

// shipSecurely ships to indices that the user Shipper may write to.
func shipSecurely(t *testing.T, files map[string]string) (*shipment, *backend.Node, *secret) {
	t.Helper()
	n := backend.Shared(t, backend.OpenSearchSecure)
	s := ship(t, n)
	s.secrets = append(s.secrets, backend.Shipper.Password, base64.StdEncoding.EncodeToString([]byte(backend.Shipper.Name+":"+backend.Shipper.Password)), "wrong-"+canaryPassword)
	c := newSecret(t, files)
	s.args = append(s.args, "--credentials="+c.dir)
	return s, n, c
}

func shipper(n *backend.Node, t testing.TB) map[string]string {
	return map[string]string{"username": backend.Shipper.Name + "\n", "password": backend.Shipper.Password + "\n", "ca.crt": read(t, n.CA())}
}

// with is a copy of files with one of another content; "" is none.
func with(files map[string]string, name, text string) map[string]string {
	all := map[string]string{}
	for n, t := range files {
		all[n] = t
	}
	if all[name] = text; text == "" {
		delete(all, name)
	}
	return all
}

// Who may write and nothing else can ship, however they say who they are.
func TestAuthentication(t *testing.T) {
	t.Parallel()
	n := backend.Shared(t, backend.OpenSearchSecure)
	certificate, key := n.Certificate(backend.Shipper)
	files := shipper(n, t)
	only := func(name, text string) map[string]string {
		return map[string]string{"ca.crt": files["ca.crt"], name: text}
	}
	for _, c := range []struct {
		name  string
		files map[string]string
		env   []string
	}{
		{name: "password from files", files: files},
		{name: "password from the environment", files: only("ca.crt", files["ca.crt"]), env: []string{"TACO_USERNAME=" + backend.Shipper.Name, "TACO_PASSWORD=" + backend.Shipper.Password}},
		{name: "a file goes before the environment", files: files, env: []string{"TACO_USERNAME=nobody", "TACO_PASSWORD=wrong-" + canaryPassword}},
		{name: "token", files: only("token", backend.Token(backend.Shipper, time.Hour))},
		{name: "client certificate", files: with(only("tls.crt", read(t, certificate)), "tls.key", read(t, key))},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s, _, _ := shipSecurely(t, c.files)
			if token := c.files["token"]; token != "" {
				s.secrets = append(s.secrets, token)
			}
			s.env = append(s.env, c.env...)
			want := lines("a", 100)
			s.write("a.log", text(want))
			a := s.start()
			a.untilDocuments(len(want))
			a.stop(0)
			s.holds(want...)
			// The template is none of this user's business, which stops nothing.
			if said := a.said.String(); !strings.Contains(said, "template is not looked at") || !strings.Contains(said, "403") {
				t.Errorf("it says:\n%s", said)
			}
		})
	}
}

// What is wrong with the credentials is said, records wait, and a Secret that is
// put right is enough: the sidecar is not restarted.
func TestWrongCredentials(t *testing.T) {
	t.Parallel()
	n := backend.Shared(t, backend.OpenSearchSecure)
	right := shipper(n, t)
	other := backend.NewTLSScript(t)
	strange := read(t, other.CA())
	certificate, key := other.ClientCertificate(t, "shipper")
	token := map[string]string{"ca.crt": right["ca.crt"], "token": backend.Token(backend.Shipper, -time.Hour)}
	for _, c := range []struct {
		name         string
		wrong, right map[string]string
		reason, said string
	}{
		{"password", with(right, "password", "wrong-"+canaryPassword), right, "unauthorized", "does not know these credentials"},
		{"nobody", with(with(right, "username", ""), "password", ""), right, "unauthorized", "does not know these credentials"},
		{"expired token", token, with(token, "token", backend.Token(backend.Shipper, time.Hour)), "unauthorized", "does not know these credentials"},
		{"another CA", with(right, "ca.crt", strange), right, "unreachable", "certificate signed by unknown authority"},
		{"no CA", with(right, "ca.crt", ""), right, "unreachable", "certificate signed by unknown authority"},
		{"a client certificate of another CA", with(with(with(with(right, "tls.crt", read(t, certificate)), "tls.key", read(t, key)), "username", ""), "password", ""), right, "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s, _, secret := shipSecurely(t, c.wrong)
			want := lines("a", 100)
			s.write("a.log", text(want))
			a := s.start()
			if c.reason == "" {
				a.until("records wait", func(m metrics) bool { return m.blocked() != "" })
			} else {
				a.untilBlocked(c.reason)
			}
			if !strings.Contains(a.said.String(), c.said) {
				t.Errorf("it says:\n%s\nwant %q", a.said.String(), c.said)
			}
			secret.set(c.right)
			a.untilDocuments(len(want))
			a.stop(0)
			s.holds(want...)
		})
	}
}

// A Secret that comes to be unusable leaves the last good one in use.
func TestBrokenSecret(t *testing.T) {
	t.Parallel()
	n := backend.Shared(t, backend.OpenSearchSecure)
	right := shipper(n, t)
	for name, broken := range map[string]map[string]string{
		"no PEM":          with(right, "ca.crt", canaryPassword),
		"half a key pair": with(right, "tls.crt", read(t, n.CA())),
		"two lines":       with(right, "password", "a\n"+canaryPassword),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, _, secret := shipSecurely(t, right)
			s.write("a.log", canary+" 1\n")
			a := s.start()
			a.untilDocuments(1)
			secret.set(broken)
			n := 1
			eventually(t, "it is said", func() bool {
				n++ // a request is what makes it look
				s.write("a.log", fmt.Sprintf("%s %d\n", canary, n))
				a.untilDocuments(n)
				return strings.Contains(a.said.String(), "going on with the last good ones")
			})
			a.stop(0)
		})
	}
}

// TestServerName: the certificate is for localhost and 127.0.0.1.
func TestServerName(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, said string }{
		{"localhost", ""},
		{"elsewhere.example", "not elsewhere.example"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s, n, secret := shipSecurely(t, nil)
			secret.set(shipper(n, t))
			s.write("a.log", canary+"\n")
			a := s.start("--server-name="+c.name, "--grace=1s")
			if c.said == "" {
				a.untilDocuments(1)
				a.stop(0)
				return
			}
			a.untilBlocked("unreachable")
			if !strings.Contains(a.said.String(), c.said) {
				t.Errorf("it says:\n%s", a.said.String())
			}
			a.stop(3)
		})
	}
}

// TestWrongScheme: http where TLS is spoken, and the other way round.
func TestWrongScheme(t *testing.T) {
	t.Parallel()
	secure := backend.NewTLSScript(t)
	plain := backend.NewScript(t)
	for name, to := range map[string]string{
		"http": strings.Replace(secure.URL(), "https:", "http:", 1), "https": strings.Replace(plain.URL(), "http:", "https:", 1),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := shipTo(t, to)
			s.write("a.log", canary+"\n")
			a := s.start("--grace=1s")
			a.until("records wait", func(m metrics) bool { return m.blocked() != "" })
			a.stop(3)
		})
	}
}

// An index that the role does not name waits, the others do not; the role can
// be changed meanwhile.
func TestOutsideOfTheRole(t *testing.T) {
	t.Parallel()
	s, n, secret := shipSecurely(t, nil)
	secret.set(shipper(n, t))
	outside := strings.Replace(n.Prefix, "logstash-", "outside-", 1)
	t.Cleanup(func() { n.Do(t.Context(), http.MethodDelete, "/"+outside+"*", nil) })
	s = twoIndices(s, fmt.Sprintf("credentials: %q", secret.dir), n.Prefix+"good", outside+"bad")
	s.index, s.all = "{kubernetes.container_name}", n.Prefix+"*,"+outside+"*"
	good, bad := lines("good", 20), lines("bad", 20)
	s.write("good.log", text(good))
	s.write("bad.log", text(bad))
	a := s.run()
	a.untilBlocked("forbidden")
	a.until("the good half is stored", func(m metrics) bool { return m.documents() == len(good) })
	if !strings.Contains(a.said.String(), "security_exception") {
		t.Errorf("it says:\n%s", a.said.String())
	}
	status, body := n.Put("/_plugins/_security/api/roles/outside", object{
		"cluster_permissions": []string{"indices:data/write/bulk"},
		"index_permissions":   []any{object{"index_patterns": []string{outside + "*"}, "allowed_actions": []string{"create_index", "indices:data/write/*", "indices:admin/mapping/put"}}},
	})
	if status == http.StatusCreated {
		status, body = n.Put("/_plugins/_security/api/rolesmapping/outside", object{"users": []string{backend.Shipper.Name}})
	}
	if status != http.StatusCreated {
		t.Fatalf("change the role: status %d: %v", status, body)
	}
	a.untilDocuments(len(good) + len(bad))
	a.stop(0)
	s.holds(append(bad, good...)...)
}

// TestAuthorizationHeader: what no node here checks.
func TestAuthorizationHeader(t *testing.T) {
	t.Parallel()
	encoded := base64.StdEncoding.EncodeToString([]byte("id:" + canaryPassword))
	for _, c := range []struct {
		name  string
		files map[string]string
		want  string
	}{
		{"API key as it is encoded", map[string]string{"api-key": encoded + "\n"}, "ApiKey " + encoded},
		{"API key as id and key", map[string]string{"api-key": "id:" + canaryPassword}, "ApiKey " + encoded},
		{"token", map[string]string{"token": canaryPassword + "\r\n"}, "Bearer " + canaryPassword},
		{"an API key goes first", map[string]string{"token": canaryPassword, "api-key": encoded, "username": "a", "password": "b"}, "ApiKey " + encoded},
		{"password with colons and spaces", map[string]string{"username": "a b", "password": ":" + canaryPassword + ": ü "}, "Basic " + base64.StdEncoding.EncodeToString([]byte("a b::"+canaryPassword+": ü "))},
		{"none", nil, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s, b := shipToScript(t)
			s.secrets = append(s.secrets, encoded)
			s.write("a.log", canary+"\n")
			s.once("--credentials=" + newSecret(t, c.files).dir)
			if got := b.Bulks()[0].Header.Get("Authorization"); got != c.want {
				t.Errorf("the header is %q, want %q", got, c.want)
			}
		})
	}
}

// TestRotatedHeader: a Secret that is rotated while all is well counts within seconds.
func TestRotatedHeader(t *testing.T) {
	t.Parallel()
	s, b := shipToScript(t)
	secret := newSecret(t, map[string]string{"token": canaryPassword + "-1"})
	a := s.start("--credentials=" + secret.dir)
	n := 0
	until := func(want string) {
		eventually(t, want, func() bool {
			n++
			s.write("a.log", fmt.Sprintf("%s %d\n", canary, n))
			a.untilDocuments(n)
			all := b.Bulks()
			return all[len(all)-1].Header.Get("Authorization") == "Bearer "+want
		})
	}
	until(canaryPassword + "-1")
	secret.set(map[string]string{"token": canaryPassword + "-2"})
	until(canaryPassword + "-2")
	a.stop(0)
}

// A password in an address is refused, and not shown.
func TestPasswordInAddress(t *testing.T) {
	t.Parallel()
	for _, to := range []string{"http://user:" + canaryPassword + "@127.0.0.1:9", "http://user:" + canaryPassword + "@127.0.0.1:x"} {
		s := shipTo(t, to)
		s.write("a.log", canary+"\n")
		a := s.start()
		a.exit(2) // its end looks at stderr
	}
}

// TestExpiredCertificate: of the backend, while the sidecar runs.
func TestExpiredCertificate(t *testing.T) {
	t.Parallel()
	b := backend.NewTLSScript(t)
	s := shipTo(t, b.URL())
	a := s.start("--credentials=" + newSecret(t, map[string]string{"ca.crt": read(t, b.CA())}).dir)
	s.write("a.log", canary+" 1\n")
	a.untilDocuments(1)
	b.Certify(t, -time.Minute)
	s.write("a.log", canary+" 2\n")
	a.untilBlocked("unreachable")
	if !strings.Contains(a.said.String(), "certificate has expired") {
		t.Errorf("it says:\n%s", a.said.String())
	}
	b.Certify(t, time.Hour)
	a.untilDocuments(2)
	a.stop(0)
	eachOnce(t, texts(t, b), []string{canary + " 1", canary + " 2"})
}

// TestClientCertificate is seen by the other side, also after it is rotated.
func TestClientCertificate(t *testing.T) {
	t.Parallel()
	b := backend.NewTLSScript(t)
	files := func(name string) map[string]string {
		certificate, key := b.ClientCertificate(t, name)
		return map[string]string{"ca.crt": read(t, b.CA()), "tls.crt": read(t, certificate), "tls.key": read(t, key)}
	}
	s := shipTo(t, b.URL())
	secret := newSecret(t, files("one"))
	a := s.start("--credentials=" + secret.dir)
	n := 0
	until := func(want string) {
		eventually(t, want, func() bool {
			n++
			s.write("a.log", fmt.Sprintf("%s %d\n", canary, n))
			a.untilDocuments(n)
			all := b.Bulks()
			peers := all[len(all)-1].TLS.PeerCertificates
			return len(peers) == 1 && peers[0].Subject.CommonName == want
		})
	}
	until("one")
	secret.set(files("two"))
	until("two")
	a.stop(0)
}
