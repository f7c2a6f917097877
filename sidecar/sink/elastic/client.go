package elastic

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/elastic/elastic-transport-go/v8/elastictransport"
	"logging.taco/sidecar/config"
)

// client sends requests to one of the backend's addresses: in turn, and to
// those that do not answer more rarely.
type client struct {
	hosts *elastictransport.Client
	log   *slog.Logger

	serverName string
	inFlight   int

	mu    sync.Mutex
	creds credentials
	said  string
	http  *http.Transport // made anew when the TLS credentials change

	changes int // of the credentials
}

func newClient(o config.Output, getenv func(string) string, userAgent string, log *slog.Logger) (*client, error) {
	c := &client{log: log, serverName: o.ServerName, inFlight: o.InFlight, creds: credentials{dir: o.Credentials, getenv: getenv}}
	var urls []*url.URL
	for _, to := range o.To {
		u, err := url.Parse(strings.TrimSuffix(to, "/"))
		if err != nil {
			return nil, errors.New("an address of the output is no URL")
		}
		urls = append(urls, u)
	}
	var err error
	// Attempts are ours to repeat: only we know which records still need one.
	c.hosts, err = elastictransport.NewClient(
		elastictransport.WithURLs(urls...), elastictransport.WithTransport(c),
		elastictransport.WithDisableRetry(), elastictransport.WithUserAgent(userAgent))
	if err != nil {
		return nil, fmt.Errorf("prepare the connection: %w", err)
	}
	return c, nil
}

// Perform implements esapi.Transport.
func (c *client) Perform(r *http.Request) (*http.Response, error) { return c.hosts.Perform(r) }

// RoundTrip implements http.RoundTripper: with the credentials of this moment.
func (c *client) RoundTrip(r *http.Request) (*http.Response, error) {
	transport, authorization := c.connect()
	if authorization != "" {
		r.Header.Set("Authorization", authorization)
	}
	return transport.RoundTrip(r)
}

// connect returns the transport and the Authorization header.
func (c *client) connect() (*http.Transport, string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	changed, err := c.creds.refresh(time.Now())
	if err != nil && err.Error() != c.said {
		c.said = err.Error()
		c.log.Warn("the credentials cannot be used as they are now; going on with the last good ones, if there were any", "error", err)
	}
	if changed {
		c.said = ""
		c.changes++
	}
	if c.http == nil || changed {
		if c.http != nil {
			c.http.CloseIdleConnections()
		}
		c.http = c.transport()
	}
	return c.http, c.creds.authorization
}

// authorized tells whether requests carry credentials.
func (c *client) authorized() bool {
	_, authorization := c.connect()
	c.mu.Lock()
	defer c.mu.Unlock()
	return authorization != "" || c.creds.certificate != nil
}

// version counts the changes of the credentials, of which there may be one now.
func (c *client) version() int {
	c.connect()
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.changes
}

// forget has the credentials looked at before the next request.
func (c *client) forget() {
	c.mu.Lock()
	c.creds.looked = time.Time{}
	c.mu.Unlock()
}

func (c *client) transport() *http.Transport {
	dialer := &net.Dialer{Timeout: 10 * time.Second, KeepAlive: 15 * time.Second}
	t := &http.Transport{
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := dialer.DialContext(ctx, network, address)
			if err != nil {
				return nil, err
			}
			return wholeConn{conn}, nil
		},
		TLSHandshakeTimeout:   10 * time.Second,
		ExpectContinueTimeout: time.Second,
		MaxIdleConnsPerHost:   c.inFlight,
		IdleConnTimeout:       time.Minute,
		DisableCompression:    true, // answers are small; a window for them is not
		ReadBufferSize:        4 << 10,
		WriteBufferSize:       16 << 10,
		TLSClientConfig:       &tls.Config{RootCAs: c.creds.roots, ServerName: c.serverName, MinVersion: tls.VersionTLS12},
	}
	if c.creds.certificate != nil {
		t.TLSClientConfig.Certificates = []tls.Certificate{*c.creds.certificate}
	}
	return t
}

// plain leaves the URL's words out of an error of net/http.
func plain(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}
