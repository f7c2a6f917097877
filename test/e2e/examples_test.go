package e2e

import (
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"logging.taco/test/backend"
)

// Every example has a test; who adds one adds it here.
func TestExamplesAreAllTested(t *testing.T) {
	files, err := filepath.Glob("../../examples/*")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, file := range files {
		names = append(names, filepath.Base(file))
	}
	if want := []string{"counter.yaml", "job.yaml", "ship.yaml", "tomcat.yaml"}; !slices.Equal(names, want) {
		t.Errorf("there are %v; tested are %v", names, want)
	}
}

// The counter's two files, each by kubectl logs of a container of its own.
func TestCounter(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.run("apply", "-f", "../../examples/counter.yaml")
	b.waitReady("counter")
	for _, c := range []struct {
		file, container string
		port            int // of the metrics
		line            string
	}{
		{"/var/log/1.log", "taco-1-log", 20464, `^%d: \w{3} \w{3} .+ \d{4}$`},
		{"/var/log/2.log", "taco-2-log", 20465, `^\w{3} \w{3} .+ \d{4} INFO %d$`},
	} {
		var got output
		b.eventually("four lines of "+c.file, func() (err error) {
			if got, err = b.logs("counter", c.container); err == nil && len(got.lines) < 4 {
				err = fmt.Errorf("it shows %q", got.lines)
			}
			return err
		})
		if len(got.messages) > 0 { // nothing is worth a word here
			t.Errorf("%s: messages %q", c.container, got.messages)
		}
		for i, line := range got.lines {
			if !regexp.MustCompile(fmt.Sprintf(c.line, i)).MatchString(line) {
				t.Errorf("%s: line %d is %q", c.container, i, line)
			}
		}
		// The file itself is what counts; it has grown since.
		file := b.run("exec", "counter", "-c", "count", "--", "cat", c.file)
		if n := b.metric("counter", c.port, "taco_delivered_bytes_total", fmt.Sprintf("paths=%q", c.file)); n < 4 {
			t.Errorf("%s: by its metrics %v bytes are delivered", c.container, n)
		}
		if shown := strings.Join(got.lines, "\n") + "\n"; !strings.HasPrefix(file, shown) {
			t.Errorf("%s shows\n%sbut %s begins with\n%s", c.container, shown, c.file, file)
		}
		// Now that it is read from the file, all of that has to be shown.
		b.eventually("all lines of "+c.file, func() error {
			got, err := b.logs("counter", c.container)
			if err == nil && !strings.HasPrefix(strings.Join(got.lines, "\n")+"\n", file) {
				err = fmt.Errorf("it shows %q, and in the file is %q", got.lines, file)
			}
			return err
		})
	}
}

// The native sidecar delivers the Job's last line and lets it complete, under
// the restricted Pod Security Standard.
func TestJob(t *testing.T) {
	t.Parallel()
	b := newBench(t, "pod-security.kubernetes.io/enforce=restricted")
	b.run("apply", "-f", "../../examples/job.yaml")
	b.run("wait", "--for=condition=Complete", "job/report", "--timeout", patience.String())
	got, err := b.logs("job/report", "taco-logs")
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"report: started", "report: page 1 of 5", "report: page 2 of 5", "report: page 3 of 5", "report: page 4 of 5", "report: page 5 of 5", "report: done"}
	if !slices.Equal(got.lines, want) {
		t.Errorf("the log is %q", got.lines)
	}
}

// Three files by one sidecar, under the restricted Pod Security Standard.
func TestTomcat(t *testing.T) {
	t.Parallel()
	b := newBench(t, "pod-security.kubernetes.io/enforce=restricted")
	b.run("apply", "-f", "../../examples/tomcat.yaml")
	b.run("rollout", "status", "deployment/tomcat", "--timeout", patience.String())
	b.eventually("three lines of two files, one of the third", func() error {
		got, err := b.logs("deployment/tomcat", "taco-logs")
		if err != nil {
			return err
		}
		const folder = "/usr/local/tomcat/logs/"
		orders, accesses, server := 0, 0, 0
		for _, line := range got.lines {
			file, text, _ := strings.Cut(strings.TrimPrefix(line, folder), ": ")
			switch {
			case file == "app.log" && strings.HasSuffix(text, fmt.Sprintf(" DEBUG order %d", orders+1)):
				orders++
			case strings.HasPrefix(file, "localhost_access_log.") && strings.Contains(text, fmt.Sprintf(`"GET /orders/%d HTTP/1.1" 200`, accesses+1)):
				accesses++
			case file == "catalina.out" && strings.HasSuffix(text, "Server startup"):
				server++
			default:
				t.Fatalf("unexpected line %q in %q", line, got.lines)
			}
		}
		if orders < 3 || accesses < 3 || server != 1 {
			return errors.New(strings.Join(got.lines, "\n"))
		}
		return nil
	})
}

// Its log is found by its label, from the first line to the last, which it
// writes when it is told to end. It is one of TestShip.
func shipExample(t *testing.T, node *backend.Node) {
	b := newBench(t, "pod-security.kubernetes.io/enforce=restricted")
	b.run("apply", "-f", "../../examples/ship.yaml")
	const search = "kubernetes.labels.app:orders"
	b.waitFound(node, search, 3)
	b.deletePod("orders")
	found := b.found(node, search)
	inOrder(found)
	for i, d := range found {
		want := fmt.Sprintf("INFO order %d", i+1)
		if i == len(found)-1 {
			want = fmt.Sprintf("INFO stopped after order %d", i)
		}
		if _, after, _ := strings.Cut(d.Log, " INFO "); "INFO "+after != want {
			t.Errorf("document %d of %d is %q", i+1, len(found), d.Log)
		}
	}
}
