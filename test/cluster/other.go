//go:build !linux

package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Fprintln(os.Stderr, "cluster: a node needs Linux; use a cluster that you have: set KUBECONFIG, and CLUSTER=current for make")
	os.Exit(1)
}
