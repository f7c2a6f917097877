package main

import (
	"fmt"
	"os"
	"path/filepath"
)

// A shipper is a program that follows a file and sends its lines to a bulk endpoint.
type shipper struct {
	name string
	// command is the program and its arguments.
	command func(dir, url, file string) ([]string, error)
	env     []string // beside the usual
	slow    bool     // gets a fifth of the file
}

var (
	plain = shipper{name: "sidecar, --gzip=false --ids=false", command: shipPlain}
	full  = shipper{name: "sidecar, gzip, ids, pod's metadata", command: shipFull, env: podEnv}
)

// shippers are ours and, where they are asked for, the collector and rsyslog,
// which add no metadata of the pod and no ids.
func shippers() ([]shipper, error) {
	all := []shipper{plain, full}
	if collector.program != "" {
		for _, compression := range []string{"none", "gzip"} {
			all = append(all, shipper{name: title(compression), slow: true, command: func(dir, url, file string) ([]string, error) {
				args, err := collect(dir, file, "", fmt.Sprintf(toBulk, url, compression))
				return append([]string{collector.program}, args...), err
			}})
		}
	}
	if *rsyslog != "" {
		s, err := rsyslogs(*rsyslog)
		if err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	return all, nil
}

func shipPlain(_, url, file string) ([]string, error) {
	return []string{programs.sidecar, "ship", "--to=" + url, "--gzip=false", "--ids=false", "--template=off", file}, nil
}

// shipFull has the defaults, and what a pod has beside.
func shipFull(dir, url, file string) ([]string, error) {
	pod := filepath.Join(dir, "pod")
	if err := os.MkdirAll(pod, 0o755); err != nil {
		return nil, err
	}
	for name, text := range map[string]string{"labels": podLabels, "annotations": podAnnotations} {
		if err := os.WriteFile(filepath.Join(pod, name), []byte(text), 0o644); err != nil {
			return nil, err
		}
	}
	return []string{programs.sidecar, "ship", "--to=" + url, "--pod=" + pod, "--container=shop", "--template=off", file}, nil
}

// A pod as a Deployment makes them.
var podEnv = []string{
	"TACO_POD_NAME=shop-7c9f6d8b5-x2v4q", "TACO_POD_NAMESPACE=production",
	"TACO_POD_UID=3f1c2a9e-6f0b-4a4e-9d3c-8b7a6c5d4e3f", "TACO_NODE_NAME=node-17.eu-1.example",
}

const (
	podLabels = `app.kubernetes.io/component="backend"
app.kubernetes.io/instance="shop"
app.kubernetes.io/managed-by="Helm"
app.kubernetes.io/name="shop"
app.kubernetes.io/version="4.17.2"
pod-template-hash="7c9f6d8b5"`
	podAnnotations = `kubernetes.io/config.seen="2026-11-21T10:54:39.365432109Z"
prometheus.io/port="8080"
prometheus.io/scrape="true"`
)
