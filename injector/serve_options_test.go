package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	admissionv1 "k8s.io/api/admission/v1"

	"logging.taco/injector/profile"
)

func TestServeFlags(t *testing.T) {
	for name, c := range map[string]struct {
		args   []string
		status int
		says   string
	}{
		"unknown":   {[]string{"--nonsense"}, 2, "nonsense"},
		"argument":  {[]string{"profile.yaml"}, 2, `"profile.yaml"`},
		"port":      {[]string{"--port", "0"}, 2, "--port 0"},
		"no number": {[]string{"--port", "https"}, 2, "https"},
		"service":   {[]string{"--service", "injector"}, 2, "NAMESPACE/NAME"},
		"secret":    {[]string{"--certificate-secret", "a/b/c"}, 2, "NAMESPACE/NAME"},
		"names":     {[]string{"--certificate-names", "a,,b"}, 2, "empty name"},
		"webhook":   {[]string{"--webhook-configuration", ""}, 2, "--webhook-configuration"},
		"delay":     {[]string{"--shutdown-delay", "-1s"}, 2, "negative"},
		"log level": {[]string{"--log-level", "loud"}, 2, "loud"},
		"help":      {[]string{"--help"}, 0, "usage"},
	} {
		t.Run(name, func(t *testing.T) {
			var stderr bytes.Buffer
			o, status := parseServe(c.args, &stderr)
			if o != nil || status != c.status {
				t.Errorf("exit status %d, want %d", status, c.status)
			}
			if !strings.Contains(stderr.String(), c.says) || !strings.Contains(stderr.String(), "usage: injector serve") {
				t.Errorf("says %s", &stderr)
			}
		})
	}
	o, _ := parseServe([]string{"--service", "ns/svc", "--certificate-names", "a.example, 10.0.0.1"}, io.Discard)
	if got := o.certificateNames(); !slices.Equal(got, []string{"svc.ns.svc", "a.example", "10.0.0.1"}) {
		t.Errorf("certificate names %q", got)
	}
}

// A profile is taken up with what the cluster says; a wrong one ends the start,
// as a wrong flag does.
func TestServeProfile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "profile.yaml")
	o, _ := parseServe([]string{"--config", file, "--service", "elsewhere/injector"}, io.Discard)
	log := slog.New(slog.DiscardHandler)
	store, err := o.profile(t.Context(), nil, log)
	if err != nil {
		t.Fatal(err)
	}
	if p := store.Profile(); p.Image != profile.DefaultImage || !p.Skips("elsewhere") {
		t.Errorf("without a file: %+v", p)
	}
	if err := os.WriteFile(file, []byte("imagge: x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err = o.profile(t.Context(), nil, log); !errors.Is(err, errProfile) || !strings.Contains(err.Error(), "imagge") {
		t.Errorf("with a wrong key: %v", err)
	}
}

// A changed profile is in use without a restart; a broken one is seen in a metric.
func TestServeReload(t *testing.T) {
	dir := t.TempDir()
	writeFiles(t, dir, selfSigned(t))
	file := filepath.Join(dir, "profile.yaml")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file+"~", []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(file+"~", file); err != nil {
			t.Fatal(err)
		}
	}
	write("image: registry.example/sidecar:v2\n")
	r := &replica{port: freePort(t), health: freePort(t)}
	r.metrics = r.health
	o, _ := parseServe([]string{
		"--cert-dir", dir, "--kubeconfig", filepath.Join(dir, "none"), "--address", "127.0.0.1", "--config", file,
		"--port", strconv.Itoa(r.port), "--health", address(r.health), "--metrics", address(r.health), "--shutdown-delay", "0s",
	}, io.Discard)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- o.run(ctx, slog.New(slog.DiscardHandler)) }()
	defer func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()
	eventually(t, "it is ready", r.ready)
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	defer client.CloseIdleConnections()
	image := func(want string) func() bool {
		return func() bool {
			answer, err := client.Post("https://"+address(r.port)+"/mutate", "application/json", strings.NewReader(`{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview",
				"request":{"uid":"u","kind":{"version":"v1","kind":"Pod"},"operation":"CREATE","object":{"metadata":{"annotations":{"logging.taco/paths":"/srv/app/a.log"}},"spec":{"containers":[{"name":"app"}]}}}}`))
			if err != nil {
				t.Fatal(err)
			}
			defer answer.Body.Close()
			var review admissionv1.AdmissionReview
			if err := json.NewDecoder(answer.Body).Decode(&review); err != nil {
				t.Fatal(err)
			}
			return strings.Contains(string(review.Response.Patch), `"image":"`+want+`"`)
		}
	}
	const good = "taco_injector_profile_last_reload_successful"
	if !image("registry.example/sidecar:v2")() || r.metric(t, good) != 1 || r.metric(t, "taco_injector_profile_last_reload_success_timestamp_seconds") == 0 {
		t.Error("the profile is not in use")
	}
	write("image: [\n")
	eventually(t, "the broken profile is noticed", func() bool { return r.metric(t, good) == 0 })
	if !image("registry.example/sidecar:v2")() {
		t.Error("the last good profile is not in use")
	}
	write("image: registry.example/sidecar:v3\n")
	eventually(t, "the profile is in use", image("registry.example/sidecar:v3"))
	if r.metric(t, good) != 1 {
		t.Error("a good profile is counted as broken")
	}
}

// What cannot listen says so: without webhook or probes there is no injector,
// without metrics there is a warning.
func TestPortTaken(t *testing.T) {
	dir := t.TempDir()
	writeFiles(t, dir, selfSigned(t))
	for _, c := range []struct {
		flag string
		ends bool
	}{{"--port", true}, {"--health", true}, {"--metrics", false}} {
		t.Run(c.flag, func(t *testing.T) {
			taken, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer taken.Close()
			r := &replica{port: freePort(t), health: freePort(t)}
			value := taken.Addr().String()
			if c.flag == "--port" {
				value = strconv.Itoa(taken.Addr().(*net.TCPAddr).Port)
			}
			o, _ := parseServe([]string{
				"--cert-dir", dir, "--kubeconfig", filepath.Join(dir, "none"), "--address", "127.0.0.1",
				"--port", strconv.Itoa(r.port), "--health", address(r.health), "--metrics", "", "--shutdown-delay", "0s", c.flag, value,
			}, io.Discard)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			var text bytes.Buffer
			ended := make(chan error, 1)
			go func() { ended <- o.run(ctx, slog.New(slog.NewTextHandler(&text, nil))) }()
			if !c.ends {
				eventually(t, "it is ready", r.ready)
				cancel()
			}
			select {
			case err = <-ended:
			case <-time.After(time.Minute):
				t.Fatal("it does not end")
			}
			if c.ends && (err == nil || !strings.Contains(err.Error(), c.flag)) {
				t.Errorf("ends with %v, want advice about %s", err, c.flag)
			}
			if !c.ends && (err != nil || !strings.Contains(text.String(), c.flag)) {
				t.Errorf("ends with %v, log: %s", err, &text)
			}
		})
	}
}

// writeFiles writes the certificate and key of a Secret's data.
func writeFiles(t *testing.T, dir string, data map[string][]byte) {
	t.Helper()
	for _, name := range []string{"tls.crt", "tls.key"} {
		if err := os.WriteFile(filepath.Join(dir, name), data[name], 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// selfSigned is a certificate that nobody trusts.
func selfSigned(t *testing.T) map[string][]byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return map[string][]byte{
		"tls.crt": pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert}),
		"tls.key": pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}),
	}
}
