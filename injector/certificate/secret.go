package certificate

import (
	"context"
	"fmt"
	"maps"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	typedcore "k8s.io/client-go/kubernetes/typed/core/v1"
)

// clusterSecret is the Secret in the cluster.
type clusterSecret struct {
	client    typedcore.SecretInterface
	namespace string // for messages
	name      string
}

func (s *clusterSecret) Read(ctx context.Context) (map[string][]byte, string, error) {
	secret, err := s.client.Get(ctx, s.name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil, "", nil
	}
	if err != nil {
		return nil, "", fmt.Errorf("read Secret %s/%s: %w", s.namespace, s.name, err)
	}
	return secret.Data, secret.ResourceVersion, nil
}

// Write creates the Secret, or replaces our keys in it. It reads again for the
// rest of the object; version decides whether that is still the one that was
// looked at.
func (s *clusterSecret) Write(ctx context.Context, data map[string][]byte, version string) error {
	if version == "" {
		secret := &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{
				Name:   s.name,
				Labels: map[string]string{"app.kubernetes.io/name": "logging-taco", "app.kubernetes.io/component": "injector"},
			},
			Type: corev1.SecretTypeOpaque,
			Data: data,
		}
		if _, err := s.client.Create(ctx, secret, metav1.CreateOptions{}); err != nil {
			return fmt.Errorf("create Secret %s/%s: %w", s.namespace, s.name, conflict(err))
		}
		return nil
	}
	secret, err := s.client.Get(ctx, s.name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return errConflict
	}
	if err != nil {
		return fmt.Errorf("read Secret %s/%s: %w", s.namespace, s.name, err)
	}
	if secret.ResourceVersion != version {
		return errConflict
	}
	if secret.Data == nil {
		secret.Data = map[string][]byte{}
	}
	maps.Copy(secret.Data, data)
	if _, err := s.client.Update(ctx, secret, metav1.UpdateOptions{}); err != nil {
		return fmt.Errorf("update Secret %s/%s: %w", s.namespace, s.name, conflict(err))
	}
	return nil
}

func (s *clusterSecret) Changes(ctx context.Context) <-chan struct{} {
	return changes(ctx, s.name, s.client.Watch)
}
