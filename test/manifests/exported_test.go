package manifests

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// An exported metric is a sample as one of the programs shows it.
type exported struct {
	name, labels string // labels as they are written, without braces; may be empty
	value        string
	counter      bool // a counter, or a bucket, sum or count of a histogram
	job          string
}

const (
	jobInjector = "logging-taco-injector"
	jobSidecar  = "logging-taco-sidecar"
)

// metrics are those of the real programs: an injector that has let in one pod and
// refused another, a streaming sidecar, and a shipping one whose backend is down.
var metrics = sync.OnceValues(func() (texts map[string][]string, err error) {
	dir, err := os.MkdirTemp("", "taco-manifests-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	return scrapeAll(dir)
})

func exportedMetrics(t *testing.T) (all []exported) {
	t.Helper()
	texts, err := metrics()
	if err != nil {
		t.Fatal(err)
	}
	for job, list := range texts {
		for _, text := range list {
			all = append(all, samples(job, text)...)
		}
	}
	if len(all) == 0 {
		t.Fatal("the programs export nothing")
	}
	return all
}

var (
	typeLine   = regexp.MustCompile(`(?m)^# TYPE (\S+) (\S+)$`)
	sampleLine = regexp.MustCompile(`(?m)^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$`)
)

// samples reads Prometheus' text format.
func samples(job, text string) (all []exported) {
	grows := map[string]bool{}
	for _, m := range typeLine.FindAllStringSubmatch(text, -1) {
		switch m[2] {
		case "counter":
			grows[m[1]] = true
		case "histogram":
			grows[m[1]+"_bucket"], grows[m[1]+"_sum"], grows[m[1]+"_count"] = true, true, true
		}
	}
	for _, m := range sampleLine.FindAllStringSubmatch(text, -1) {
		all = append(all, exported{m[1], m[2], m[3], grows[m[1]], job})
	}
	return all
}

func scrapeAll(dir string) (map[string][]string, error) {
	for _, name := range []string{"sidecar", "injector"} {
		build := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w", "-o", filepath.Join(dir, name), "./"+name)
		build.Dir = "../.."
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("build %s: %w\n%s", name, err, out)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "a.log"), []byte("one\ntwo\n"), 0o600); err != nil {
		return nil, err
	}
	cert, err := makeCA(dir)
	if err != nil {
		return nil, err
	}
	texts := map[string][]string{}
	for _, p := range []struct {
		job, name string
		args      []string
		metrics   string // flag
		until     string // a line that there has to be, as a regular expression
		use       func(args []string) error
	}{
		{jobSidecar, "sidecar", []string{"stream", "--state", "stream", "--emit", "json", "a.log"}, "--metrics",
			`taco_delivered_records_total\{.*\} 2`, nil},
		{jobSidecar, "sidecar", []string{"ship", "--state", "ship", "--to", "http://127.0.0.1:1", "a.log"}, "--metrics",
			`taco_ship_blocked\{reason="unreachable"\} 1`, nil},
		{jobInjector, "injector", []string{"serve", "--cert-dir", ".", "--address", "127.0.0.1", "--health", "", "--shutdown-delay", "0s"}, "--metrics",
			`taco_injector_admissions_total\{decision="denied",.*\} 1`, cert.admit},
	} {
		text, err := scrape(dir, p.name, p.args, p.metrics, p.until, p.use)
		if err != nil {
			return nil, fmt.Errorf("%s %s: %w", p.name, p.args[0], err)
		}
		texts[p.job] = append(texts[p.job], text)
	}
	return texts, nil
}

// scrape runs a program until its metrics have a line.
func scrape(dir, name string, args []string, metricsFlag, until string, use func(args []string) error) (text string, err error) {
	metrics, err := freeAddress()
	if err != nil {
		return "", err
	}
	args = append([]string{args[0], metricsFlag, metrics}, args[1:]...)
	if use != nil {
		webhook, err := freeAddress()
		if err != nil {
			return "", err
		}
		_, port, _ := net.SplitHostPort(webhook)
		args = append(args, "--port", port)
	}
	cmd := exec.Command(filepath.Join(dir, name), args...)
	cmd.Dir = dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var said bytes.Buffer
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		return "", err
	}
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if err != nil {
			err = fmt.Errorf("%w\n%s", err, &said)
		}
	}()
	line := regexp.MustCompile("(?m)^" + until + "$")
	used := use == nil
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if !used {
			if err = use(args); err != nil {
				continue // not listening yet
			}
			used = true
		}
		answer, e := http.Get("http://" + metrics + "/metrics")
		if err = e; err != nil {
			continue
		}
		b, e := io.ReadAll(answer.Body)
		answer.Body.Close()
		if text, err = string(b), e; err == nil && line.MatchString(text) {
			return text, nil
		}
	}
	if err == nil {
		err = fmt.Errorf("its metrics never had %s, but\n%s", line, strings.Join(regexp.MustCompile(`(?m)^taco_.*$`).FindAllString(text, -1), "\n"))
	}
	return "", err
}

// freeAddress is one that is free now, with a port from below those that the
// kernel gives to outgoing connections: such a one, of any program, could else
// take it before it is used.
func freeAddress() (string, error) {
	for range 1000 {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", 20000+rand.IntN(12000)))
		if err == nil {
			defer l.Close()
			return l.Addr().String(), nil
		}
	}
	return "", errors.New("there is no free port")
}

// admit asks an injector for one pod that is let in and one that is refused.
func (c *ca) admit(args []string) error {
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: c.pool, ServerName: "injector." + own + ".svc"}}}
	defer client.CloseIdleConnections()
	for _, path := range []string{"/var/log/app.log", "app.log"} {
		review := fmt.Sprintf(`{"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {"uid": "1", "operation": "CREATE", "namespace": "shop",
			"kind": {"version": "v1", "kind": "Pod"}, "resource": {"version": "v1", "resource": "pods"}, "object": {"apiVersion": "v1", "kind": "Pod",
			"metadata": {"name": "a", "annotations": {"logging.taco/paths": %q}}, "spec": {"containers": [{"name": "a", "image": "a"}]}}}}`, path)
		answer, err := client.Post("https://127.0.0.1:"+args[len(args)-1]+"/mutate", "application/json", strings.NewReader(review))
		if err != nil {
			return err
		}
		answer.Body.Close()
	}
	return nil
}
