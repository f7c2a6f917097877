package main

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"
)

func TestEndpointCounts(t *testing.T) {
	var said bytes.Buffer
	s := httptest.NewServer(&endpoint{out: json.NewEncoder(&said)})
	defer s.Close()
	two := strings.Repeat("{\"create\":{}}\n{\"log\":\"hello\"}\n", 2)
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	z.Write([]byte(two))
	z.Close()
	wire := int64(len(two) + packed.Len())
	for _, c := range []struct {
		path, body, encoding string
		status, items        int
	}{
		{"/_bulk", two, "", 200, 2},
		{"/logs/_bulk?timeout=1m", packed.String(), "gzip", 200, 2},
		{"/_bulk", two + "\n", "", 400, 0}, // nobody knows how many documents
		{"/_bulk", two, "gzip", 400, 0},
		{"/_bulk", packed.String()[:packed.Len()-9], "gzip", 400, 0},
		{"/", "", "", 200, 0},
	} {
		r, err := http.NewRequest(http.MethodPost, s.URL+c.path, strings.NewReader(c.body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Encoding", c.encoding)
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		var answer struct{ Items []json.RawMessage }
		err = json.NewDecoder(res.Body).Decode(&answer)
		res.Body.Close()
		if err != nil || res.StatusCode != c.status || len(answer.Items) != c.items {
			t.Errorf("%s, %q, %.20q: status %d, %d items, %v; want %d, %d items",
				c.path, c.encoding, c.body, res.StatusCode, len(answer.Items), err, c.status, c.items)
		}
	}
	var last tally
	for d := json.NewDecoder(&said); d.More(); {
		if err := d.Decode(&last); err != nil {
			t.Fatal(err)
		}
	}
	last.At = 0
	if want := (tally{Bulks: 2, Documents: 4, Wire: wire, Plain: int64(2 * len(two))}); last != want {
		t.Errorf("it says %+v, want %+v", last, want)
	}
}
