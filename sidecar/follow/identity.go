package follow

import (
	"hash/crc32"
	"os"

	"golang.org/x/sys/unix"
)

// inode names a file on this machine, as long as it is open or not unlinked.
type inode struct{ dev, ino uint64 }

// Lengths of what identifies content, in bytes.
const (
	prefixMax = 1024 // hashed from the file's start, growing with what has been delivered
	markerMax = 512  // hashed before the offset
)

// Position is where a generation stands: all that a later process needs to go
// on at the very byte, or to see that the file is another one.
type Position struct {
	Path   string // where the generation was first seen; the key of its queue
	Name   string // where it was last seen
	Dev    uint64
	Ino    uint64
	Birth  int64 // nanoseconds since 1970; 0 where the file system has no birth times
	Epoch  uint32
	Offset int64 // all bytes before it are delivered
	Mid    bool  // the offset is inside a record that was split
	Prefix Sum   // of the first bytes of the file
	Marker Sum   // of the bytes just before Offset
}

// Sum is a checksum (CRC-32C) of Len bytes.
type Sum struct {
	Len uint32
	CRC uint32
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func sumOf(b []byte) Sum { return Sum{uint32(len(b)), crc32.Checksum(b, castagnoli)} }

// grow adds the bytes that follow what s sums up.
func (s Sum) grow(b []byte) Sum {
	return Sum{s.Len + uint32(len(b)), crc32.Update(s.CRC, castagnoli, b)}
}

// pread fills p from offset, or as much as there is.
func pread(fd int, p []byte, off int64) (int, error) {
	n := 0
	for n < len(p) {
		m, err := unix.Pread(fd, p[n:], off+int64(n))
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return n, err
		}
		if m == 0 {
			break
		}
		n += m
	}
	return n, nil
}

// holds tells whether the file has exactly the summed bytes from off on.
func holds(fd int, s Sum, off int64) (bool, error) {
	var buf [max(prefixMax, markerMax)]byte
	if s.Len == 0 {
		return true, nil
	}
	if int(s.Len) > len(buf) || off < 0 {
		return false, nil
	}
	n, err := pread(fd, buf[:s.Len], off)
	return err == nil && n == int(s.Len) && sumOf(buf[:n]) == s, err
}

// continues tells whether the file behind fd holds what was delivered up to p.Offset.
func (p *Position) continues(fd int) (bool, error) {
	ok, err := holds(fd, p.Prefix, 0)
	if ok && err == nil {
		ok, err = holds(fd, p.Marker, p.Offset-int64(p.Marker.Len))
	}
	return ok, err
}

// fileState is what one statx tells.
type fileState struct {
	id      inode
	birth   int64
	size    int64
	mtime   int64
	links   uint32
	regular bool
	link    bool // symbolic; only statName tells
}

const statxMask = unix.STATX_TYPE | unix.STATX_MODE | unix.STATX_INO | unix.STATX_SIZE | unix.STATX_NLINK |
	unix.STATX_MTIME | unix.STATX_BTIME

func statPath(path string) (fileState, error) { return statx(unix.AT_FDCWD, path, 0) }
func statName(path string) (fileState, error) {
	return statx(unix.AT_FDCWD, path, unix.AT_SYMLINK_NOFOLLOW)
}
func statFD(fd int) (fileState, error) { return statx(fd, "", unix.AT_EMPTY_PATH) }

func statx(dir int, path string, flags int) (fileState, error) {
	var st unix.Statx_t
	for {
		err := unix.Statx(dir, path, flags|unix.AT_STATX_SYNC_AS_STAT, statxMask, &st)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return fileState{}, &os.PathError{Op: "stat", Path: path, Err: err}
		}
		break
	}
	s := fileState{
		id:      inode{unix.Mkdev(st.Dev_major, st.Dev_minor), st.Ino},
		size:    int64(st.Size),
		mtime:   st.Mtime.Sec*1e9 + int64(st.Mtime.Nsec),
		links:   st.Nlink,
		regular: st.Mode&unix.S_IFMT == unix.S_IFREG,
		link:    st.Mode&unix.S_IFMT == unix.S_IFLNK,
	}
	if st.Mask&unix.STATX_BTIME != 0 {
		s.birth = st.Btime.Sec*1e9 + int64(st.Btime.Nsec)
	}
	return s, nil
}

// sameBirth is true unless both are known and differ.
func sameBirth(a, b int64) bool { return a == 0 || b == 0 || a == b }
