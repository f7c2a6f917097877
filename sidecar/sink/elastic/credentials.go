package elastic

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"logging.taco/sidecar/config"
)

// lookEvery is how often the files of the credentials are looked at: a Secret
// that is rotated needs no restart.
const lookEvery = 5 * time.Second

// secretFiles are the keys of the Secret; each may be missing.
var secretFiles = []string{"username", "password", "api-key", "token", "ca.crt", "tls.crt", "tls.key"}

// mostSecret bounds a file of the Secret: a Secret has 1 MiB at most.
const mostSecret = 1 << 20

// credentials are who we are to the backend, and whom we take for it.
type credentials struct {
	dir    string
	getenv func(string) string

	looked time.Time
	stamps map[string]stamp

	authorization string // the header; "": none
	roots         *x509.CertPool
	certificate   *tls.Certificate
}

type stamp struct {
	size    int64
	changed time.Time
}

// refresh reads the files again if any has changed. Where they cannot be used
// the last good ones stay, and err tells why.
func (c *credentials) refresh(now time.Time) (changed bool, err error) {
	if since := now.Sub(c.looked); since >= 0 && since < lookEvery && c.stamps != nil {
		return false, nil
	}
	c.looked = now
	stamps := map[string]stamp{}
	if c.dir != "" {
		for _, name := range secretFiles {
			if st, err := os.Stat(filepath.Join(c.dir, name)); err == nil {
				stamps[name] = stamp{st.Size(), st.ModTime()}
			}
		}
	}
	if c.stamps != nil && equal(stamps, c.stamps) {
		return false, nil
	}
	if err := c.read(); err != nil {
		if c.stamps == nil {
			c.stamps = map[string]stamp{} // tried; the next look tries again
		}
		return false, err
	}
	c.stamps = stamps
	return true, nil
}

func equal(a, b map[string]stamp) bool {
	if len(a) != len(b) {
		return false
	}
	for k, v := range a {
		if w, found := b[k]; !found || v.size != w.size || !v.changed.Equal(w.changed) {
			return false
		}
	}
	return true
}

// read reads all files; a value that is not there is taken from the environment.
func (c *credentials) read() error {
	values := map[string]string{
		"username": c.getenv(config.EnvUsername), "password": c.getenv(config.EnvPassword),
		"api-key": c.getenv(config.EnvAPIKey), "token": c.getenv(config.EnvToken),
	}
	for _, name := range secretFiles {
		if c.dir == "" {
			break
		}
		file := filepath.Join(c.dir, name)
		b, err := readSecret(file)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		} else if err != nil {
			return fmt.Errorf("read the credentials: %w", err)
		}
		values[name] = string(b)
	}
	if c.dir != "" && strings.Join(slices.Collect(maps.Values(values)), "") == "" {
		return fmt.Errorf("%s has none of the files %s; is the Secret there?", c.dir, strings.Join(secretFiles, ", "))
	}
	authorization, err := authorize(values)
	if err != nil {
		return fmt.Errorf("credentials in %s: %w", c.dir, err)
	}
	var roots *x509.CertPool
	if pem := values["ca.crt"]; pem != "" {
		roots = x509.NewCertPool()
		if !roots.AppendCertsFromPEM([]byte(pem)) {
			return fmt.Errorf("credentials in %s: ca.crt holds no PEM certificate", c.dir)
		}
	}
	var certificate *tls.Certificate
	if values["tls.crt"] != "" || values["tls.key"] != "" {
		pair, err := tls.X509KeyPair([]byte(values["tls.crt"]), []byte(values["tls.key"]))
		if err != nil {
			return fmt.Errorf("credentials in %s: tls.crt and tls.key: %w", c.dir, err)
		}
		certificate = &pair
	}
	c.authorization, c.roots, c.certificate = authorization, roots, certificate
	return nil
}

// readSecret reads a small file, its last newline left out.
func readSecret(file string) ([]byte, error) {
	st, err := os.Stat(file)
	if err != nil {
		return nil, err
	}
	if !st.Mode().IsRegular() || st.Size() > mostSecret {
		return nil, fmt.Errorf("%s: this is no file of a Secret", file)
	}
	b, err := os.ReadFile(file)
	return bytes.TrimRight(b, "\r\n"), err
}

// authorize makes the header of the first that is there: api-key (as
// Elasticsearch encodes it, or id:key), token, username with password.
func authorize(values map[string]string) (string, error) {
	for _, name := range []string{"api-key", "token", "username", "password"} {
		if strings.ContainsFunc(values[name], func(r rune) bool { return r < 0x20 || r == 0x7F }) {
			return "", fmt.Errorf("%s holds a control character, perhaps a newline in its middle", name)
		}
	}
	switch key := values["api-key"]; {
	case strings.Contains(key, ":"):
		return "ApiKey " + base64.StdEncoding.EncodeToString([]byte(key)), nil
	case key != "":
		return "ApiKey " + key, nil
	case values["token"] != "":
		return "Bearer " + values["token"], nil
	case values["username"] != "":
		return "Basic " + base64.StdEncoding.EncodeToString([]byte(values["username"]+":"+values["password"])), nil
	}
	return "", nil
}
