package checkpoint

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"logging.taco/sidecar/follow"
)

func some(n int) []follow.Position {
	ps := make([]follow.Position, n)
	for i := range ps {
		ps[i] = follow.Position{
			Path: fmt.Sprintf("/logs/%d\n\xff.log", i), Name: fmt.Sprintf("/logs/%d.log.1", i),
			Dev: 7, Ino: uint64(100 + i), Birth: 1e18 + int64(i), Epoch: uint32(i), Offset: int64(1000 * i), Mid: i%2 == 1,
			Prefix: follow.Sum{Len: uint32(min(1000*i, 1024)), CRC: 5}, Marker: follow.Sum{Len: uint32(min(1000*i, 512)), CRC: 6},
		}
	}
	return ps
}

func reopen(t *testing.T, dir string) []follow.Position {
	t.Helper()
	c, ps, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	return ps
}

func TestReplaceAndUpdateSurviveReopening(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "made", "by", "open")
	c, ps, err := Open(dir)
	if err != nil || len(ps) != 0 {
		t.Fatal(ps, err)
	}
	want := some(5)
	if err := c.Replace(want); err != nil {
		t.Fatal(err)
	}
	for round := range 5 {
		for i := range want {
			want[i].Offset += int64(10 * (round + i))
			if known, err := c.Update(&want[i]); !known || err != nil {
				t.Fatal(known, err)
			}
		}
		if got := reopen(t, dir); !reflect.DeepEqual(got, want) {
			t.Fatalf("round %d:\n got %+v\nwant %+v", round, got, want)
		}
	}
	other := want[0]
	other.Epoch++
	if known, _ := c.Update(&other); known {
		t.Error("an epoch that the table does not have was updated")
	}
}

// TestTornSlot damages each byte of the slot that was written last: the one
// before has to hold.
func TestTornSlot(t *testing.T) {
	dir := t.TempDir()
	c, _, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	ps := some(3)
	if err := c.Replace(ps); err != nil {
		t.Fatal(err)
	}
	before := ps[1].Offset
	ps[1].Offset += 77
	if _, err := c.Update(&ps[1]); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(dir, Name))
	if err != nil {
		t.Fatal(err)
	}
	slot := headerSize + 2*1*slotSize // the second number is even: the first slot
	for i := range slotSize {
		torn := bytes.Clone(b)
		torn[slot+i] ^= 0x55
		got, err := Decode(torn)
		if err != nil || got[1].Offset != before {
			t.Fatalf("byte %d: offset %d, %v; want %d", i, got[1].Offset, err, before)
		}
	}
	for cut := range len(b) {
		if _, err := Decode(b[:cut]); !errors.Is(err, ErrCorrupt) {
			t.Fatalf("cut to %d bytes: %v", cut, err)
		}
	}
}

func TestCorruptFileIsMovedAside(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, Name)
	if err := os.WriteFile(name, []byte("tacockp9 from the future"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, ps, err := Open(dir)
	if !errors.Is(err, ErrCorrupt) || ps != nil {
		t.Fatal(ps, err)
	}
	if err := c.Replace(some(1)); err != nil {
		t.Fatal(err)
	}
	if got := reopen(t, dir); len(got) != 1 {
		t.Error("the new checkpoint is not there")
	}
	if _, err := os.Stat(name + ".bad"); err != nil {
		t.Error(err)
	}
}

func FuzzDecode(f *testing.F) {
	for _, n := range []int{0, 1, 3} {
		b, err := Encode(some(n))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		ps, err := Decode(b)
		if err != nil {
			if !errors.Is(err, ErrCorrupt) {
				t.Fatal(err)
			}
			return
		}
		again, err := Encode(ps)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := Decode(again); err != nil || !reflect.DeepEqual(got, ps) {
			t.Fatalf("%v\n got %+v\nwant %+v", err, got, ps)
		}
	})
}

func BenchmarkOpen1000(b *testing.B) {
	dir := b.TempDir()
	c, _, _ := Open(dir)
	if err := c.Replace(some(1000)); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		c, _, err := Open(dir)
		if err != nil {
			b.Fatal(err)
		}
		c.Close()
	}
}

func BenchmarkUpdate(b *testing.B) {
	c, _, _ := Open(b.TempDir())
	ps := some(1)
	if err := c.Replace(ps); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		c.Update(&ps[0])
	}
}
