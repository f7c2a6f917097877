package elastic

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"

	"logging.taco/sidecar/config"
	"logging.taco/sidecar/follow"
	"logging.taco/sidecar/pod"
	"logging.taco/sidecar/record"
)

// A backend, or what is in front of it, may close a kept connection at the
// moment at which the next bulk is sent. With ids that is no trouble at all.
func TestKeptConnectionThatIsClosed(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go answerOnce(c)
		}
	}()
	o := Options{
		Output:  config.DefaultOutput(),
		Sources: []Source{{Framing: &record.Framing{}}},
		Pod:     pod.New("", func(string) string { return "" }),
		Getenv:  func(string) string { return "" },
	}
	o.Output.To, o.Output.Template, o.Output.Gzip = []string{"http://" + l.Addr().String()}, config.TemplateOff, false
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	for range 5 {
		r := follow.Range{Path: "/l"}.Carry([]byte("a\n"), follow.Position{Offset: 2})
		if err := s.Deliver([]follow.Range{r}); err != nil {
			t.Fatal(err)
		}
	}
	if docs, retries := s.stats.documents.Load(), s.stats.retries.Load(); docs != 5 || retries != 0 {
		t.Errorf("%d documents after %d pauses, want 5 after none", docs, retries)
	}
}

// answerOnce answers the first bulk of a connection, and closes it when the second comes.
func answerOnce(c net.Conn) {
	defer c.Close()
	in := bufio.NewReader(c)
	r, err := http.ReadRequest(in)
	if err != nil {
		return
	}
	n := 0
	for lines := bufio.NewScanner(r.Body); lines.Scan(); n++ {
	}
	items := strings.TrimSuffix(strings.Repeat(`{"create":{"status":201}},`, n/2), ",")
	body := fmt.Sprintf(`{"errors":false,"items":[%s]}`, items)
	fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	in.Peek(1)
}
