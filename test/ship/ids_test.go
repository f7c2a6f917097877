package ship

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"testing"
	"time"

	"logging.taco/test/backend"
)

// ids of all documents, sorted.
func ids(all []document) (names []string) {
	for _, d := range all {
		names = append(names, d.ID)
	}
	slices.Sort(names)
	return names
}

// TestSameIDs: what is shipped again after the checkpoint was lost is not stored again.
func TestSameIDs(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, n *backend.Node) {
		s := ship(t, n)
		// Equal lines are not the same line.
		want := append(lines("a", 500), canary, canary, "", "")
		s.write("a.log", text(want))
		s.once()
		first := ids(s.documents())
		s.holds(want...)
		s.forget()
		a := s.start()
		m := a.untilDocuments(len(want))
		if m.already() != len(want) {
			t.Errorf("%d documents were there already, want %d", m.already(), len(want))
		}
		s.write("a.log", canary+" more\n")
		a.untilDocuments(len(want) + 1)
		a.stop(0)
		s.holds(append(want, canary+" more")...)
		if again := ids(s.documents()); !slices.Equal(slices.DeleteFunc(again, func(id string) bool { return !slices.Contains(first, id) }), first) {
			t.Error("the ids are other ones than before")
		}
	})
}

var idForm = regexp.MustCompile(`^[\w-]{15}-[0-9a-f]{10}[\w-]{1,8}$`)

// Another pod of the same name, or with the same file numbers, has other ids.
func TestIDsOfAnotherPod(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, n *backend.Node) {
		s := ship(t, n)
		s.write("a.log", text(lines("a", 10)))
		s.once()
		s.forget()
		s.env[2] = "TACO_POD_UID=another"
		s.once()
		all := ids(s.documents())
		if got := len(slices.Compact(all)); got != 20 {
			t.Errorf("%d documents of two pods, want 20", got)
		}
		for _, id := range all {
			if !idForm.MatchString(id) || len(id) > 64 {
				t.Errorf("%q is no id of ours", id)
			}
		}
	})
}

func TestWithoutIDs(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, n *backend.Node) {
		s := ship(t, n)
		s.write("a.log", text(lines("a", 10)))
		s.once("--ids=false")
		s.forget()
		s.once("--ids=false")
		if all := ids(s.documents()); len(all) != 20 || idForm.MatchString(all[0]) {
			t.Errorf("%d documents, want 20, with ids of the backend's: %q", len(all), all)
		}
	})
}

// What is written after a truncation is another record than what stood at the
// same offset: while the sidecar runs, after a restart, and when the checkpoint
// is lost.
func TestTruncation(t *testing.T) {
	t.Parallel()
	for _, c := range []string{"running", "restarted", "lost checkpoint"} {
		t.Run(c, func(t *testing.T) {
			t.Parallel()
			onBoth(t, func(t *testing.T, n *backend.Node) {
				s := ship(t, n)
				s.write("a.log", canary+" 1 one\n"+canary+" 2 one\n")
				a := s.start()
				a.untilDocuments(2)
				if c != "running" {
					a.stop(0)
				}
				must(t, os.Truncate(s.path("a.log"), 0))
				s.write("a.log", canary+" 1 two\n"+canary+" 2 two\n")
				want := 4
				switch c {
				case "lost checkpoint":
					s.forget()
					fallthrough
				case "restarted":
					a = s.start()
					want = 2
				}
				m := a.untilDocuments(want)
				if m.already() != 0 {
					t.Errorf("%d records were taken for others", m.already())
				}
				a.stop(0)
				eachOnce(t, s.logs(), []string{canary + " 1 one", canary + " 2 one", canary + " 1 two", canary + " 2 two"})
			})
		})
	}
}

// Several files, in folders, rotated meanwhile: each line once, with its own path.
func TestFiles(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, n *backend.Node) {
		s := ship(t, n)
		s.globs = []string{s.dir + "/**"}
		a := s.start()
		a.ready()
		var want []string
		for i := range 4 {
			for _, name := range []string{"a.log", "sub/b.log", "sub/deep/c.log"} {
				must(t, os.MkdirAll(s.path("sub/deep"), 0o755))
				some := lines(fmt.Sprintf("%s/%d", name, i), 50)
				s.write(name, text(some))
				want = append(want, some...)
				must(t, os.Rename(s.path(name), s.path(fmt.Sprintf("%s.%d", name, i))))
			}
		}
		a.untilDocuments(len(want))
		a.stop(0)
		eachOnce(t, s.logs(), want)
	})
}

// The index is of the day in UTC, whatever the machine's time zone.
func TestDailyIndexIsUTC(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, n *backend.Node) {
		s := ship(t, n)
		s.env = append(s.env, "TZ=Pacific/Kiritimati") // 14 hours ahead
		s.index = n.Prefix + "%Y.%m.%d.%H"
		s.write("a.log", canary+"\n")
		before := time.Now().UTC()
		s.once()
		for _, d := range s.documents() {
			const hour = "2006.01.02.15"
			if d.Index != n.Prefix+before.Format(hour) && d.Index != n.Prefix+time.Now().UTC().Format(hour) {
				t.Errorf("shipped at %v, it is in %s", before, d.Index)
			}
		}
		s.holds(canary)
	})
}

// Fields in the index's name: of the pod, cleaned where they are no part of a name.
func TestIndexOfField(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, n *backend.Node) {
		s := ship(t, n)
		s.env[1] = "TACO_POD_NAMESPACE=Shop/EU"
		s.index = n.Prefix + "{kubernetes.namespace_name}-{nothing}-%Y"
		s.write("a.log", canary+"\n")
		s.once()
		want := n.Prefix + "shop_eu-none-" + time.Now().UTC().Format("2006")
		for _, d := range s.documents() {
			if d.Index != want {
				t.Errorf("it is in %s, want %s", d.Index, want)
			}
		}
		s.holds(canary)
	})
}
