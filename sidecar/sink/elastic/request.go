package elastic

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/elastic/go-elasticsearch/v8/esapi"
)

// result is the answer to a request, or why there was none.
type result struct {
	status     int
	retryAfter time.Duration
	location   string // of a redirect
	body       []byte
	err        error // of the connection, or of reading the answer
}

// filter leaves only what is looked at in an answer.
var filter = []string{"errors", "error.type", "error.reason", "items.*.status", "items.*.error.type", "items.*.error.reason", "items.*.error.caused_by"}

// A response may have so many bytes, so many more for each item, and so many
// more for each byte that was sent: its reasons, of causes too, may quote it.
const (
	mostAnswer        = 64 << 10
	mostAnswerPerItem = 2 << 10
	mostAnswerPerByte = 4
	keptAnswer        = 1 << 20 // a longer buffer is not kept
)

// request sends the first n items and reads the answer.
func (b *bulk) request(n int) result {
	s := b.sink
	body, err := b.load(n, s.opt.Output.Gzip)
	if err != nil {
		return result{err: fmt.Errorf("compress: %w", err)}
	}
	s.template.ensure(s)
	timeout := time.Duration(s.opt.Output.Timeout)
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()

	header := http.Header{"Content-Type": {"application/x-ndjson"}}
	if s.opt.Output.Gzip {
		header["Content-Encoding"] = []string{"gzip"}
	}
	if s.opt.Output.IDs {
		// Tells net/http, and nobody else, that it may send again at once what
		// met a kept connection that the other side has just closed.
		header["X-Idempotency-Key"] = []string{}
	}
	b.version = s.client.version()
	s.stats.requests.Add(1)
	s.stats.sent.Add(int64(len(body)))
	res, err := esapi.BulkRequest{
		Index:      b.index,
		Body:       bytes.NewReader(body),
		Timeout:    timeout / 3, // a node without a master answers after twice as long
		FilterPath: filter,
		Header:     header,
	}.Do(ctx, s.client)
	if err != nil {
		return result{err: plain(err)}
	}
	defer res.Body.Close()
	r := result{status: res.StatusCode, retryAfter: retryAfter(res.Header.Get("Retry-After"), s.opt.Now())}
	if r.status >= 300 && r.status < 400 {
		r.location = res.Header.Get("Location")
	}
	if cap(b.answer) > keptAnswer {
		b.answer = nil
	}
	length := b.items[n-1].end - b.items[0].start
	b.answer, r.err = readAll(b.answer[:0], res.Body, mostAnswer+n*mostAnswerPerItem+length*mostAnswerPerByte)
	r.body = b.answer
	return r
}

// readAll reads at most so many bytes; more are an error.
func readAll(into []byte, from io.Reader, most int) ([]byte, error) {
	for {
		if len(into) == cap(into) {
			into = append(into, 0)[:len(into)]
		}
		n, err := from.Read(into[len(into):cap(into)])
		into = into[:len(into)+n]
		switch {
		case errors.Is(err, io.EOF):
			return into, nil
		case err != nil:
			return into, fmt.Errorf("read the answer: %w", err)
		case len(into) > most:
			return into, fmt.Errorf("the answer is longer than %d bytes", most)
		}
	}
}

// retryAfter reads RFC 9110's header: seconds, or a date.
func retryAfter(value string, now time.Time) time.Duration {
	if seconds, err := strconv.Atoi(value); err == nil && seconds > 0 {
		return time.Duration(min(seconds, 3600)) * time.Second
	}
	if at, err := http.ParseTime(value); err == nil {
		return max(at.Sub(now), 0)
	}
	return 0
}
