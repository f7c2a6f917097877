package telemetry

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"os"
	"time"
)

// Serve answers /metrics, /healthz and /readyz on the address until the
// listener is closed. An error: the address cannot be had.
func (m *Metrics) Serve(address string) (net.Listener, error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("serve metrics: %w", err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, _ *http.Request) {
		var b bytes.Buffer
		m.Write(&b)
		w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
		w.Write(b.Bytes())
	})
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("ok\n")) })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if !m.ready.Load() {
			http.Error(w, "the first look at the files is not over", http.StatusServiceUnavailable)
			return
		}
		w.Write([]byte("ok\n"))
	})
	s := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second, IdleTimeout: 30 * time.Second}
	go s.Serve(l)
	return l, nil
}

// residentBytes is the process's resident set.
func residentBytes() (int64, bool) {
	b, err := os.ReadFile("/proc/self/statm")
	var size, resident int64
	if err != nil {
		return 0, false
	}
	if _, err := fmt.Sscan(string(b), &size, &resident); err != nil {
		return 0, false
	}
	return resident * int64(os.Getpagesize()), true
}
