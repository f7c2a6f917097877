package backend_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"logging.taco/test/backend"
)

// answering is a server that answers with 1000 bytes and counts requests that it had in full.
func answering(t *testing.T) (url string, executed func() int) {
	var mu sync.Mutex
	var n int
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			return
		}
		mu.Lock()
		n++
		mu.Unlock()
		io.WriteString(w, strings.Repeat("a", 1000))
	}))
	t.Cleanup(s.Close)
	return s.URL, func() int {
		mu.Lock()
		defer mu.Unlock()
		return n
	}
}

// post posts 100 kB and returns how much came back.
func post(ctx context.Context, c *http.Client, url string) (int, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(make([]byte, 100_000)))
	if err != nil {
		return 0, err
	}
	res, err := c.Do(req)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	return len(text), err
}

// errWriting is any error: that of a reset while the client writes has many forms.
var errWriting = errors.New("an error")

func TestFates(t *testing.T) {
	for _, c := range []struct {
		name     string
		fate     backend.Fate
		executed int
		bytes    int // of the answer's body
		want     error
	}{
		{"nothing", backend.Fate{}, 1, 1000, nil},
		{"delay", backend.Fate{Delay: time.Millisecond}, 1, 1000, nil},
		{"reset the request", backend.Fate{End: backend.Reset, In: backend.Request, After: 50_000}, 0, 0, errWriting},
		{"reset at once", backend.Fate{End: backend.Reset, In: backend.Request}, 0, 0, errWriting},
		{"reset after the request", backend.Fate{End: backend.Reset, In: backend.Request, After: 1 << 20}, 1, 0, syscall.ECONNRESET},
		{"close without an answer", backend.Fate{End: backend.Close, In: backend.Answer}, 1, 0, io.EOF},
		{"close in the answer", backend.Fate{End: backend.Close, In: backend.Answer, After: 500}, 1, -1, io.ErrUnexpectedEOF},
		{"stall in the request", backend.Fate{End: backend.Stall, In: backend.Request, After: 50_000}, 0, 0, context.DeadlineExceeded},
		{"stall before the answer", backend.Fate{End: backend.Stall, In: backend.Answer}, 1, 0, context.DeadlineExceeded},
	} {
		t.Run(c.name, func(t *testing.T) {
			url, executed := answering(t)
			p := backend.NewProxy(t, url, 1)
			p.Spoil(func(*rand.Rand) backend.Fate { return c.fate })
			ctx := t.Context()
			if c.want == context.DeadlineExceeded {
				var cancel func()
				ctx, cancel = context.WithTimeout(ctx, 200*time.Millisecond)
				defer cancel()
			}
			client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
			n, err := post(ctx, client, p.URL())
			if !errors.Is(err, c.want) && (c.want != errWriting || err == nil) {
				t.Errorf("error %v, want %v", err, c.want)
			}
			if c.bytes >= 0 && n != c.bytes || c.bytes < 0 && (n == 0 || n >= 1000) {
				t.Errorf("%d bytes of the answer, want %d", n, c.bytes)
			}
			if executed() != c.executed {
				t.Errorf("executed %d times, want %d", executed(), c.executed)
			}
			want := backend.ProxyCounts{Connections: 1, Exchanges: 1}
			if c.fate.End != backend.NoEnd {
				want.Ended = 1
			}
			if got := p.Counts(); got != want {
				t.Errorf("counts %+v, want %+v", got, want)
			}
		})
	}
}

// An exchange on a connection that is kept has a fate of its own.
func TestEachExchangeHasItsFate(t *testing.T) {
	url, _ := answering(t)
	p := backend.NewProxy(t, url, 1)
	var n int
	p.Spoil(func(*rand.Rand) backend.Fate {
		if n++; n == 3 {
			return backend.Fate{End: backend.Close, In: backend.Answer, After: 10}
		}
		return backend.Fate{}
	})
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	for i := 1; i <= 4; i++ {
		if _, err := post(t.Context(), client, p.URL()); (err != nil) != (i == 3) {
			t.Errorf("request %d: %v", i, err)
		}
	}
	if got, want := p.Counts(), (backend.ProxyCounts{Connections: 2, Exchanges: 4, Ended: 1}); got != want {
		t.Errorf("counts %+v, want %+v", got, want)
	}
}

// An answer that is shorter passes, and the connection ends when it is used again.
func TestIdleConnectionEnds(t *testing.T) {
	url, executed := answering(t)
	p := backend.NewProxy(t, url, 1)
	first := true
	p.Spoil(func(*rand.Rand) backend.Fate {
		defer func() { first = false }()
		if first {
			return backend.Fate{End: backend.Close, In: backend.Answer, After: 1 << 20}
		}
		return backend.Fate{}
	})
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	for i := 1; i <= 3; i++ {
		if _, err := post(t.Context(), client, p.URL()); (err != nil) != (i == 2) {
			t.Errorf("request %d: %v", i, err)
		}
	}
	if executed() != 2 {
		t.Errorf("executed %d times, want 2", executed())
	}
}

// With ids of their own, documents arrive once each, through whatever resets.
func TestResetSome(t *testing.T) {
	n := backend.Shared(t, backend.Elasticsearch)
	p := backend.NewProxy(t, n.URL(), rand.Uint64())
	p.Spoil(backend.ResetSome(0.3))
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	again := 0
	for first := 0; first < 10_000; first += 100 {
		for {
			res, err := client.Post(p.URL()+"/"+n.Prefix+"logs/_bulk", "application/x-ndjson", strings.NewReader(bulk(first, 100)))
			if err == nil {
				_, err = io.Copy(io.Discard, res.Body)
				res.Body.Close()
				if err == nil && res.StatusCode != http.StatusOK {
					t.Fatal(res.Status)
				}
			}
			if err == nil {
				break
			}
			again++
		}
	}
	c := p.Counts()
	t.Logf("%+v, sent again: %d", c, again)
	if c.Ended < 10 || again < 10 {
		t.Errorf("of more than 100 exchanges %d were reset, and %d repeated", c.Ended, again)
	}
	n.Refresh(n.Prefix + "logs")
	seen := map[string]int{}
	n.Documents(n.Prefix+"logs", func(d backend.Document) { seen[d.ID]++ })
	for i := range 10_000 {
		if seen[fmt.Sprint(i)] != 1 {
			t.Fatalf("document %d is there %d times", i, seen[fmt.Sprint(i)])
		}
	}
}
