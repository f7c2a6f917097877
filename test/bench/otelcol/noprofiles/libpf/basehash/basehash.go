// Package basehash: see libpf.
package basehash

import "errors"

var errProfile = errors.New("this collector is built without profiles")

// Hash128 names a stack.
type Hash128 struct{ hi, lo uint64 }

func New128(hi, lo uint64) Hash128 { return Hash128{hi, lo} }

func New128FromBytes([]byte) (Hash128, error) { return Hash128{}, errProfile }

func (Hash128) Bytes() []byte  { panic(errProfile) }
func (Hash128) Base64() string { panic(errProfile) }
