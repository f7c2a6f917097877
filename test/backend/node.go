package backend

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// A Node is a server in the hands of a test, which fails if the node does not
// do what it is told. Only Do may be called by other goroutines than the test's.
type Node struct {
	*server
	// Prefix begins the names of all indices that are this test's; "" for a node
	// that has no other users.
	Prefix string

	t    testing.TB
	user User
}

// A User is who asks; the zero User is nobody.
type User struct{ Name, Password string }

// JSON is a decoded object. What is no object is under the key "text".
type JSON map[string]any

// At follows keys, and positions in lists, and returns nil where there is nothing:
// body.At("items", "0", "create", "status"). Numbers are float64.
func (j JSON) At(path ...string) any {
	var here any = map[string]any(j)
	for _, key := range path {
		switch value := here.(type) {
		case map[string]any:
			here = value[key]
		case []any:
			i, err := strconv.Atoi(key)
			if err != nil || i < 0 || i >= len(value) {
				return nil
			}
			here = value[i]
		default:
			return nil
		}
	}
	return here
}

// URL is where the node serves, without a slash at its end.
func (n *Node) URL() string { return n.url() }

// Pid is the process that runs, or that ran last.
func (n *Node) Pid() int { return n.process.Load().cmd.Process.Pid }

// Client is a client that reaches the node; it does not say who it is.
func (n *Node) Client() *http.Client { return n.client }

// Get, Put, Post and Delete return the status of an answer and its body. A body
// that is sent is a string or []byte as it is, and all else as JSON.
func (n *Node) Get(path string) (int, JSON) {
	n.t.Helper()
	return n.must(http.MethodGet, path, nil)
}

func (n *Node) Put(path string, body any) (int, JSON) {
	n.t.Helper()
	return n.must(http.MethodPut, path, body)
}

func (n *Node) Post(path string, body any) (int, JSON) {
	n.t.Helper()
	return n.must(http.MethodPost, path, body)
}

func (n *Node) Delete(path string) (int, JSON) {
	n.t.Helper()
	return n.must(http.MethodDelete, path, nil)
}

func (n *Node) must(method, path string, body any) (int, JSON) {
	n.t.Helper()
	status, text := n.text(method, path, body)
	return status, decode(text)
}

// text returns an answer as it is.
func (n *Node) text(method, path string, body any) (status int, text []byte) {
	n.t.Helper()
	ctx, cancel := context.WithTimeout(n.t.Context(), startMost)
	defer cancel()
	status, text, err := n.ask(ctx, n.user, method, path, body)
	if err != nil {
		n.t.Fatal(err)
	}
	return status, text
}

// Do is for requests that may get no answer. The error is of the connection.
func (n *Node) Do(ctx context.Context, method, path string, body any) (status int, answer JSON, err error) {
	return n.do(ctx, n.user, method, path, body)
}

func (s *server) do(ctx context.Context, user User, method, path string, body any) (status int, answer JSON, err error) {
	status, text, err := s.ask(ctx, user, method, path, body)
	return status, decode(text), err
}

func decode(text []byte) (answer JSON) {
	if json.Unmarshal(text, &answer) != nil {
		return JSON{"text": string(text)}
	}
	return answer
}

func (s *server) ask(ctx context.Context, user User, method, path string, body any) (status int, text []byte, err error) {
	var sent []byte
	switch b := body.(type) {
	case nil:
	case string:
		sent = []byte(b)
	case []byte:
		sent = b
	default:
		if sent, err = json.Marshal(b); err != nil {
			return 0, nil, err
		}
	}
	req, err := http.NewRequestWithContext(ctx, method, s.url()+path, bytes.NewReader(sent))
	if err != nil {
		return 0, nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	if strings.Contains(path, "_bulk") {
		req.Header.Set("Content-Type", "application/x-ndjson")
	}
	if user != (User{}) {
		req.SetBasicAuth(user.Name, user.Password)
	}
	res, err := s.client.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer res.Body.Close()
	text, err = io.ReadAll(res.Body)
	if err != nil {
		err = fmt.Errorf("read the answer to %s %s: %w", method, path, err)
	}
	return res.StatusCode, text, err
}

// Refresh makes all documents of the indices visible to a search.
func (n *Node) Refresh(indices string) {
	n.t.Helper()
	if status, body := n.Post("/"+indices+"/_refresh", nil); status != http.StatusOK {
		n.t.Fatalf("refresh %s: status %d: %v", indices, status, body)
	}
}

// Count counts the visible documents of the indices ("*" in names is a pattern)
// for which a query holds, which is as one types it in Kibana; "" is all of them.
func (n *Node) Count(indices, query string) int {
	n.t.Helper()
	what := map[string]any{}
	if query != "" {
		what["query"] = map[string]any{"query_string": map[string]any{"query": query}}
	}
	status, body := n.Post("/"+indices+"/_count", what)
	count, ok := body["count"].(float64)
	if !ok {
		n.t.Fatalf("count %s: status %d: %v", indices, status, body)
	}
	return int(count)
}

// Stop ends the node as SIGTERM does, Kill as SIGKILL does; both wait until it is gone.
func (n *Node) Stop() {
	n.t.Helper()
	if err := n.stop(); err != nil {
		n.t.Fatal(err)
	}
}

func (n *Node) Kill() { n.kill() }

// Restart starts the node again, which it stops before if it runs: on the same
// data and port, with the same options and those given here.
func (n *Node) Restart(options ...Option) {
	n.t.Helper()
	n.Stop()
	for _, o := range options {
		o(&n.options)
	}
	if err := n.start(n.t.Context()); err != nil {
		n.t.Fatal(err)
	}
}

// Signal sends a signal to the node. After SIGSTOP it stands when Signal returns.
func (n *Node) Signal(sig syscall.Signal) {
	n.t.Helper()
	if err := n.process.Load().signal(sig); err != nil {
		n.t.Fatalf("send %s to %s: %v", sig, n.product.title, err)
	}
}
