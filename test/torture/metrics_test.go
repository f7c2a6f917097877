package torture

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// freeAddress is one that --metrics can have.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer l.Close()
	return l.Addr().String()
}

// metric is the value of one sample, named as it stands there.
func metric(t *testing.T, address, sample string) float64 {
	t.Helper()
	value, ok := metricOr(t, address, sample)
	if !ok {
		t.Fatalf("there is no metric %s", sample)
	}
	return value
}

func metricOr(t *testing.T, address, sample string) (value float64, ok bool) {
	t.Helper()
	r, err := http.Get("http://" + address + "/metrics")
	must(t, err)
	defer r.Body.Close()
	for s := bufio.NewScanner(r.Body); s.Scan(); {
		if rest, ok := strings.CutPrefix(s.Text(), sample+" "); ok {
			_, err := fmt.Sscan(rest, &value)
			must(t, err)
			return value, true
		}
	}
	return 0, false
}

func TestMetricsPort(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	name := filepath.Join(t.TempDir(), "a.log")
	create(t, name).write("one\n")
	a := stream(t, "--metrics", taken.Addr().String(), name)
	a.untilLines(1)
	equal(t, a.stop(), "one\n")
	if !strings.Contains(a.said(), "metrics") {
		t.Errorf("the port that is taken is not told: %s", a.said())
	}
	address := taken.Addr().String()
	taken.Close()

	a = stream(t, "--metrics", address, name)
	a.untilLines(1)
	for path, want := range map[string]string{
		"/metrics": `taco_delivered_bytes_total{paths="` + name + `"} 4`, "/healthz": "ok", "/readyz": "ok",
	} {
		eventually(t, path+" has "+want, func() bool {
			r, err := http.Get("http://" + address + path)
			must(t, err)
			defer r.Body.Close()
			b, _ := io.ReadAll(r.Body)
			return strings.Contains(string(b), want)
		})
	}
}

// TestMetricsOfStdout: a reader that pauses, and a file that is truncated.
func TestMetricsOfStdout(t *testing.T) {
	name, address := filepath.Join(t.TempDir(), "a.log"), freeAddress(t)
	l := create(t, name)
	content := text(numbered("a", 0, 100_000)) // more than the pipes hold
	l.write(content)
	cmd := command("stream", "--metrics", address, name)
	r := unread(t, cmd)
	_, err := io.CopyN(io.Discard, r, 1) // it runs
	must(t, err)
	blocked := func() float64 { return metric(t, address, "taco_stdout_blocked_seconds_total") }
	eventually(t, "the pipe is full", func() bool { return inPipe(t, r) >= 60<<10 })
	for _, more := range []float64{0.05, 0.1} { // it grows while nobody reads
		eventually(t, "it is counted as blocked", func() bool { return blocked() > more })
	}
	before := blocked()
	_, err = io.CopyN(io.Discard, r, int64(len(content)-1))
	must(t, err)
	delivered := func(n int) {
		t.Helper()
		eventually(t, "the delivery is counted", func() bool {
			return int(metric(t, address, `taco_delivered_bytes_total{paths="`+name+`"}`)) == n
		})
	}
	delivered(len(content))
	if now := blocked(); now < before {
		t.Errorf("it was blocked for %v s, and now for %v s", before, now)
	}

	must(t, os.Truncate(name, 0))
	l.write("a end\n")
	_, err = io.CopyN(io.Discard, r, int64(len("a end\n")))
	must(t, err)
	delivered(len(content) + len("a end\n"))
	sum := 0.0
	for _, way := range []string{"splice", "copy", "encode"} {
		sum += metric(t, address, `taco_stdout_bytes_total{way="`+way+`"}`)
	}
	if int(sum) != len(content)+len("a end\n") {
		t.Errorf("%v bytes went out, want %d", sum, len(content)+len("a end\n"))
	}
	version, err := command("version").Output()
	must(t, err)
	for sample, want := range map[string]float64{
		"taco_truncations_total": 1, "taco_stale_deliveries_total": 0, "taco_inotify_overflows_total": 0,
		`taco_build_info{version="` + strings.TrimSpace(strings.TrimPrefix(string(version), "sidecar ")) + `"}`: 1,
	} {
		if got := metric(t, address, sample); got != want {
			t.Errorf("%s is %v, want %v", sample, got, want)
		}
	}
	if n := metric(t, address, `taco_deliveries_total{paths="`+name+`"}`); n < 2 {
		t.Errorf("%v deliveries", n)
	}
}

// TestLabelsAreFew: however many files there are, there are not more series.
func TestLabelsAreFew(t *testing.T) {
	dir, address := t.TempDir(), freeAddress(t)
	pattern := filepath.Join(dir, "*.log")
	a := stream(t, "--metrics", address, pattern)
	series := func() (all []string) {
		r, err := http.Get("http://" + address + "/metrics")
		must(t, err)
		defer r.Body.Close()
		for s := bufio.NewScanner(r.Body); s.Scan(); {
			if name, _, ok := strings.Cut(s.Text(), " "); ok && name != "#" {
				all = append(all, name)
			}
		}
		return all
	}
	create(t, filepath.Join(dir, "0.log")).write("0 0\n")
	a.untilLines(1)
	before := series()
	for i := 1; i < 20; i++ {
		l := create(t, filepath.Join(dir, fmt.Sprintf("%d.log", i)))
		l.write(fmt.Sprintf("%d 0\n", i))
		l.rotate(l.name + ".1")
	}
	a.untilLines(20)
	if after := series(); !slices.Equal(after, before) || !slices.Contains(after, `taco_delivered_bytes_total{paths="`+pattern+`"}`) {
		t.Errorf("the series were\n%q\nand are\n%q", before, after)
	}
}

// configured starts `sidecar run`.
func configured(t *testing.T, yaml string, opts ...option) *agent {
	t.Helper()
	cmd := command("run")
	cmd.Env = append(os.Environ(), "TACO_CONFIG="+yaml)
	return launch(t, cmd, opts...)
}

// TestPendingOfEachPath stops taking what comes out, so that one path's
// backlog stands still and another's grows.
func TestPendingOfEachPath(t *testing.T) {
	dir, address := t.TempDir(), freeAddress(t)
	big, small := filepath.Join(dir, "big.log"), filepath.Join(dir, "small.log")
	create(t, big).write(text(numbered("big", 0, 200_000)))
	l := create(t, small)
	cmd := command("run")
	cmd.Env = append(os.Environ(), fmt.Sprintf("TACO_CONFIG=sources:\n- paths: [%s]\n- paths: [%s, %s]\nmetrics: %s\n", big, small, dir+"/none", address))
	r := unread(t, cmd)
	_, err := r.Read(make([]byte, 1)) // it runs, and has more than the pipe takes
	must(t, err)
	of := func(name, paths string) float64 {
		return metric(t, address, fmt.Sprintf(`%s{paths="%s"}`, name, paths))
	}
	both := small + "," + dir + "/none"
	eventually(t, "the big file's backlog", func() bool {
		pending, done := of("taco_pending_bytes", big), of("taco_delivered_bytes_total", big)
		return pending > 0 && int64(pending+done) == sizeOf(t, big) && of("taco_pending_files", big) == 1
	})
	if bytes, files := of("taco_pending_bytes", both), of("taco_pending_files", both); bytes != 0 || files != 0 {
		t.Errorf("%v bytes of %v files of the other path", bytes, files)
	}
	l.write("s 1\n")
	if bytes, files := of("taco_pending_bytes", both), of("taco_pending_files", both); bytes != 4 || files != 1 {
		t.Errorf("%v bytes of %v files of the other path, want 4 of 1", bytes, files)
	}
}

func TestDeliveredRecordsAreCountedWhereTheyAreSeen(t *testing.T) {
	dir, address := t.TempDir(), freeAddress(t)
	yaml := "metrics: " + address + "\nflush-timeout: 100ms\nsources:\n"
	content := trace + "2026 two\n2026 thr\xff\xfe\nunfinished"
	want := map[string]float64{"plain": -1, "together": -1, "prefix": 7, "json": 4, "euckr": 7, "euckr-together": 4}
	for name, keys := range map[string]string{
		"plain": "", "together": "multiline: java", "prefix": "emit: prefix", "json": "emit: json\n  multiline: java",
		"euckr": "charset: euc-kr", "euckr-together": "charset: euc-kr\n  multiline: java",
	} {
		create(t, filepath.Join(dir, name)).write(content)
		yaml += fmt.Sprintf("- paths: [%s]\n  %s\n", filepath.Join(dir, name), keys)
	}
	a := configured(t, yaml)
	a.untilLines(6*7 - 3) // the records of json have no newlines
	for name, n := range want {
		paths := filepath.Join(dir, name)
		eventually(t, name+" is delivered", func() bool {
			return int64(metric(t, address, fmt.Sprintf(`taco_delivered_bytes_total{paths="%s"}`, paths))) == sizeOf(t, paths)
		})
		if got, told := metricOr(t, address, fmt.Sprintf(`taco_delivered_records_total{paths="%s"}`, paths)); told != (n >= 0) || told && got != n {
			t.Errorf("%s: %v records (told: %v), want %v", name, got, told, n)
		}
	}
	a.stop()
}
