package certificate

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	typedadmission "k8s.io/client-go/kubernetes/typed/admissionregistration/v1"
)

// clusterTrust is the caBundle of every webhook in our MutatingWebhookConfiguration.
type clusterTrust struct {
	client typedadmission.MutatingWebhookConfigurationInterface
	name   string
}

func (t *clusterTrust) Read(ctx context.Context) ([]byte, string, error) {
	config, err := t.client.Get(ctx, t.name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil, "", fmt.Errorf("there is no MutatingWebhookConfiguration %s, so no pod will be injected; apply the manifests, or name yours with --webhook-configuration", t.name)
	}
	if err != nil {
		return nil, "", fmt.Errorf("read MutatingWebhookConfiguration %s: %w", t.name, err)
	}
	var bundle []byte
	for i, w := range config.Webhooks {
		if i > 0 && !bytes.Equal(bundle, w.ClientConfig.CABundle) {
			return nil, config.ResourceVersion, nil
		}
		bundle = w.ClientConfig.CABundle
	}
	return bundle, config.ResourceVersion, nil
}

// trustPatch is a strategic merge patch: it names the webhooks and touches
// nothing but their caBundle, so that fields that this program does not know
// survive. The resource version makes it fail when the object has changed.
type trustPatch struct {
	Metadata struct {
		ResourceVersion string `json:"resourceVersion"`
	} `json:"metadata"`
	Webhooks []trustPatchWebhook `json:"webhooks"`
}

type trustPatchWebhook struct {
	Name         string `json:"name"`
	ClientConfig struct {
		CABundle []byte `json:"caBundle"`
	} `json:"clientConfig"`
}

func (t *clusterTrust) Write(ctx context.Context, bundle []byte, version string) error {
	config, err := t.client.Get(ctx, t.name, metav1.GetOptions{})
	if err != nil {
		return fmt.Errorf("read MutatingWebhookConfiguration %s: %w", t.name, err)
	}
	var patch trustPatch
	patch.Metadata.ResourceVersion = version
	for _, w := range config.Webhooks {
		entry := trustPatchWebhook{Name: w.Name}
		entry.ClientConfig.CABundle = bundle
		patch.Webhooks = append(patch.Webhooks, entry)
	}
	body, err := json.Marshal(patch)
	if err != nil {
		return fmt.Errorf("encode the caBundle: %w", err)
	}
	if _, err := t.client.Patch(ctx, t.name, types.StrategicMergePatchType, body, metav1.PatchOptions{}); err != nil {
		return fmt.Errorf("publish the caBundle in MutatingWebhookConfiguration %s: %w", t.name, conflict(err))
	}
	return nil
}

func (t *clusterTrust) Changes(ctx context.Context) <-chan struct{} {
	return changes(ctx, t.name, t.client.Watch)
}
