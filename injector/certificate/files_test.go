package certificate

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestFiles(t *testing.T) {
	dir := t.TempDir()
	if _, err := NewFiles(dir); err == nil || !strings.Contains(err.Error(), dir) {
		t.Fatalf("an empty folder: %v", err)
	}
	write := func() *keyring {
		t.Helper()
		ring, _, err := Policy{}.withDefaults().fresh(nil, []string{host}, time.Now(), "test")
		if err != nil {
			t.Fatal(err)
		}
		data, err := ring.encode()
		if err != nil {
			t.Fatal(err)
		}
		for _, key := range []string{keyLeaf, keyLeafKey} {
			// Written beside and renamed, as a mounted Secret changes.
			file := filepath.Join(dir, key)
			if err := os.WriteFile(file+".new", data[key], 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Rename(file+".new", file); err != nil {
				t.Fatal(err)
			}
		}
		return ring
	}
	first := write()
	files, err := NewFiles(dir)
	if err != nil {
		t.Fatal(err)
	}
	go files.Run(t.Context())
	if err := files.Ready(); err != nil {
		t.Error(err)
	}
	if !files.Expiry().Equal(first.leaf.Leaf.NotAfter) {
		t.Errorf("expiry %s, want %s", files.Expiry(), first.leaf.Leaf.NotAfter)
	}
	second := write()
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		c, err := files.GetCertificate(nil)
		if err != nil {
			t.Fatal(err)
		}
		if string(c.Certificate[0]) == string(second.leaf.Certificate[0]) {
			break
		}
		if time.Now().After(end) {
			t.Fatal("the new certificate is not served")
		}
	}
}
