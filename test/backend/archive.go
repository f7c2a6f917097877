package backend

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Of the time that a node takes to start, more than half goes into loading
// classes. So the first node of an installation leaves an archive of them, which
// Java maps into memory as it is. Java takes it only with the very same class
// path, and does without it otherwise.

// archive is the name of that file.
func archive(installed string) string { return filepath.Join(installed, "classes.jsa") }

// archived returns the options that use the archive.
func archived(installed string) []string {
	return []string{"-Xshare:auto", "-Xlog:disable", "-XX:SharedArchiveFile=" + archive(installed)}
}

// rehearse starts a node for the first time, and does what tests do most.
func (p product) rehearse(ctx context.Context, installed string) error {
	s, err := newServer(p.kind)
	if err != nil {
		return err
	}
	defer s.remove()
	ctx, cancel := context.WithTimeoutCause(ctx, startMost, fmt.Errorf("it took more than %s", startMost))
	defer cancel()
	if err := s.launch(installed, "-Xlog:disable", "-XX:ArchiveClassesAtExit="+archive(installed)); err != nil {
		return err
	}
	if err := s.ready(ctx); err != nil {
		return fmt.Errorf("%w\n%s", err, s.said.String())
	}
	const lines = `{"create":{"_id":"1"}}` + "\n" + `{"@timestamp":"2018-02-04T01:17:27.349Z","log":"hello","n":1}` + "\n"
	for _, r := range []struct{ method, path, body string }{
		{http.MethodPost, "/logs/_bulk", lines},
		{http.MethodPost, "/logs/_bulk", lines}, // a conflict
		{http.MethodPost, "/logs/_refresh", ""},
		{http.MethodPost, "/logs/_count", `{"query":{"query_string":{"query":"log:hello"}}}`},
		{http.MethodPost, "/logs/_search?scroll=1m", `{"size":10,"sort":["_doc"]}`},
		{http.MethodGet, "/_index_template/none", ""},
		{http.MethodDelete, "/logs", ""},
	} {
		if _, _, err := s.do(ctx, p.admin, r.method, r.path, r.body); err != nil {
			return err
		}
	}
	return s.stop()
}

// environment is that of Java: ours and the class path.
func environment(installed string) ([]string, error) {
	jars, err := filepath.Glob(filepath.Join(installed, "lib", "*.jar"))
	if err != nil {
		return nil, err
	}
	if len(jars) == 0 {
		return nil, fmt.Errorf("%s has no jars: remove that folder, and it is made again", installed)
	}
	slices.Sort(jars)
	return append(os.Environ(), "CLASSPATH="+strings.Join(append([]string{filepath.Join(installed, "launcher.jar")}, jars...), ":")), nil
}
