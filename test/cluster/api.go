//go:build linux

package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"
)

// An api is the little that the cluster itself needs of Kubernetes' API.
type api struct {
	base   string
	client *http.Client
}

// newAPI speaks to the API server at the base URL as its administrator.
func newAPI(c cluster, base string) (*api, error) {
	cert, err := tls.LoadX509KeyPair(c.path("keys/admin.crt"), c.path("keys/admin.key"))
	if err != nil {
		return nil, err
	}
	ca, err := os.ReadFile(c.path("keys/ca.crt"))
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(ca) {
		return nil, fmt.Errorf("%s holds no certificate", c.path("keys/ca.crt"))
	}
	return &api{base, &http.Client{
		Timeout: 10 * time.Second,
		// No proxy: the server is on this machine.
		Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{cert}}},
	}}, nil
}

// get reads an object into the value, or only checks that it is there.
func (a *api) get(ctx context.Context, path string, into any) error {
	return a.do(ctx, http.MethodGet, path, "", into)
}

// create makes an object; that it is there already is no error.
func (a *api) create(ctx context.Context, path, object string) error {
	err := a.do(ctx, http.MethodPost, path, object, nil)
	if failed, ok := errors.AsType[statusError](err); ok && failed.code == http.StatusConflict {
		return nil
	}
	return err
}

// A statusError is an answer other than success.
type statusError struct {
	code    int
	message string
}

func (e statusError) Error() string { return e.message }

func (a *api) do(ctx context.Context, method, path, body string, into any) error {
	request, err := http.NewRequestWithContext(ctx, method, a.base+path, strings.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := a.client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	if response.StatusCode/100 != 2 {
		return statusError{response.StatusCode, fmt.Sprintf("%s %s: %s: %s", method, path, response.Status, strings.TrimSpace(string(answer)))}
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(answer, into)
}

// nodeReady is nil when the node takes pods.
func (a *api) nodeReady(ctx context.Context, name string) error {
	var node struct {
		Status struct {
			Conditions []struct{ Type, Status, Message string }
		}
	}
	if err := a.get(ctx, "/api/v1/nodes/"+name, &node); err != nil {
		return err
	}
	for _, condition := range node.Status.Conditions {
		if condition.Type == "Ready" {
			if condition.Status == "True" {
				return nil
			}
			return fmt.Errorf("node %s is not ready: %s", name, condition.Message)
		}
	}
	return fmt.Errorf("node %s says nothing of its state", name)
}
