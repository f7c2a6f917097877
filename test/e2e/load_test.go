package e2e

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/yaml"
)

// A load asks for annotated pods, by dry-run, one after the other from several
// callers, until it is stopped.
type load struct {
	asked   atomic.Int64
	bare    atomic.Int64 // let in without a sidecar
	refused atomic.Int64
	last    atomic.Pointer[error] // by which one was refused
	stop    func()                // and wait for the callers
}

// callers is how many ask at once.
const callers = 8

// load starts one in the test's namespace.
func (b *bench) load() *load {
	b.Helper()
	config, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(clientcmd.NewDefaultClientConfigLoadingRules(), nil).ClientConfig()
	if err != nil {
		b.Fatal(err)
	}
	config.QPS = -1 // as fast as it goes
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		b.Fatal(err)
	}
	var pod corev1.Pod
	if err := yaml.Unmarshal([]byte(writer{}.yaml("probe")), &pod); err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(interrupted)
	var wg sync.WaitGroup
	l := &load{stop: func() { cancel(); wg.Wait() }}
	for range callers {
		wg.Go(func() {
			for ctx.Err() == nil {
				l.ask(ctx, client, b.namespace, &pod)
			}
		})
	}
	b.Cleanup(l.stop)
	return l
}

func (l *load) ask(ctx context.Context, client kubernetes.Interface, namespace string, pod *corev1.Pod) {
	after, err := client.CoreV1().Pods(namespace).Create(ctx, pod, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
	switch {
	case ctx.Err() != nil:
		return
	case err != nil:
		l.refused.Add(1)
		l.last.Store(&err)
	case len(after.Spec.InitContainers) != 1:
		l.bare.Add(1)
	}
	l.asked.Add(1)
}

// more waits until so many more have been asked for.
func (l *load) more(b *bench, n int64) {
	b.Helper()
	until := l.asked.Load() + n
	b.eventually(fmt.Sprintf("%d pods are asked for", n), func() error {
		if l.asked.Load() < until {
			return errors.New("not yet")
		}
		return nil
	})
}

// whole fails the test where a pod was refused, or is bare, since the last call.
func (l *load) whole(b *bench, when string) {
	b.Helper()
	if n := l.refused.Swap(0); n > 0 {
		b.Errorf("%s: %d pods were refused: %v", when, n, *l.last.Load())
	}
	if n := l.bare.Swap(0); n > 0 {
		b.Errorf("%s: %d pods got no sidecar", when, n)
	}
}

// Five thousand pods, while injectors are deleted and killed. Who is deleted
// serves until nobody calls any more; for what a kill -9 cuts off, the failurePolicy
// decides, and no pod is lost on the other side of it.
func TestLoad(t *testing.T) {
	b := newBench(t)
	injectorsReady(b)
	l := b.load()
	l.more(b, 1000)
	l.whole(b, "at rest")

	b.run("delete", "-n", own, "pod", injectors(b)[0], "--wait=false")
	l.more(b, 1000)
	injectorsReady(b)
	l.more(b, 500)
	l.whole(b, "while an injector ended")

	kill(b)
	l.more(b, 500)
	injectorsReady(b)
	if n := l.refused.Load(); n > 0 {
		t.Errorf("failurePolicy Ignore, after kill -9: %d pods were refused: %v", n, *l.last.Load())
	}
	t.Logf("failurePolicy Ignore, after kill -9: %d pods of %d got no sidecar", l.bare.Swap(0), l.asked.Load())

	policy := func(name string) {
		b.run("patch", "mutatingwebhookconfiguration", "logging-taco", "--type=json", "-p", `[{"op":"replace","path":"/webhooks/0/failurePolicy","value":"`+name+`"}]`)
	}
	t.Cleanup(func() { policy("Ignore") })
	policy("Fail")
	l.more(b, 500)
	l.whole(b, "with failurePolicy Fail")
	kill(b)
	l.more(b, 1000)
	injectorsReady(b)
	if n := l.bare.Load(); n > 0 {
		t.Errorf("failurePolicy Fail, after kill -9: %d pods got no sidecar", n)
	}
	t.Logf("failurePolicy Fail, after kill -9: %d pods were refused", l.refused.Swap(0))
	l.more(b, 1000)
	l.stop()
	l.whole(b, "in the end")
	if n := l.asked.Load(); n < 5000 {
		t.Errorf("only %d", n)
	}
	for _, pod := range injectors(b) {
		faults := injectorMetric(b, pod, "taco_injector_admissions_total", `decision="fault"`) + injectorMetric(b, pod, "taco_injector_panics_total", "")
		if faults > 0 {
			t.Errorf("%s counts %v faults", pod, faults)
		}
	}
}
