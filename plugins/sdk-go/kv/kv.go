// Package kv is a few facts that the agent keeps for the plugin. A plugin that uses it needs `grants: { kv: {} }`.
//
// They outlive the instance, which a failure costs the plugin, and are there for a new version of it; they end with the
// agent.
package kv

import (
	"errors"
	"time"
	"unsafe"

	"serin.dev/serin/internal/abi"
)

var (
	// ErrTooLarge says that the key has no bytes or more than 256, or the value more than 64 KiB.
	ErrTooLarge = errors.New("too large")
	// ErrFull says that there are as many keys or bytes as are granted.
	ErrFull = errors.New("full")
)

type found struct {
	some  uint32
	value abi.List
}

type written struct {
	isError, refusal uint8
}

//go:wasmimport serin:plugin/kv@0.1.0 get
func get(key string, found unsafe.Pointer)

//go:wasmimport serin:plugin/kv@0.1.0 set
func set(key string, value unsafe.Pointer, length uint32, milliseconds uint64, written unsafe.Pointer)

//go:wasmimport serin:plugin/kv@0.1.0 delete
func remove(key string) bool

// Get gives the value of a key, if it is there and its time has not passed.
func Get(key string) ([]byte, bool) {
	found := new(found)
	get(key, unsafe.Pointer(found))
	if byte(found.some) == 0 {
		return nil, false
	}
	return found.value.Bytes(), true
}

// Set writes a value, for good.
func Set(key string, value []byte) error {
	return SetFor(key, value, 0)
}

// SetFor writes a value, for a time, counted in milliseconds.
func SetFor(key string, value []byte, ttl time.Duration) error {
	written := new(written)
	start := unsafe.Pointer(unsafe.SliceData(value))
	set(key, start, uint32(len(value)), uint64(ttl.Milliseconds()), unsafe.Pointer(written))
	switch {
	case written.isError == 0:
		return nil
	case written.refusal == 0:
		return ErrTooLarge
	}
	return ErrFull
}

// Delete removes a key; whether it was there.
func Delete(key string) bool {
	return remove(key)
}
