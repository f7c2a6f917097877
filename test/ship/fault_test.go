package ship

import (
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"testing"
	"time"

	"logging.taco/test/backend"
)

// What networks and machines do: each line is there once in the end.

// TestNetwork: a network that delays, resets, closes and swallows.
func TestNetwork(t *testing.T) {
	t.Parallel()
	share := func(p float64, f func(*rand.Rand) backend.Fate) func(*rand.Rand) backend.Fate {
		return func(r *rand.Rand) backend.Fate {
			if r.Float64() >= p {
				return backend.Fate{}
			}
			return f(r)
		}
	}
	ends := func(end backend.End, in backend.Direction, within int) func(*rand.Rand) backend.Fate {
		return func(r *rand.Rand) backend.Fate { return backend.Fate{End: end, In: in, After: r.IntN(within)} }
	}
	for i, c := range []struct {
		name string
		fate func(*rand.Rand) backend.Fate
	}{
		{"delay", func(r *rand.Rand) backend.Fate {
			return backend.Fate{Delay: time.Duration(r.IntN(30)) * time.Millisecond}
		}},
		{"resets", backend.ResetSome(0.1)},
		{"closed in the answer", share(0.1, ends(backend.Close, backend.Answer, 300))},
		{"closed in the request", share(0.1, ends(backend.Close, backend.Request, 4096))},
		{"swallowed request", share(0.05, ends(backend.Stall, backend.Request, 4096))},
		{"swallowed answer", share(0.05, ends(backend.Stall, backend.Answer, 300))},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			// The product does not matter here: each has half of them.
			n := backend.Shared(t, kinds[i%len(kinds)])
			s := ship(t, n)
			p := backend.NewProxy(t, n.URL(), rand.Uint64())
			p.Spoil(c.fate)
			s.to = p.URL()
			want := padded("a", 500)
			s.write("a.log", text(want))
			a := s.start("--batch-size=8KiB", "--timeout=4s")
			m := a.untilDocuments(len(want))
			a.stop(0)
			eachOnce(t, s.logs(), want)
			t.Logf("%+v; %v pauses, %d sent again that had been stored", p.Counts(), m["taco_ship_retries_total"], m.already())
		})
	}
}

// TestHosts: one of several that is down costs nothing but a moment, also when
// it goes down while it is in use.
func TestHosts(t *testing.T) {
	t.Parallel()
	t.Run("down from the start", func(t *testing.T) {
		t.Parallel()
		s, b := shipToScript(t)
		s.to = "http://" + freeAddress(t) + "," + s.to
		want := padded("a", 1000)
		s.write("a.log", text(want))
		a := s.start("--batch-size=8KiB", "--template=off")
		m := a.untilDocuments(len(want))
		a.stop(0)
		eachOnce(t, texts(t, b), want)
		if m["taco_ship_retries_total"] > 3 {
			t.Errorf("%v pauses", m["taco_ship_retries_total"])
		}
	})
	t.Run("one goes down", func(t *testing.T) {
		t.Parallel()
		s, b := shipToScript(t)
		first, second := newForward(t, "127.0.0.1:0", b.URL()), newForward(t, "127.0.0.1:0", b.URL())
		s.to = "http://" + first.address + ",http://" + second.address
		a := s.start("--batch-size=8KiB", "--template=off")
		var want []string
		ship := func(name string) {
			some := padded(name, 200)
			s.write("a.log", text(some))
			want = append(want, some...)
			a.untilDocuments(len(want))
		}
		ship("both")
		first.close()
		ship("second")
		m := a.metrics()
		newForward(t, first.address, b.URL())
		second.close()
		ship("first")
		a.stop(0)
		eachOnce(t, texts(t, b), want)
		if m["taco_ship_retries_total"] > 3 {
			t.Errorf("%v pauses with one of two hosts", m["taco_ship_retries_total"])
		}
	})
}

// TestMovedName: a name that comes to have another address, as that of a
// headless Service.
func TestMovedName(t *testing.T) {
	t.Parallel()
	b := backend.NewScript(t)
	first := newForward(t, "127.0.0.1:0", b.URL())
	_, port, err := net.SplitHostPort(first.address)
	must(t, err)
	hosts := t.TempDir() + "/hosts"
	must(t, writeFile(hosts, "127.0.0.1 backend.test\n"))
	s := shipTo(t, "http://backend.test:"+port)

	// Of this process alone, another file is /etc/hosts.
	enter := []string{"--user", "--map-root-user", "--mount", "sh", "-c", `mount --bind "$0" /etc/hosts && exec "$@"`, hosts}
	if out, err := exec.Command("unshare", append(enter, "true")...).CombinedOutput(); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("no namespaces: %v %s", err, out)
		}
		t.Skipf("no namespaces here: %v %s", err, out)
	}
	address := freeAddress(t)
	args := append(append(enter, binary), append(s.command("--template=off"), "--metrics="+address)...)
	a := launchProgram(t, address, s.env, s.secrets, "unshare", args...)
	s.write("a.log", canary+" 1\n")
	a.untilDocuments(1)

	newForward(t, "127.0.0.2:"+port, b.URL())
	first.close()
	must(t, writeFile(hosts, "127.0.0.2 backend.test\n"))
	s.write("a.log", canary+" 2\n")
	a.untilDocuments(2)
	a.stop(0)
	eachOnce(t, texts(t, b), []string{canary + " 1", canary + " 2"})
}
