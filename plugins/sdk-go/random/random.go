// Package random has random bytes, which nobody can foretell. A plugin that uses it needs `grants: { random: true }`.
//
// Where recorded events are played, they are the same each time.
package random

import (
	"unsafe"

	"serin.dev/serin/internal/abi"
)

//go:wasmimport serin:plugin/random@0.1.0 bytes
func bytes(count uint32, found unsafe.Pointer)

// Bytes gives so many bytes, at most 4096: to ask for more is a failure of the plugin.
func Bytes(count uint32) []byte {
	found := new(abi.List)
	bytes(count, unsafe.Pointer(found))
	return found.Bytes()
}
