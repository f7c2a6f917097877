package follow

import (
	"os"
	"path/filepath"
	"reflect"
	"testing"
)

func TestExpand(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"a.log", "b.txt", ".hidden.log", "x/a.log", "x/y/b.log", "x/y/z/c.log", "[odd].log"} {
		name = filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("..", filepath.Join(dir, "x", "loop")); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		pattern string
		want    []string
	}{
		{"a.log", []string{"a.log"}},
		{"absent.log", []string{"absent.log"}}, // a plain name is looked at, not listed
		{"*.log", []string{"[odd].log", "a.log"}},
		{".*.log", []string{".hidden.log"}},
		{`\[odd\].log`, []string{"[odd].log"}},
		{"x/*/*.log", []string{"x/loop/[odd].log", "x/loop/a.log", "x/y/b.log"}},
		{"x/**/*.log", []string{"x/a.log", "x/loop/[odd].log", "x/loop/a.log", "x/y/b.log", "x/y/z/c.log"}},
		{"**/c.log", []string{"x/y/z/c.log"}},
		{"x/y/**", []string{"x/y/b.log", "x/y/z", "x/y/z/c.log"}},
	} {
		e := expansion{dirs: map[string]bool{}, faults: map[string]error{}}
		e.expand(filepath.Join(dir, c.pattern))
		var got []string
		for _, p := range e.paths {
			name, _ := filepath.Rel(dir, p)
			if _, err := os.Lstat(p); err == nil || c.pattern == name {
				got = append(got, name)
			}
			if !matches(filepath.Join(dir, c.pattern), p) {
				t.Errorf("%s gives %s, but matches denies it", c.pattern, name)
			}
		}
		if !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s:\n got %q\nwant %q", c.pattern, got, c.want)
		}
	}
}

func TestOrigins(t *testing.T) {
	for _, c := range []struct {
		name, original string
		want           bool
	}{
		{"/l/app.log.1", "/l/app.log", true},
		{"/l/app.log-20260101", "/l/app.log", true},
		{"/l/app-20260101.log", "/l/app.log", true},
		{"/l/app.log.2.gz", "/l/app.log", true},
		{"/l/app.log", "/l/app.log.1", false},
		{"/l/app.log", "/l/app.log", false},
		{"/l/apple.log", "/l/app.log", false},
		{"/m/app.log.1", "/l/app.log", false},
	} {
		if got := derivedFrom(c.name, []string{c.original}); got != c.want {
			t.Errorf("%s after %s: %v", c.name, c.original, got)
		}
	}
}
