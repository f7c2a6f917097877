// Package xsync: see libpf.
package xsync

import "sync"

// RWMutex holds a value that is reached under its lock alone.
type RWMutex[T any] struct {
	lock  sync.RWMutex
	value T
}

func NewRWMutex[T any](value T) RWMutex[T] { return RWMutex[T]{value: value} }

// WLock gives the value until WUnlock takes it back.
func (m *RWMutex[T]) WLock() *T {
	m.lock.Lock()
	return &m.value
}

func (m *RWMutex[T]) WUnlock(value **T) {
	*value = nil
	m.lock.Unlock()
}
