package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// usual is a review of a usual pod.
var usual []byte

// admissions measures the injector as an API server meets it: HTTP/2 over TLS,
// reviews of a usual pod.
func admissions(dir string) error {
	injector := filepath.Join(dir, "injector")
	top, err := output("go", "list", "-m", "-f", "{{.Dir}}", "logging.taco")
	if err != nil {
		return err
	}
	if err := goBuild(top, injector, "./injector"); err != nil {
		return err
	}
	if usual, err = os.ReadFile(filepath.Join(top, "injector/admission/testdata/review.json")); err != nil {
		return err
	}
	fmt.Println("\nadmissions, a pod of two containers, HTTP/2 over TLS")
	fmt.Println("| | admissions | per s | p50 ms | p99 ms | in the handler ≤ 1 ms | CPU ms each | RSS MiB | private |")
	fmt.Println("|---|---|---|---|---|---|---|---|---|")
	for _, run := range []struct {
		what      string
		cores     int
		callers   int
		pace      time.Duration // between two; 0: none
		admission int
	}{
		{"200/s, one core", 1, 1, 5 * time.Millisecond, 5000},
		{"as fast as it goes, one core", 1, 16, 0, 20000},
		{"as fast as it goes, two cores", 2, 32, 0, 40000},
	} {
		if err := admit(dir, injector, run.what, run.cores, run.callers, run.pace, run.admission); err != nil {
			return fmt.Errorf("%s: %w", run.what, err)
		}
	}
	return nil
}

// admit measures one run, with an injector of its own.
func admit(dir, injector, what string, cores, callers int, pace time.Duration, n int) error {
	port, health, err := freePorts()
	if err != nil {
		return err
	}
	if err := selfSigned(dir); err != nil {
		return err
	}
	s, err := start([]string{"GOMAXPROCS=" + strconv.Itoa(cores)}, injector, "serve", "--address", "127.0.0.1", "--port", strconv.Itoa(port),
		"--health", address(health), "--metrics", address(health), "--cert-dir", dir, "--kubeconfig", filepath.Join(dir, "none"), "--log-level", "warn")
	if err != nil {
		return err
	}
	defer s.stop()
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: true,
	}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	url := "https://" + address(port) + "/mutate"
	begin := time.Now()
	for review(client, url) != nil {
		if time.Since(begin) > 30*time.Second {
			return review(client, url)
		}
		time.Sleep(50 * time.Millisecond)
	}

	took := make([]float64, n)
	var next atomic.Int64
	var wg sync.WaitGroup
	errs := make(chan error, callers)
	cpu := s.cpuSoFar()
	begin = time.Now()
	for range callers {
		wg.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				if pace > 0 {
					time.Sleep(time.Until(begin.Add(time.Duration(i) * pace)))
				}
				at := time.Now()
				if err := review(client, url); err != nil {
					errs <- err
					return
				}
				took[i] = time.Since(at).Seconds() * 1000
			}
		})
	}
	wg.Wait()
	wall := time.Since(begin).Seconds()
	cpu = s.cpuSoFar() - cpu
	select {
	case err := <-errs:
		return err
	default:
	}
	fast, err := underMillisecond(address(health))
	if err != nil {
		return err
	}
	slices.Sort(took)
	status := fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid)
	fmt.Printf("| %s | %d | %.0f | %.2f | %.2f | %.2f %% | %.2f | %.0f | %.0f |\n", what, n, float64(n)/wall, took[n/2], took[n*99/100],
		fast*100, cpu*1000/float64(n), float64(field(status, "VmRSS:"))/1024, float64(field(status, "RssAnon:"))/1024)
	return nil
}

// review sends one, and sees that it is answered with a patch.
func review(client *http.Client, url string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(usual))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	answer, err := client.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return err
	}
	if answer.StatusCode != http.StatusOK || !bytes.Contains(text, []byte(`"patch":`)) {
		return fmt.Errorf("answer %d: %.300s", answer.StatusCode, text)
	}
	return nil
}

var bucket = regexp.MustCompile(`(?m)^taco_injector_admission_duration_seconds_(bucket\{le="0.001"\}|count) (\d+)$`)

// underMillisecond is the part of admissions that took the handler at most 1 ms.
func underMillisecond(address string) (float64, error) {
	answer, err := http.Get("http://" + address + "/metrics")
	if err != nil {
		return 0, err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return 0, err
	}
	m := bucket.FindAllSubmatch(text, -1)
	if len(m) != 2 {
		return 0, errors.New("the metric of the admissions' time is not there")
	}
	within, _ := strconv.ParseFloat(string(m[0][2]), 64)
	all, _ := strconv.ParseFloat(string(m[1][2]), 64)
	return within / all, nil
}

func address(port int) string { return "127.0.0.1:" + strconv.Itoa(port) }

func freePorts() (a, b int, err error) {
	for _, port := range []*int{&a, &b} {
		l, err := net.Listen("tcp", address(0))
		if err != nil {
			return 0, 0, err
		}
		defer l.Close()
		*port = l.Addr().(*net.TCPAddr).Port
	}
	return a, b, nil
}

// selfSigned writes a certificate into dir.
func selfSigned(dir string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	return errors.Join(
		os.WriteFile(filepath.Join(dir, "tls.crt"), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert}), 0o600),
		os.WriteFile(filepath.Join(dir, "tls.key"), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600))
}
