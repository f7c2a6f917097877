package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"golang.org/x/sync/errgroup"

	"logging.taco/injector/profile"
)

// observe serves health and metrics until ctx ends; both on one address is fine.
// A pod without probes would never get a request, so their address must be free;
// without metrics there is a warning.
func (o *serveOptions) observe(ctx context.Context, group *errgroup.Group, ready func(*http.Request) error, registry *prometheus.Registry, log *slog.Logger) error {
	health := http.NewServeMux()
	health.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	health.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		if err := ready(r); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "ok")
	})
	metrics := health
	if o.metrics != o.health {
		metrics = http.NewServeMux()
	}
	metrics.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))

	if err := listen(ctx, group, o.health, health); err != nil {
		return fmt.Errorf("serve the probes; choose another address with --health: %w", err)
	}
	if o.metrics != o.health {
		if err := listen(ctx, group, o.metrics, metrics); err != nil {
			log.Warn("no metrics; choose another address with --metrics", "err", err)
		}
	}
	return nil
}

// registerProfile counts what becomes of a profile that changes.
func registerProfile(registry *prometheus.Registry, store *profile.Store) {
	registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "taco_injector_profile_last_reload_successful",
		Help: "1: the profile in use is the file's. 0: the file cannot be used, and the last good one is in use.",
	}, func() float64 {
		if good, _ := store.Status(); good {
			return 1
		}
		return 0
	}), prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "taco_injector_profile_last_reload_success_timestamp_seconds",
		Help: "When the profile in use was loaded.",
	}, func() float64 {
		_, since := store.Status()
		return float64(since.Unix())
	}))
}

// listen serves handler on address, which may be empty for not at all.
func listen(ctx context.Context, group *errgroup.Group, address string, handler http.Handler) error {
	if address == "" {
		return nil
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 5 * time.Second, IdleTimeout: time.Minute}
	group.Go(func() error {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	})
	group.Go(func() error {
		<-ctx.Done()
		return server.Close()
	})
	return nil
}
