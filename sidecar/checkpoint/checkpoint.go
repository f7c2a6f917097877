// Package checkpoint keeps where each generation stands, so that the next
// process of the pod goes on at the very byte.
//
// The file has a table that is written anew, beside the old one and renamed
// over it, whenever the set of generations changes; and for each generation
// two slots of fixed place that are overwritten in turn whenever its offset
// moves. A kill -9 at any instant leaves the table of before or after, and at
// least one slot whose checksum holds: the position is never more than one
// delivery old. Overwriting in place costs one small write, and no space on a
// disk that has none left.
//
// The file is not synced: it has to outlive the process, not the node, whose
// end is the end of the pod.
package checkpoint

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
	"logging.taco/sidecar/follow"
)

// Name of the file in the state folder.
const Name = "checkpoint"

// ErrCorrupt: the file is not a checkpoint of this version, or is damaged.
var ErrCorrupt = errors.New("not a checkpoint that this version can read")

var (
	magic      = [8]byte{'t', 'a', 'c', 'o', 'c', 'k', 'p', '1'}
	order      = binary.LittleEndian
	castagnoli = crc32.MakeTable(crc32.Castagnoli)
)

// Sizes in bytes. A file is header, slots (two a generation), identities.
const (
	headerSize = 24 // magic, count u32, identities' length u32, their CRC u32, header's CRC u32
	slotSize   = 64
	maxCount   = 1 << 20
)

// Checkpoint is an open state folder. It is not safe for concurrent use.
type Checkpoint struct {
	dir  string
	file *os.File // the current table; nil: none is written yet
	at   map[key]*entry
}

type key struct {
	dev, ino uint64
	birth    int64
	epoch    uint32
	path     string // only where no inode tells files apart
}

func keyOf(p *follow.Position) key {
	k := key{dev: p.Dev, ino: p.Ino, birth: p.Birth, epoch: p.Epoch}
	if p.Ino == 0 {
		k.path = p.Path
	}
	return k
}

type entry struct {
	index int
	seq   uint64
}

// Open makes the folder where needed and reads what is there. A file that
// cannot be read is moved aside to checkpoint.bad and reported as ErrCorrupt,
// together with a Checkpoint that can be used.
func Open(dir string) (*Checkpoint, []follow.Position, error) {
	c := &Checkpoint{dir: dir, at: map[key]*entry{}}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return c, nil, fmt.Errorf("make the state folder: %w", err)
	}
	name := filepath.Join(dir, Name)
	b, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return c, nil, nil
	}
	if err != nil {
		return c, nil, fmt.Errorf("read the checkpoint: %w", err)
	}
	positions, err := Decode(b)
	if err != nil {
		bad := name + ".bad"
		if e := os.Rename(name, bad); e != nil {
			return c, nil, fmt.Errorf("%s: %w; it could not be moved aside: %w", name, err, e)
		}
		return c, nil, fmt.Errorf("%s: %w; moved to %s", name, err, bad)
	}
	return c, positions, nil
}

// Replace writes a new table with all positions.
func (c *Checkpoint) Replace(positions []follow.Position) error {
	b, err := Encode(positions)
	if err != nil {
		return err
	}
	name := filepath.Join(c.dir, Name)
	f, err := os.OpenFile(name+".new", os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("write the checkpoint: %w", err)
	}
	if _, err = f.Write(b); err == nil {
		err = os.Rename(name+".new", name)
	}
	if err != nil {
		f.Close()
		os.Remove(name + ".new")
		return fmt.Errorf("write the checkpoint: %w", err)
	}
	c.Close()
	c.file = f
	clear(c.at)
	for i := range positions {
		c.at[keyOf(&positions[i])] = &entry{index: i, seq: 1}
	}
	return nil
}

// Update overwrites the slot of one generation. False: the table does not have
// it; Replace is needed.
func (c *Checkpoint) Update(p *follow.Position) (bool, error) {
	e := c.at[keyOf(p)]
	if e == nil || c.file == nil {
		return false, nil
	}
	var slot [slotSize]byte
	putSlot(slot[:], p, e.seq+1)
	at := headerSize + int64(2*e.index)*slotSize + int64((e.seq+1)%2)*slotSize
	for {
		_, err := unix.Pwrite(int(c.file.Fd()), slot[:], at)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return true, fmt.Errorf("write the checkpoint: %w", err)
		}
		break
	}
	e.seq++
	return true, nil
}

// Close closes the file; what was written stays.
func (c *Checkpoint) Close() {
	if c.file != nil {
		c.file.Close()
		c.file = nil
	}
}

// putSlot lays out: seq u64, offset i64, prefix len u32 and CRC u32, marker
// len u32 and CRC u32, mid u8, zeros, CRC u32 of all before.
func putSlot(b []byte, p *follow.Position, seq uint64) {
	clear(b)
	order.PutUint64(b[0:], seq)
	order.PutUint64(b[8:], uint64(p.Offset))
	order.PutUint32(b[16:], p.Prefix.Len)
	order.PutUint32(b[20:], p.Prefix.CRC)
	order.PutUint32(b[24:], p.Marker.Len)
	order.PutUint32(b[28:], p.Marker.CRC)
	if p.Mid {
		b[32] = 1
	}
	order.PutUint32(b[slotSize-4:], crc32.Checksum(b[:slotSize-4], castagnoli))
}

func getSlot(b []byte, p *follow.Position) (seq uint64, ok bool) {
	if crc32.Checksum(b[:slotSize-4], castagnoli) != order.Uint32(b[slotSize-4:]) {
		return 0, false
	}
	seq = order.Uint64(b[0:])
	p.Offset = int64(order.Uint64(b[8:]))
	p.Prefix = follow.Sum{Len: order.Uint32(b[16:]), CRC: order.Uint32(b[20:])}
	p.Marker = follow.Sum{Len: order.Uint32(b[24:]), CRC: order.Uint32(b[28:])}
	p.Mid = b[32] == 1
	return seq, seq > 0 && p.Offset >= 0 && int64(p.Marker.Len) <= p.Offset
}

// Encode lays out a whole table.
func Encode(positions []follow.Position) ([]byte, error) {
	if len(positions) > maxCount {
		return nil, fmt.Errorf("%d generations are more than a checkpoint holds", len(positions))
	}
	b := make([]byte, headerSize+2*slotSize*len(positions), headerSize+(2*slotSize+128)*len(positions))
	var ids []byte
	for i := range positions {
		p := &positions[i]
		// The first slot of a new table has an odd number and so stands second.
		putSlot(b[headerSize+(2*i+1)*slotSize:][:slotSize], p, 1)
		ids = order.AppendUint64(ids, p.Dev)
		ids = order.AppendUint64(ids, p.Ino)
		ids = order.AppendUint64(ids, uint64(p.Birth))
		ids = order.AppendUint32(ids, p.Epoch)
		for _, s := range []string{p.Path, p.Name} {
			ids = order.AppendUint32(ids, uint32(len(s)))
			ids = append(ids, s...)
		}
	}
	copy(b, magic[:])
	order.PutUint32(b[8:], uint32(len(positions)))
	order.PutUint32(b[12:], uint32(len(ids)))
	order.PutUint32(b[16:], crc32.Checksum(ids, castagnoli))
	order.PutUint32(b[20:], crc32.Checksum(b[:20], castagnoli))
	return append(b, ids...), nil
}

// Decode reads a table; its error is ErrCorrupt with what is wrong.
func Decode(b []byte) ([]follow.Position, error) {
	corrupt := func(what string) error { return fmt.Errorf("%w: %s", ErrCorrupt, what) }
	if len(b) < headerSize || [8]byte(b[:8]) != magic {
		return nil, corrupt("its first bytes are others")
	}
	if crc32.Checksum(b[:20], castagnoli) != order.Uint32(b[20:]) {
		return nil, corrupt("the header's checksum differs")
	}
	count := int(order.Uint32(b[8:]))
	slots := b[headerSize:]
	if count > maxCount || len(slots) < 2*slotSize*count {
		return nil, corrupt("it is cut short")
	}
	ids := slots[2*slotSize*count:]
	if uint32(len(ids)) != order.Uint32(b[12:]) || crc32.Checksum(ids, castagnoli) != order.Uint32(b[16:]) {
		return nil, corrupt("the table's checksum differs")
	}
	positions := make([]follow.Position, count)
	for i := range positions {
		var a, z follow.Position
		aSeq, aOK := getSlot(slots[2*i*slotSize:][:slotSize], &a)
		zSeq, zOK := getSlot(slots[(2*i+1)*slotSize:][:slotSize], &z)
		p := &positions[i]
		switch {
		case aOK && (!zOK || aSeq > zSeq):
			*p = a
		case zOK:
			*p = z
		default:
			return nil, corrupt("both slots of a file are damaged")
		}
		if len(ids) < 28 {
			return nil, corrupt("it is cut short")
		}
		p.Dev, p.Ino = order.Uint64(ids), order.Uint64(ids[8:])
		p.Birth, p.Epoch = int64(order.Uint64(ids[16:])), order.Uint32(ids[24:])
		ids = ids[28:]
		for _, s := range []*string{&p.Path, &p.Name} {
			if len(ids) < 4 || uint64(len(ids)-4) < uint64(order.Uint32(ids)) {
				return nil, corrupt("it is cut short")
			}
			n := order.Uint32(ids)
			*s, ids = string(ids[4:4+n]), ids[4+n:]
		}
	}
	return positions, nil
}
