package profile_test

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"logging.taco/injector/profile"
)

// configMap is a folder as the kubelet mounts a ConfigMap: the file is a link
// into a folder that is exchanged as a whole.
type configMap struct {
	t       *testing.T
	dir     string
	version int
}

func (c *configMap) file() string { return filepath.Join(c.dir, "profile.yaml") }

// publish exchanges the folder for one with the file, or without for "-".
func (c *configMap) publish(text string) {
	c.t.Helper()
	c.version++
	next := filepath.Join(c.dir, strings.Repeat(".", c.version+1)+"v")
	c.must(os.Mkdir(next, 0o777))
	if text != "-" {
		c.must(os.WriteFile(filepath.Join(next, "profile.yaml"), []byte(text), 0o666))
	}
	c.must(os.Symlink(filepath.Base(next), filepath.Join(c.dir, "..data_tmp")))
	c.must(os.Rename(filepath.Join(c.dir, "..data_tmp"), filepath.Join(c.dir, "..data")))
	if _, err := os.Lstat(c.file()); err != nil && text != "-" {
		c.must(os.Symlink("..data/profile.yaml", c.file()))
	} else if err == nil && text == "-" {
		c.must(os.Remove(c.file()))
	}
}

func (c *configMap) must(err error) {
	c.t.Helper()
	if err != nil {
		c.t.Fatal(err)
	}
}

func TestStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &configMap{t: t, dir: t.TempDir()}
		var log bytes.Buffer
		store, err := profile.Open(c.file(), func(p *profile.Profile) { p.Namespace = "own" }, slog.New(slog.NewTextHandler(&log, nil)))
		if err != nil {
			t.Fatal(err)
		}
		ctx, end := context.WithCancel(t.Context())
		defer end()
		ended := make(chan error)
		go func() { ended <- store.Run(ctx) }()
		since := time.Time{}
		for i, step := range []struct {
			text   string // "": nothing changes
			image  string
			good   bool
			logged string // "": nothing
			loaded bool
		}{
			{"", profile.DefaultImage, true, "default=true", true},
			{"", profile.DefaultImage, true, "", false},
			{"image: a/b:1\n", "a/b:1", true, "profile reloaded", true},
			{"", "a/b:1", true, "", false},
			{"image: a/b:1\n", "a/b:1", true, "", false}, // published anew, and the same
			{"image: a/b:2\n", "a/b:2", true, "profile reloaded", true},
			{"# empty\nimage: A B\n", "a/b:2", false, "line 2: image", false},
			{"", "a/b:2", false, "", false}, // said once
			{"imagee: x\n", "a/b:2", false, "imagee", false},
			{"image: a/b:2\n", "a/b:2", true, "profile reloaded", true},
			{"-", profile.DefaultImage, true, "the profile is gone", true},
			{"# nothing\n", profile.DefaultImage, true, "profile reloaded", true},
			{"image: a/b:3\n", "a/b:3", true, "profile reloaded", true},
		} {
			if step.text != "" {
				c.publish(step.text)
			}
			if i > 0 {
				time.Sleep(10 * time.Second)
				synctest.Wait()
			}
			good, at := store.Status()
			if p := store.Profile(); p.Image != step.image || good != step.good || !p.Skips("own") || at.After(since) != step.loaded {
				t.Errorf("%d, %q: %s, good %t since %v", i, step.text, p.Image, good, at)
			}
			if text := log.String(); (step.logged == "") != (text == "") || !strings.Contains(text, step.logged) {
				t.Errorf("%d, %q: the log has %q", i, step.text, text)
			}
			since = at
			log.Reset()
		}
		end()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// What ends the start: a file that is broken, or a folder that is not there, as
// after a slip in the Deployment.
func TestOpenRefuses(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "profile.yaml")
	if err := os.WriteFile(file, []byte("image: ["), 0o666); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{file, filepath.Join(dir, "none", "profile.yaml"), dir} {
		if _, err := profile.Open(name, func(*profile.Profile) {}, slog.New(slog.DiscardHandler)); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
	store, err := profile.Open("", func(*profile.Profile) {}, slog.New(slog.DiscardHandler))
	if err != nil || store.Profile().Image != profile.DefaultImage {
		t.Errorf("no file: %v", err)
	}
	ctx, end := context.WithCancel(t.Context())
	end()
	if err := store.Run(ctx); err != nil {
		t.Error(err)
	}
}
