package certificate

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"path/filepath"
	"sync/atomic"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/certwatcher"
)

// Files is the Source that reads a folder, as cert-manager or an administrator
// fills it. Whoever fills it publishes the CA too.
type Files struct {
	*certwatcher.CertWatcher
	expiry atomic.Pointer[time.Time]
}

// NewFiles reads tls.crt and tls.key of the folder.
func NewFiles(dir string) (*Files, error) {
	watcher, err := certwatcher.New(filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key"))
	if err != nil {
		return nil, fmt.Errorf("read the certificate in %s, which must have tls.crt and tls.key: %w", dir, err)
	}
	f := &Files{CertWatcher: watcher}
	watcher.RegisterCallback(func(c tls.Certificate) {
		if c.Leaf != nil {
			f.expiry.Store(&c.Leaf.NotAfter)
		}
	})
	return f, nil
}

// Run follows the files until ctx ends. A pair that does not fit is logged and
// the last good one served on.
func (f *Files) Run(ctx context.Context) error { return f.Start(ctx) }

// Ready is nil unless the certificate has ended.
func (f *Files) Ready() error {
	end := f.Expiry()
	if end.IsZero() {
		return errors.New("no certificate is read yet")
	}
	if !time.Now().Before(end) {
		return fmt.Errorf("the certificate ended at %s", end.Format(time.RFC3339))
	}
	return nil
}

// Expiry is when the certificate ends.
func (f *Files) Expiry() time.Time {
	if end := f.expiry.Load(); end != nil {
		return *end
	}
	return time.Time{}
}
