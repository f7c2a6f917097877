package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	"k8s.io/client-go/kubernetes"

	"logging.taco/injector/profile"
)

// serveOptions are the flags of `injector serve`, checked.
type serveOptions struct {
	config               string // profile; empty: the default one
	address              string
	port                 int
	metrics, health      string
	service              namespaced
	secret               namespaced
	names                string // further ones for the certificate, separated by commas
	webhookConfiguration string
	certDir              string // empty: self-managed
	kubeconfig           string // empty: the pod's own cluster
	shutdownDelay        time.Duration
	logLevel             slog.Level
}

// namespaced is a NAMESPACE/NAME.
type namespaced struct{ namespace, name string }

func (n *namespaced) String() string { return n.namespace + "/" + n.name }

func (n *namespaced) Set(s string) error {
	namespace, name, ok := strings.Cut(s, "/")
	if !ok || namespace == "" || name == "" || strings.Contains(name, "/") {
		return errors.New("give NAMESPACE/NAME")
	}
	*n = namespaced{namespace, name}
	return nil
}

// parseServe reads the flags. Without options, status is what to exit with.
func parseServe(args []string, stderr io.Writer) (o *serveOptions, status int) {
	o = &serveOptions{
		service: namespaced{"logging-taco", "injector"},
		secret:  namespaced{"logging-taco", "injector-certificate"},
	}
	f := flag.NewFlagSet("injector serve", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.Usage = func() {
		fmt.Fprint(stderr, "usage: injector serve [flags]\n\nServes the mutating webhook on /mutate until SIGTERM.\n\n")
		f.PrintDefaults()
	}
	f.StringVar(&o.config, "config", "", "`FILE` with the administrator's profile; where it does not exist, the default profile")
	f.StringVar(&o.address, "address", "", "`ADDRESS` the webhook listens on (default all)")
	f.IntVar(&o.port, "port", 8443, "`PORT` the webhook listens on")
	f.StringVar(&o.metrics, "metrics", ":8080", "`ADDRESS` of /metrics; empty: none")
	f.StringVar(&o.health, "health", ":8081", "`ADDRESS` of /healthz and /readyz; empty: none")
	f.Var(&o.service, "service", "`NAMESPACE/NAME` of the Service that API servers call, for the certificate")
	f.Var(&o.secret, "certificate-secret", "`NAMESPACE/NAME` of the Secret that keeps the self-managed certificate")
	f.StringVar(&o.names, "certificate-names", "", "more DNS names and addresses for the certificate, separated by commas, for a webhook that is called by URL")
	f.StringVar(&o.webhookConfiguration, "webhook-configuration", "logging-taco", "`NAME` of the MutatingWebhookConfiguration that gets the caBundle")
	f.StringVar(&o.certDir, "cert-dir", "", "`DIR` with tls.crt and tls.key, re-read when they change, instead of the self-managed certificate")
	f.StringVar(&o.kubeconfig, "kubeconfig", "", "`FILE` that names the cluster (default the pod's own)")
	f.DurationVar(&o.shutdownDelay, "shutdown-delay", 5*time.Second, "how long to serve on after SIGTERM, not ready, until nobody calls any more")
	f.TextVar(&o.logLevel, "log-level", slog.LevelInfo, "`LEVEL` of the log: debug, info, warn or error")
	if err := f.Parse(args); errors.Is(err, flag.ErrHelp) {
		return nil, exitOK
	} else if err != nil {
		return nil, exitUsage
	}
	if err := o.check(f.Args()); err != nil {
		fmt.Fprintf(stderr, "injector serve: %v\n\n", err)
		f.Usage()
		return nil, exitUsage
	}
	return o, 0
}

func (o *serveOptions) check(rest []string) error {
	switch {
	case len(rest) > 0:
		return fmt.Errorf("unexpected argument %q", rest[0])
	case o.port < 1 || o.port > 65535:
		return fmt.Errorf("--port %d: give one from 1 to 65535", o.port)
	case o.shutdownDelay < 0:
		return fmt.Errorf("--shutdown-delay %s: it cannot be negative", o.shutdownDelay)
	case o.certDir == "" && o.webhookConfiguration == "":
		return errors.New("--webhook-configuration: a name is needed, unless --cert-dir is given")
	}
	for name := range strings.SplitSeq(o.names, ",") {
		if o.names != "" && strings.TrimSpace(name) == "" {
			return fmt.Errorf("--certificate-names %q: an empty name", o.names)
		}
	}
	return nil
}

// certificateNames is what the certificate is for: the Service's name as API
// servers call it, and what the flag adds.
func (o *serveOptions) certificateNames() []string {
	names := []string{o.service.name + "." + o.service.namespace + ".svc"}
	for name := range strings.SplitSeq(o.names, ",") {
		if name = strings.TrimSpace(name); name != "" {
			names = append(names, name)
		}
	}
	return names
}

// errProfile means that the administrator has to correct the profile.
var errProfile = errors.New("the profile cannot be used")

// profile is the administrator's profile, with what only the cluster knows.
func (o *serveOptions) profile(ctx context.Context, client kubernetes.Interface, log *slog.Logger) (*profile.Store, error) {
	version := kubernetesVersion(ctx, client, log)
	store, err := profile.Open(o.config, func(p *profile.Profile) {
		p.Namespace, p.Kubernetes = o.service.namespace, version
	}, log)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errProfile, err)
	}
	return store, nil
}

// kubernetesVersion asks the API server, for some seconds if it must: for a
// cluster too old for native sidecars, the answer matters.
func kubernetesVersion(ctx context.Context, client kubernetes.Interface, log *slog.Logger) profile.Version {
	if client == nil {
		return profile.Version{}
	}
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	for {
		info, err := client.Discovery().ServerVersion()
		if err == nil {
			var v profile.Version
			if v, err = profile.ParseVersion(info.GitVersion); err == nil {
				log.Info("cluster found", "version", info.GitVersion)
				return v
			}
		}
		select {
		case <-ctx.Done():
			log.Warn("the cluster's version is unknown; it is taken as 1.29 or later", "err", err)
			return profile.Version{}
		case <-time.After(time.Second):
		}
	}
}
