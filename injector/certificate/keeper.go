package certificate

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync/atomic"
	"time"
)

// secretStore is where the keyring lives between restarts. Versions make it
// safe for several writers: Write fails with errConflict when the content is no
// longer what was read.
type secretStore interface {
	// Read returns the data, which may be nil, and its version, which is empty
	// when there is no Secret.
	Read(ctx context.Context) (data map[string][]byte, version string, err error)
	Write(ctx context.Context, data map[string][]byte, version string) error
	// Changes hints that it may be worth to look; it may be late, wrong or silent.
	Changes(ctx context.Context) <-chan struct{}
}

// trustStore is where API servers learn which CAs to trust.
type trustStore interface {
	// Read returns the caBundle; nil when not everything in it agrees.
	Read(ctx context.Context) (bundle []byte, version string, err error)
	Write(ctx context.Context, bundle []byte, version string) error
	Changes(ctx context.Context) <-chan struct{}
}

// errConflict means that another replica was faster.
var errConflict = errors.New("changed by someone else meanwhile")

const (
	lookEvery    = time.Minute // without any hint
	lookSpacing  = time.Second // between looks, whatever the hints
	lookTimeout  = 20 * time.Second
	lookAttempts = 5 // conflicts in one look before it is given up until the next
)

// Keeper is the self-managed Source.
type Keeper struct {
	secret secretStore
	trust  trustStore
	names  []string // of the leaf: DNS names and addresses
	policy Policy
	now    func() time.Time
	log    *slog.Logger

	serving atomic.Pointer[keyring] // nil until the first is published
	last    atomic.Pointer[error]   // of the last look, for Ready

	// publishedSince is since when the newest keyring's bundle has been seen
	// published without a break; zero: it is not. Only Look uses it.
	publishedSince time.Time
	publishedCA    *x509.Certificate
}

// Run looks until ctx ends: now, at every hint, and once a minute. A look that
// fails is logged and tried again; what is served stays served.
func (k *Keeper) Run(ctx context.Context) error {
	secret, trust := k.secret.Changes(ctx), k.trust.Changes(ctx)
	for failures := 0; ; {
		again, err := k.Look(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			failures++
			again = min(lookSpacing<<min(failures-1, 5), 30*time.Second)
			k.log.Error("certificate", "err", err, "again", again.String())
		default:
			failures = 0
		}
		if !sleep(ctx, lookSpacing) {
			return nil
		}
		// The jitter keeps replicas apart.
		timer := time.NewTimer(max(0, again-lookSpacing) + rand.N(lookSpacing))
		select {
		case <-ctx.Done():
		case <-secret:
		case <-trust:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// Look does all that is to be done now and says when to look again at the latest.
func (k *Keeper) Look(ctx context.Context) (again time.Duration, err error) {
	defer func() { k.last.Store(&err) }()
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	for range lookAttempts {
		again, err = k.look(ctx)
		if !errors.Is(err, errConflict) {
			return again, err
		}
	}
	return again, err
}

// look reads the caBundle before the Secret: whoever writes an older keyring's
// bundle over a newer one's must have read the caBundle before that was
// written, and so loses by its version.
func (k *Keeper) look(ctx context.Context) (time.Duration, error) {
	bundle, trustVersion, err := k.trust.Read(ctx)
	if err != nil {
		return 0, err
	}
	data, secretVersion, err := k.secret.Read(ctx)
	if err != nil {
		return 0, err
	}
	published, _ := decodeCertificates(bundle) // an unreadable one is replaced
	old, readErr := decode(data)
	ring, why, err := k.policy.renew(old, readErr, published, k.names, k.now())
	if err != nil {
		return 0, err
	}
	if why != "" {
		data, err := ring.encode()
		if err != nil {
			return 0, err
		}
		if err := k.secret.Write(ctx, data, secretVersion); err != nil {
			return 0, err
		}
		k.log.Info("certificate renewed", "why", why, "what", ring.describe())
	}
	if want := ring.bundle(); string(bundle) != string(want) {
		k.publishedSince = time.Time{}
		if err := k.trust.Write(ctx, want, trustVersion); err != nil {
			return 0, err
		}
		k.log.Info("caBundle published", "what", ring.describe())
	}
	return k.serve(ring), nil
}

// serve serves a published keyring, at once or as soon as it has settled, and
// says when to look again.
func (k *Keeper) serve(ring *keyring) time.Duration {
	now, serving := k.now(), k.serving.Load()
	if k.publishedSince.IsZero() || !k.publishedCA.Equal(ring.trusted[0]) {
		k.publishedSince, k.publishedCA = now, ring.trusted[0]
	}
	if serving != nil && !serving.trusted[0].Equal(ring.trusted[0]) && now.Before(serving.leaf.Leaf.NotAfter) {
		if left := k.policy.Settle - now.Sub(k.publishedSince); left > 0 {
			return left
		}
	}
	if serving == nil || !serving.leaf.Leaf.Equal(ring.leaf.Leaf) {
		k.log.Info("certificate served", "what", ring.describe())
	}
	k.serving.Store(ring)
	return lookEvery
}

// GetCertificate is for tls.Config: the leaf in memory.
func (k *Keeper) GetCertificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	if ring := k.serving.Load(); ring != nil {
		return ring.leaf, nil
	}
	return nil, errors.New("there is no certificate yet")
}

// Ready is nil once a certificate is served whose CA is published. It stays so
// when the API server is away for a while: what is served is still trusted.
func (k *Keeper) Ready() error {
	ring := k.serving.Load()
	if ring == nil {
		if err := k.last.Load(); err != nil && *err != nil {
			return fmt.Errorf("no certificate is served yet: %w", *err)
		}
		return errors.New("no certificate is served yet")
	}
	if end := ring.leaf.Leaf.NotAfter; !k.now().Before(end) {
		return fmt.Errorf("the certificate ended at %s and could not be renewed", end.Format(time.RFC3339))
	}
	return nil
}

// Expiry is when the served certificate ends; zero: none is served.
func (k *Keeper) Expiry() time.Time {
	if ring := k.serving.Load(); ring != nil {
		return ring.leaf.Leaf.NotAfter
	}
	return time.Time{}
}

// sleep says whether it slept its time; false: ctx ended.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
