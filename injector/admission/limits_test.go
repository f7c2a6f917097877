package admission

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"

	"logging.taco/injector/inject"
	"logging.taco/injector/profile"
)

const reviewOf = `{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"u-1","kind":{"version":"v1","kind":"Pod"},"operation":"CREATE","namespace":"shop","object":%s}}`

// However many come at once, only so many are worked on; the others wait, for a
// while.
func TestBusy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		free := make(chan struct{})
		var under, most atomic.Int64
		s := newServed(func(pod *corev1.Pod, namespace string, p profile.Profile) (*corev1.Pod, inject.Report) {
			if n := under.Add(1); n > most.Load() {
				most.Store(n)
			}
			defer under.Add(-1)
			<-free
			return inject.Inject(pod, namespace, p)
		})
		const room = workRoom / leastWork
		codes := make(chan int, 2*room)
		post := func() { codes <- s.post(fmt.Sprintf(reviewOf, annotated)).Code }
		for range 2 * room {
			go post()
		}
		synctest.Wait()
		if under.Load() != room {
			t.Errorf("%d are worked on, not %d", under.Load(), room)
		}
		time.Sleep(patience / 2)
		free <- struct{}{} // one is done, and the next begins
		synctest.Wait()
		if len(codes) != 1 || under.Load() != room {
			t.Errorf("%d are done, %d are worked on", len(codes), under.Load())
		}
		time.Sleep(patience)
		synctest.Wait()
		if len(codes) != room {
			t.Errorf("%d are done, and %d were to wait no longer", len(codes), room)
		}
		close(free)
		synctest.Wait()
		count := map[int]int{}
		for range 2 * room {
			count[<-codes]++
		}
		if count[http.StatusOK] != room+1 || count[http.StatusServiceUnavailable] != room-1 {
			t.Errorf("answers: %v", count)
		}
		if n := value(s.metrics.refused.WithLabelValues(busy)); n != room-1 || most.Load() != room {
			t.Errorf("%d counted as refused, %d at once", n, most.Load())
		}
		// Everything is given back.
		if w := s.post(fmt.Sprintf(reviewOf, annotated)); w.Code != http.StatusOK {
			t.Errorf("afterwards: %d", w.Code)
		}
	})
}

func TestWorkOf(t *testing.T) {
	for length, want := range map[int64]int64{0: leastWork, 100: leastWork, 100 << 10: 600 << 10, maxBody: workRoom, -1: workRoom} {
		if got := workOf(length); got != want {
			t.Errorf("%d bytes: %d, not %d", length, got, want)
		}
	}
}

// Large pods go through, one as large as can be alone.
func TestLargePods(t *testing.T) {
	s := newServed(nil)
	large := func(size int) string {
		pod := strings.Replace(annotated, `"annotations":{`, `"annotations":{"large":"`+strings.Repeat("x", 200<<10)+`",`, 1)
		return strings.Replace(pod, `"value":"hunter2"`, `"value":"`+strings.Repeat("y", size)+`"`, 1)
	}
	if w := s.post(fmt.Sprintf(reviewOf, large(maxBody-(300<<10)))); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), `"patch":`) {
		t.Errorf("answer %d: %.300s", w.Code, w.Body)
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if w := s.post(fmt.Sprintf(reviewOf, large(1<<20))); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), `"patch":`) {
				t.Errorf("answer %d: %.300s", w.Code, w.Body)
			}
		})
	}
	wg.Wait()
}

// A panic outside of the decision ends its request alone.
func TestContained(t *testing.T) {
	s := newServed(nil)
	l := s.Handler.(*limits)
	l.next = http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("hunter2") })
	if w := s.post("{}"); w.Code != http.StatusInternalServerError || strings.Contains(w.Body.String(), "hunter2") {
		t.Errorf("answer %d: %s", w.Code, w.Body)
	}
	if value(s.metrics.panics) != 1 || strings.Contains(s.log.String(), "hunter2") || !strings.Contains(s.log.String(), "limits_test.go") {
		t.Errorf("%d panics, log: %s", value(s.metrics.panics), s.log)
	}
	if err := l.room.Acquire(context.Background(), workRoom); err != nil {
		t.Error(err)
	}
}

// Who sends a body byte by byte, or none at all, does not stay for ever.
func TestSlowBody(t *testing.T) {
	t.Parallel() // it waits
	s := newServed(nil)
	server := httptest.NewServer(s)
	defer server.Close()
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprint(conn, "POST /mutate HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{")
	_ = conn.SetReadDeadline(time.Now().Add(time.Minute))
	answer, err := io.ReadAll(conn)
	if err != nil || !bytes.Contains(answer, []byte("timeout")) {
		t.Errorf("%v: %s", err, answer)
	}
}
