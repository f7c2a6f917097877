package certificate

import (
	"context"
	"errors"
	"log/slog"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
)

// Objects names what a Keeper keeps in the cluster.
type Objects struct {
	Namespace, Secret    string
	WebhookConfiguration string // a MutatingWebhookConfiguration; every webhook in it is ours
}

// NewKeeper makes a Keeper that issues for names, which are DNS names or
// addresses. It needs these rights, and no others: get, update and watch of the
// Secret; create of Secrets in its namespace; get, patch and watch of the
// MutatingWebhookConfiguration.
func NewKeeper(client kubernetes.Interface, objects Objects, names []string, policy Policy, now func() time.Time, log *slog.Logger) (*Keeper, error) {
	if objects.Namespace == "" || objects.Secret == "" || objects.WebhookConfiguration == "" || len(names) == 0 {
		return nil, errors.New("a Keeper needs a Secret, a webhook configuration and a name to certify")
	}
	return &Keeper{
		secret: &clusterSecret{client.CoreV1().Secrets(objects.Namespace), objects.Namespace, objects.Secret},
		trust:  &clusterTrust{client.AdmissionregistrationV1().MutatingWebhookConfigurations(), objects.WebhookConfiguration},
		names:  names,
		policy: policy.withDefaults(),
		now:    now,
		log:    log,
	}, nil
}

// conflict makes errConflict of what the API server answers to a write that
// came second.
func conflict(err error) error {
	if apierrors.IsConflict(err) || apierrors.IsAlreadyExists(err) {
		return errConflict
	}
	return err
}

// changes watches one object by its name, which is all that a right limited by
// resourceNames allows, and hints at every event. It holds no copy of the object.
func changes(ctx context.Context, name string, open func(context.Context, metav1.ListOptions) (watch.Interface, error)) <-chan struct{} {
	hint := make(chan struct{}, 1)
	go func() {
		for {
			w, err := open(ctx, metav1.ListOptions{FieldSelector: "metadata.name=" + name})
			if err == nil {
				for range w.ResultChan() {
					select {
					case hint <- struct{}{}:
					default: // one hint is enough
					}
				}
				w.Stop()
			}
			// An API server ends every watch after some time. Without a watch the
			// look of every minute is what remains.
			pause := 2 * time.Second
			if err != nil {
				pause = lookEvery
			}
			if !sleep(ctx, pause) {
				return
			}
		}
	}()
	return hint
}
