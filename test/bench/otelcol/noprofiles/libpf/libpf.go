// Package libpf, with its folders, has the names that the collector's
// Elasticsearch exporter needs of the eBPF profiler to compile. The exporter
// turns profiles into documents with them; logs take another way. The real module
// cannot be had at the version that the exporter asks for. Whoever calls one of
// these has sent a profile.
package libpf

import "errors"

var errProfile = errors.New("this collector is built without profiles")

// FileID names an executable.
type FileID struct{ hi, lo uint64 }

func NewFileID(hi, lo uint64) FileID { return FileID{hi, lo} }

func FileIDFromBytes([]byte) (FileID, error)  { return FileID{}, errProfile }
func FileIDFromString(string) (FileID, error) { return FileID{}, errProfile }

func (f FileID) IsZero() bool { return f == FileID{} }
func (FileID) Bytes() []byte  { panic(errProfile) }
func (FileID) Base64() string { panic(errProfile) }

// AddressOrLineno is a place in an executable or a source file.
type AddressOrLineno uint64

// FrameType is the language of a stack frame.
type FrameType byte

func FrameTypeFromString(string) FrameType { panic(errProfile) }

func (FrameType) IsError() bool { panic(errProfile) }
