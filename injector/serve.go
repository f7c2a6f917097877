package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"golang.org/x/sync/errgroup"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/webhook"

	"logging.taco/injector/admission"
	"logging.taco/injector/certificate"
)

// serve is the command `injector serve`: the webhook, until SIGTERM.
func serve(args []string) int {
	o, status := parseServe(args, os.Stderr)
	if o == nil {
		return status
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: o.logLevel}))
	slog.SetDefault(log) // and the standard log with it, which net/http uses
	klog.SetSlogLogger(log)
	ctrllog.SetLogger(logr.FromSlogHandler(log.Handler()))

	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	switch err := o.run(ctx, log); {
	case errors.Is(err, errProfile):
		log.Error("injector serve", "err", err)
		return exitUsage
	case err != nil:
		log.Error("injector serve", "err", err)
		return exitFailed
	}
	return exitOK
}

// run wires everything up, in the order in which data flows, and serves until
// ctx ends and the requests that are still coming are answered.
func (o *serveOptions) run(ctx context.Context, log *slog.Logger) error {
	// The cluster: for the certificate, and to know what its kubelets can do.
	client, err := o.client()
	if err != nil && o.certDir == "" {
		return err
	}

	// What pods may get: the administrator's profile.
	store, err := o.profile(ctx, client, log)
	if err != nil {
		return err
	}

	// What is counted. A registry of our own: nothing registers itself unseen.
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	metrics := admission.NewMetrics(registry)
	registerProfile(registry, store)

	// Whom API servers see: the certificate.
	source, err := o.certificate(client, log)
	if err != nil {
		return err
	}
	registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "taco_injector_certificate_expiry_timestamp_seconds",
		Help: "When the served certificate ends; 0 while there is none.",
	}, func() float64 {
		if end := source.Expiry(); !end.IsZero() {
			return float64(end.Unix())
		}
		return 0
	}))

	// A pod comes in: TLS, limits, decision, patch.
	var draining atomic.Bool
	mux := http.NewServeMux()
	mux.Handle("/mutate", closing(&draining, admission.NewHandler(admission.Options{
		Profile: store.Profile,
		Metrics: metrics,
		Log:     log,
	})))
	server := webhook.NewServer(webhook.Options{
		Host:       o.address,
		Port:       o.port,
		WebhookMux: mux,
		TLSOpts: []func(*tls.Config){func(c *tls.Config) {
			c.MinVersion = tls.VersionTLS12
			c.GetCertificate = source.GetCertificate
		}},
	})

	// Who looks at us: kubelet and Prometheus.
	ready := func(r *http.Request) error {
		if draining.Load() {
			return errors.New("shutting down")
		}
		if err := source.Ready(); err != nil {
			return err
		}
		return server.StartedChecker()(r) // which calls the webhook's port
	}

	// Everything runs until the group's context ends, which is the shutdown
	// delay after ctx: until then, whoever has not yet noticed is still served.
	running, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	group, running := errgroup.WithContext(running)
	group.Go(func() error { return source.Run(running) })
	group.Go(func() error { return store.Run(running) })
	group.Go(func() error {
		if err := server.Start(running); err != nil {
			return fmt.Errorf("serve the webhook; is the port free? choose another with --port: %w", err)
		}
		return nil
	})
	if err := o.observe(running, group, ready, registry, log); err != nil {
		end()
		return errors.Join(err, group.Wait())
	}
	group.Go(func() error {
		defer end()
		select {
		case <-running.Done():
			return nil
		case <-ctx.Done():
		}
		draining.Store(true)
		log.Info("shutting down", "after", o.shutdownDelay)
		select {
		case <-running.Done():
		case <-time.After(o.shutdownDelay):
		}
		return nil
	})
	return group.Wait()
}

// closing asks clients to open a new connection, which leads to another replica,
// once this one is going to end. An API server keeps its connections for long.
func closing(draining *atomic.Bool, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if draining.Load() {
			w.Header().Set("Connection", "close")
		}
		next.ServeHTTP(w, r)
	})
}

// client is the cluster's: of --kubeconfig, or of the pod's ServiceAccount.
func (o *serveOptions) client() (kubernetes.Interface, error) {
	find := rest.InClusterConfig
	if o.kubeconfig != "" {
		find = func() (*rest.Config, error) { return clientcmd.BuildConfigFromFlags("", o.kubeconfig) }
	}
	config, err := find()
	if err != nil {
		return nil, fmt.Errorf("find the cluster; outside of one, name it with --kubeconfig: %w", err)
	}
	config.UserAgent = "logging.taco-injector"
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("make a client for %s: %w", config.Host, err)
	}
	return client, nil
}

// certificate is the source that the flags choose.
func (o *serveOptions) certificate(client kubernetes.Interface, log *slog.Logger) (certificate.Source, error) {
	if o.certDir != "" {
		return certificate.NewFiles(o.certDir)
	}
	return certificate.NewKeeper(client, certificate.Objects{
		Namespace:            o.secret.namespace,
		Secret:               o.secret.name,
		WebhookConfiguration: o.webhookConfiguration,
	}, o.certificateNames(), certificate.Policy{}, time.Now, log)
}
