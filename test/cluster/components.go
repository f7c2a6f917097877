//go:build linux

package main

import "strings"

// A component is one program of the node: its name, which is also that of its
// log, the program and its arguments.
type component struct {
	name string
	args []string
}

// components returns what the node runs, in two lots: the second one needs an
// API server that is ready. (The controller manager ends for good if it finds
// the roles not yet there.)
func (c cluster) components() (first, second []component) {
	key := func(name string) string { return c.path("keys", name) }
	etc := func(name string) string { return c.path("etc", name) }

	// Only what runs in the namespace can reach etcd, hence no certificates.
	// It need not survive a power cut, hence no fsync.
	etcd := component{"etcd", []string{c.path("bin/etcd"),
		"--data-dir=" + c.path("etcd"),
		"--unsafe-no-fsync",
		"--log-level=warn",
	}}
	containerd := component{"containerd", []string{"containerd", "--config=" + etc("containerd.toml")}}
	apiserver := component{"kube-apiserver", []string{c.path("bin/kube-apiserver"),
		"--etcd-servers=http://127.0.0.1:2379",
		"--secure-port=6443",
		"--bind-address=0.0.0.0",
		"--advertise-address=" + nodeIP,
		"--service-cluster-ip-range=" + services,
		"--client-ca-file=" + key("ca.crt"),
		"--tls-cert-file=" + key("apiserver.crt"),
		"--tls-private-key-file=" + key("apiserver.key"),
		"--service-account-issuer=https://kubernetes.default.svc.cluster.local",
		"--service-account-key-file=" + key("sa.pub"),
		"--service-account-signing-key-file=" + key("sa.key"),
		"--authorization-mode=Node,RBAC",
		"--anonymous-auth=false",
		"--enable-admission-plugins=NodeRestriction",
		"--kubelet-client-certificate=" + key("apiserver-kubelet-client.crt"),
		"--kubelet-client-key=" + key("apiserver-kubelet-client.key"),
		"--kubelet-certificate-authority=" + key("ca.crt"),
		"--kubelet-preferred-address-types=InternalIP",
		"--requestheader-client-ca-file=" + key("front-ca.crt"),
		"--requestheader-allowed-names=front-proxy-client",
		"--requestheader-extra-headers-prefix=X-Remote-Extra-",
		"--requestheader-group-headers=X-Remote-Group",
		"--requestheader-username-headers=X-Remote-User",
		"--proxy-client-cert-file=" + key("front-proxy-client.crt"),
		"--proxy-client-key-file=" + key("front-proxy-client.key"),
		"--allow-privileged=true",
	}}

	kubeconfigs := func(user string) []string {
		file := etc(user + ".kubeconfig")
		return []string{"--kubeconfig=" + file, "--authentication-kubeconfig=" + file, "--authorization-kubeconfig=" + file}
	}
	manager := component{"kube-controller-manager", append([]string{c.path("bin/kube-controller-manager"),
		"--service-account-private-key-file=" + key("sa.key"),
		"--root-ca-file=" + key("ca.crt"),
		"--use-service-account-credentials=true",
		"--leader-elect=false",
		"--cluster-signing-cert-file=" + key("ca.crt"),
		"--cluster-signing-key-file=" + key("ca.key"),
		"--bind-address=127.0.0.1",
		// The usual limits would delay the first ServiceAccounts by seconds.
		"--kube-api-qps=500",
		"--kube-api-burst=500",
	}, kubeconfigs("controller-manager")...)}
	scheduler := component{"kube-scheduler", append([]string{c.path("bin/kube-scheduler"),
		"--leader-elect=false",
		"--bind-address=127.0.0.1",
	}, kubeconfigs("scheduler")...)}
	kubelet := component{"kubelet", []string{c.path("bin/kubelet"),
		"--kubeconfig=" + etc("kubelet.kubeconfig"),
		"--config=" + etc("kubelet.yaml"),
		"--hostname-override=" + c.Name,
		"--node-ip=" + nodeIP,
	}}
	proxy := component{"kube-proxy", []string{c.path("bin/kube-proxy"), "--config=" + etc("proxy.yaml")}}

	return []component{containerd, etcd, apiserver}, []component{manager, scheduler, kubelet, proxy}
}

// environment is what the components see: nothing of the caller's, so that a
// cluster does not depend on who started it. Temporary files go into the data
// folder.
func (c cluster) environment() []string {
	return []string{
		"PATH=" + strings.Join(searchPath, ":"),
		"HOME=" + c.path("tmp"),
		"TMPDIR=" + c.path("tmp"),
	}
}
