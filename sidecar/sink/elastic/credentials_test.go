package elastic

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"logging.taco/sidecar/config"
)

func TestCredentials(t *testing.T) {
	env := map[string]string{config.EnvUsername: "eve", config.EnvPassword: "env"}
	for _, c := range []struct {
		name  string
		files map[string]string
		want  string // the header
		err   string
	}{
		{"environment", nil, "Basic ZXZlOmVudg==", ""},
		{"files before it", map[string]string{"username": "bob\n", "password": "p:w\n"}, "Basic Ym9iOnA6dw==", ""},
		{"one of each", map[string]string{"password": "file"}, "Basic ZXZlOmZpbGU=", ""},
		{"token", map[string]string{"token": "tok\n"}, "Bearer tok", ""},
		{"api key, encoded", map[string]string{"api-key": "aWQ6a2V5", "token": "tok"}, "ApiKey aWQ6a2V5", ""},
		{"api key, id and key", map[string]string{"api-key": "id:key"}, "ApiKey aWQ6a2V5", ""},
		{"a newline within", map[string]string{"token": "a\nX-Evil: b"}, "", "token holds a control character"},
		{"no certificate", map[string]string{"ca.crt": "nonsense"}, "", "ca.crt holds no PEM certificate"},
		{"a key alone", map[string]string{"tls.key": "nonsense"}, "", "tls.crt and tls.key"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			for name, content := range c.files {
				if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			k := credentials{dir: dir, getenv: func(name string) string { return env[name] }}
			_, err := k.refresh(time.Now())
			if c.err != "" {
				if err == nil || !strings.Contains(err.Error(), c.err) || strings.Contains(err.Error(), "nonsense") || strings.Contains(err.Error(), "Evil") {
					t.Errorf("%v, want …%s…, and nothing of the secret", err, c.err)
				}
			} else if err != nil || k.authorization != c.want {
				t.Errorf("%q, %v; want %q", k.authorization, err, c.want)
			}
		})
	}
}

// A Secret that is rotated: the new one is used once it is whole, until then the old.
func TestCredentialsAreReadAgain(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "token")
	write := func(content string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("one")
	k := credentials{dir: dir, getenv: func(string) string { return "" }}
	now := time.Now()
	look := func(after time.Duration) bool {
		now = now.Add(after)
		changed, _ := k.refresh(now)
		return changed
	}
	if !look(0) || k.authorization != "Bearer one" {
		t.Fatal(k.authorization)
	}
	write("three")
	if look(lookEvery/2) || k.authorization != "Bearer one" {
		t.Error("looked too often")
	}
	if !look(lookEvery) || k.authorization != "Bearer three" {
		t.Error(k.authorization)
	}
	write("a\nb")
	if look(lookEvery) || k.authorization != "Bearer three" {
		t.Error("a broken file was taken")
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if look(lookEvery) || k.authorization != "Bearer three" {
		t.Error("the last good ones were forgotten when the Secret went")
	}
	write("fourth")
	if !look(lookEvery) || k.authorization != "Bearer fourth" {
		t.Error(k.authorization)
	}
}

// A Secret that is not there yet is said once, and used when it comes.
func TestCredentialsThatComeLater(t *testing.T) {
	dir := t.TempDir()
	k := credentials{dir: dir, getenv: func(string) string { return "" }}
	now := time.Now()
	if changed, err := k.refresh(now); changed || err == nil || !strings.Contains(err.Error(), dir+" has none of the files username, ") {
		t.Errorf("%v, %v", changed, err)
	}
	if changed, err := k.refresh(now.Add(lookEvery)); changed || err != nil {
		t.Errorf("once more: %v, %v", changed, err)
	}
	if err := os.WriteFile(filepath.Join(dir, "token"), []byte("tok"), 0o600); err != nil {
		t.Fatal(err)
	}
	if changed, err := k.refresh(now.Add(2 * lookEvery)); !changed || err != nil || k.authorization != "Bearer tok" {
		t.Errorf("%v, %v: %q", changed, err, k.authorization)
	}
}

func TestPatternsThatMeet(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{"logstash-*", "logstash-*", true}, {"log*", "logstash-*", true}, {"logstash-2026.*", "logstash-*", true},
		{"logs-*", "logstash-*", false}, {"*", "logstash-*", false}, {"metrics-*", "logstash-*", false}, {"*-taco", "logs-*", true},
		{"logs-taco-default", "logs-taco-default", true}, {"logs-*-*", "logs-taco-default", true}, {"[", "logstash-*", false},
	} {
		if got := (patterns{c.a}).meet(c.b); got != c.want {
			t.Errorf("%s and %s: %v", c.a, c.b, got)
		}
	}
}
