package certificate

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"io"
	"log/slog"
	"maps"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

const host = "injector.logging-taco.svc"

// world is a cluster in memory with the API server's rules on versions, and a
// clock that tests turn.
type world struct {
	mu      sync.Mutex
	time    time.Time
	version int

	secret        map[string][]byte
	secretVersion string // empty: no Secret
	bundle        []byte
	bundleVersion string
	writes        int
	down          error // what every call answers
}

func newWorld() *world {
	return &world{time: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), bundleVersion: "1", version: 1}
}

func (w *world) now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.time
}

func (w *world) turn(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.time = w.time.Add(d)
}

func (w *world) next() string {
	w.version++
	w.writes++
	return strconv.Itoa(w.version)
}

// replica is a new process: nothing remembered.
func (w *world) replica(names ...string) *Keeper {
	return &Keeper{
		secret: (*worldSecret)(w), trust: (*worldTrust)(w),
		names: append([]string{host}, names...), policy: Policy{}.withDefaults(),
		now: w.now, log: slog.New(slog.NewTextHandler(io.Discard, nil)),
	}
}

type worldSecret world

func (s *worldSecret) Read(context.Context) (map[string][]byte, string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.secret), s.secretVersion, s.down
}

func (s *worldSecret) Write(_ context.Context, data map[string][]byte, version string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if version != s.secretVersion {
		return errConflict
	}
	s.secret, s.secretVersion = maps.Clone(data), (*world)(s).next()
	return s.down
}

func (s *worldSecret) Changes(context.Context) <-chan struct{} { return nil }

type worldTrust world

func (s *worldTrust) Read(context.Context) ([]byte, string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return bytes.Clone(s.bundle), s.bundleVersion, s.down
}

func (s *worldTrust) Write(_ context.Context, bundle []byte, version string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if version != s.bundleVersion {
		return errConflict
	}
	s.bundle, s.bundleVersion = bytes.Clone(bundle), (*world)(s).next()
	return s.down
}

func (s *worldTrust) Changes(context.Context) <-chan struct{} { return nil }

func look(t *testing.T, k *Keeper) time.Duration {
	t.Helper()
	again, err := k.Look(t.Context())
	if err != nil {
		t.Fatalf("look: %v", err)
	}
	return again
}

// trusts fails the test unless an API server that knows the published bundle
// accepts what the replica serves.
func (w *world) trusts(t *testing.T, k *Keeper) {
	t.Helper()
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(w.bundle)
	if _, err := served(t, k).Verify(x509.VerifyOptions{Roots: roots, DNSName: host, CurrentTime: w.now()}); err != nil {
		t.Fatalf("at %s an API server refuses the certificate: %v", w.now().Format(time.RFC3339), err)
	}
}

func served(t *testing.T, k *Keeper) *x509.Certificate {
	t.Helper()
	c, err := k.GetCertificate(nil)
	if err != nil {
		t.Fatal(err)
	}
	return c.Leaf
}

func TestFirstStart(t *testing.T) {
	w := newWorld()
	k := w.replica()
	if k.Ready() == nil {
		t.Error("ready before anything was made")
	}
	if !k.Expiry().IsZero() {
		t.Error("an expiry before anything was made")
	}
	look(t, k)
	w.trusts(t, k)
	if err := k.Ready(); err != nil {
		t.Error(err)
	}
	if got, want := k.Expiry(), w.time.Add(60*24*time.Hour); !got.Equal(want) {
		t.Errorf("the leaf ends at %s, want %s", got, want)
	}
	writes := w.writes
	look(t, k)
	if w.writes != writes {
		t.Error("a second look wrote something")
	}
}

func TestRestartKeepsEverything(t *testing.T) {
	w := newWorld()
	first := w.replica()
	look(t, first)
	writes := w.writes
	second := w.replica()
	look(t, second)
	if w.writes != writes || !served(t, second).Equal(served(t, first)) {
		t.Error("a restart changed the certificate")
	}
}

// For 700 days, two replicas and an API server: whoever looks when, what they
// serve is trusted at every moment.
func TestAlwaysTrusted(t *testing.T) {
	const step = 7 * time.Hour
	w := newWorld()
	a, b := w.replica(), w.replica()
	look(t, a)
	look(t, b)
	authorities, leaves := map[string]bool{}, map[string]bool{}
	for i := range int(700 * 24 * time.Hour / step) {
		w.turn(step)
		if look(t, a); i%3 == 0 {
			for look(t, b) < lookEvery { // and a is ahead for up to 14 hours
				w.turn(time.Minute)
			}
		}
		w.trusts(t, a)
		w.trusts(t, b)
		authorities[string(w.secret[keySigner])] = true
		leaves[string(w.secret[keyLeaf])] = true
		if i%300 == 0 {
			a = w.replica() // a restart now and then
			look(t, a)
		}
	}
	if len(authorities) != 3 || len(leaves) < 18 || len(leaves) > 22 {
		t.Errorf("%d CAs and %d leaves were made, want 3 and about 20", len(authorities), len(leaves))
	}
}

// The new leaf is served only after both CAs have been published for a while,
// and the old CA leaves a day later.
func TestOverlap(t *testing.T) {
	w := newWorld()
	k := w.replica()
	look(t, k)
	rotation := w.now().Add(365 * 24 * time.Hour * 2 / 3)
	for w.now().Before(rotation.Add(-24 * time.Hour)) {
		w.turn(24 * time.Hour)
		look(t, k)
	}
	w.turn(rotation.Sub(w.now()) - time.Second)
	look(t, k)
	if n := bytes.Count(w.bundle, []byte("BEGIN")); n != 1 {
		t.Fatalf("%d CAs are published a second before the rotation", n)
	}
	before := served(t, k)
	w.turn(time.Second)
	again := look(t, k)
	if !served(t, k).Equal(before) {
		t.Fatal("the leaf of the new CA is served at once")
	}
	if again != 30*time.Second {
		t.Errorf("looks again after %s", again)
	}
	if n := bytes.Count(w.bundle, []byte("BEGIN")); n != 2 {
		t.Fatalf("%d CAs are published, want the old and the new one", n)
	}
	w.trusts(t, k)

	w.turn(again)
	look(t, k)
	if served(t, k).Equal(before) {
		t.Fatal("the old leaf is served on")
	}
	w.trusts(t, k)

	w.turn(24 * time.Hour)
	look(t, k)
	if n := bytes.Count(w.bundle, []byte("BEGIN")); n != 1 {
		t.Errorf("%d CAs are published a day later, want the new one alone", n)
	}
	w.trusts(t, k)
}

// When the caBundle is wiped before the new leaf was served, its time starts again.
func TestSettleStartsAgain(t *testing.T) {
	w := newWorld()
	k := w.replica()
	look(t, k)
	before := served(t, k)
	w.secret, w.secretVersion = nil, "" // a new CA is due
	look(t, k)
	w.turn(20 * time.Second)
	w.bundle, w.bundleVersion = nil, w.next()
	look(t, k)
	w.turn(20 * time.Second)
	look(t, k)
	if !served(t, k).Equal(before) {
		t.Error("the new leaf is served although its CA was published for 20 s only")
	}
	w.turn(10 * time.Second)
	look(t, k)
	if served(t, k).Equal(before) {
		t.Error("the new leaf is not served")
	}
}

// A Secret that is lost or broken is made anew; the other replica, which still
// serves the old leaf, stays trusted.
func TestLostSecret(t *testing.T) {
	spoil := map[string]func(w *world){
		"deleted": func(w *world) { w.secret, w.secretVersion = nil, "" },
		"emptied": func(w *world) { w.secret, w.secretVersion = nil, w.next() },
		"no key":  func(w *world) { delete(w.secret, keySigner); w.secretVersion = w.next() },
		"no leaf": func(w *world) { delete(w.secret, keyLeaf); w.secretVersion = w.next() },
		"garbage": func(w *world) { w.secret[keyTrusted] = []byte("nonsense"); w.secretVersion = w.next() },
		"cut":     func(w *world) { w.secret[keyLeaf] = w.secret[keyLeaf][:100]; w.secretVersion = w.next() },
		"another's key": func(w *world) {
			other := newWorld()
			_, _ = other.replica().Look(context.Background())
			w.secret[keySigner], w.secretVersion = other.secret[keySigner], w.next()
		},
		"another's leaf": func(w *world) {
			other := newWorld()
			_, _ = other.replica().Look(context.Background())
			w.secret[keyLeaf], w.secret[keyLeafKey] = other.secret[keyLeaf], other.secret[keyLeafKey]
			w.secretVersion = w.next()
		},
	}
	for name, f := range spoil {
		t.Run(name, func(t *testing.T) {
			w := newWorld()
			old := w.replica()
			look(t, old)
			f(w)
			fresh := w.replica()
			look(t, fresh)
			w.trusts(t, fresh)
			w.trusts(t, old)
			if served(t, fresh).Equal(served(t, old)) {
				t.Error("the old leaf came back")
			}
			again := look(t, old)
			w.trusts(t, old)
			w.turn(again)
			look(t, old)
			w.trusts(t, old)
			if !served(t, fresh).Equal(served(t, old)) {
				t.Error("the replicas serve different leaves in the end")
			}
		})
	}
}

func TestDeletedOverAndOver(t *testing.T) {
	w := newWorld()
	k := w.replica()
	for range 20 {
		look(t, k)
		w.turn(time.Minute)
		w.secret, w.secretVersion = nil, ""
	}
	look(t, k)
	if n := bytes.Count(w.bundle, []byte("BEGIN")); n > maxTrusted {
		t.Errorf("%d CAs are published, want at most %d", n, maxTrusted)
	}
}

func TestBundleRestored(t *testing.T) {
	for name, bundle := range map[string]string{"wiped": "", "garbage": "Cg=="} {
		t.Run(name, func(t *testing.T) {
			w := newWorld()
			k := w.replica()
			look(t, k)
			secret := w.secretVersion
			w.bundle, w.bundleVersion = []byte(bundle), w.next()
			look(t, k)
			w.trusts(t, k)
			if w.secretVersion != secret {
				t.Error("the Secret was written again")
			}
		})
	}
}

// Replicas that start at once agree on one CA, whoever wins.
func TestReplicasAtOnce(t *testing.T) {
	w := newWorld()
	replicas := make([]*Keeper, 8)
	var wg sync.WaitGroup
	for i := range replicas {
		replicas[i] = w.replica()
		wg.Go(func() {
			if _, err := replicas[i].Look(t.Context()); err != nil {
				t.Errorf("a loser gave up: %v", err)
			}
		})
	}
	wg.Wait()
	for _, k := range replicas {
		look(t, k)
		w.trusts(t, k)
		if !served(t, k).Equal(served(t, replicas[0])) {
			t.Error("two replicas serve different leaves")
		}
	}
	if n := bytes.Count(w.bundle, []byte("BEGIN")); n != 1 {
		t.Errorf("%d CAs were made", n)
	}
}

// Two versions that want different names must not write in turns for ever.
func TestNames(t *testing.T) {
	w := newWorld()
	a, b := w.replica("old.example"), w.replica("new.example", "127.0.0.1")
	for range 3 {
		look(t, a)
		look(t, b)
	}
	writes := w.writes
	look(t, a)
	look(t, b)
	if w.writes != writes {
		t.Error("they still write")
	}
	for _, name := range []string{host, "old.example", "new.example", "127.0.0.1"} {
		if err := served(t, a).VerifyHostname(name); err != nil {
			t.Error(err)
		}
	}
}

// The writer's clock was a year ahead: others make it right.
func TestClockAhead(t *testing.T) {
	w := newWorld()
	w.turn(365 * 24 * time.Hour)
	look(t, w.replica())
	w.turn(-365 * 24 * time.Hour)
	k := w.replica()
	look(t, k)
	w.trusts(t, k)
}

func TestAPIServerAway(t *testing.T) {
	w := newWorld()
	w.down = errors.New("connection refused")
	k := w.replica()
	if _, err := k.Look(t.Context()); err == nil {
		t.Fatal("no error")
	}
	if err := k.Ready(); err == nil || !strings.Contains(err.Error(), "connection refused") {
		t.Errorf("Ready says %v, want the cause", err)
	}
	w.down = nil
	look(t, k)
	w.down = errors.New("connection refused")
	if _, err := k.Look(t.Context()); err == nil {
		t.Fatal("no error")
	}
	if err := k.Ready(); err != nil {
		t.Errorf("not ready although what is served is trusted: %v", err)
	}
	w.turn(60 * 24 * time.Hour)
	if k.Ready() == nil {
		t.Error("ready although the certificate has ended")
	}
}
