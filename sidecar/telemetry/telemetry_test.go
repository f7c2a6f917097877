package telemetry

import (
	"bytes"
	"net/http"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	"logging.taco/sidecar/follow"
	"logging.taco/sidecar/record"
	"logging.taco/sidecar/sink/stdout"
)

func some(t *testing.T) *Metrics {
	t.Helper()
	charset, err := record.ParseCharset("euc-kr")
	if err != nil {
		t.Fatal(err)
	}
	charset.Append(nil, []byte("\xff"))
	files := follow.New(follow.Options{Sources: make([]follow.Source, 2)})
	m := New("v1", []Source{{Paths: "/a.log"}, {Paths: "/odd\n\"\\\t.log", Charset: charset, Counted: true}}, files, stdout.New(1, nil))
	m.Delivered(1, 4, 3)
	return m
}

// TestFormat has Prometheus' own linter read what we write by hand.
func TestFormat(t *testing.T) {
	var b bytes.Buffer
	some(t).Write(&b)
	problems, err := promlint.New(bytes.NewReader(b.Bytes())).Lint()
	if err != nil {
		t.Fatalf("%v\n%s", err, b.String())
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
	for _, want := range []string{
		`taco_delivered_bytes_total{paths="/a.log"} 0` + "\n",
		`taco_delivered_bytes_total{paths="/odd\n\"\\	.log"} 4` + "\n",
		`taco_delivered_records_total{paths="/odd\n\"\\	.log"} 3` + "\n",
		`taco_undecodable_characters_total{paths="/odd\n\"\\	.log"} 1` + "\n",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("lacks %s", want)
		}
	}
	if strings.Contains(b.String(), `taco_delivered_records_total{paths="/a.log"}`) {
		t.Error("records are told that nobody counts")
	}
}

func TestReadyOnlyAfterTheFirstLook(t *testing.T) {
	m := some(t)
	l, err := m.Serve("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for _, c := range []struct {
		ready bool
		want  int
	}{{false, http.StatusServiceUnavailable}, {true, http.StatusOK}} {
		if c.ready {
			m.Ready()
		}
		r, err := http.Get("http://" + l.Addr().String() + "/readyz")
		if err != nil {
			t.Fatal(err)
		}
		r.Body.Close()
		if r.StatusCode != c.want {
			t.Errorf("ready %v: status %d, want %d", c.ready, r.StatusCode, c.want)
		}
	}
}
