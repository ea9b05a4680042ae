// Package hash has digests of programs. A plugin that uses it needs `grants: { hash: {} }`.
package hash

import (
	"errors"
	"unsafe"

	"serin.dev/serin/internal/abi"
)

var (
	// ErrPending says that it is being made: ask again at the next event.
	ErrPending = errors.New("pending")
	// ErrMissing says that the process has ended, and there is no file at the path on the host.
	ErrMissing = errors.New("missing")
	// ErrNotRegular says that what is there is no regular file.
	ErrNotRegular = errors.New("not regular")
	// ErrTooLarge says that it is larger than is granted.
	ErrTooLarge = errors.New("too large")
	// ErrUnreadable says that it can't be read.
	ErrUnreadable = errors.New("unreadable")
)

var refusals = [...]error{ErrMissing, ErrNotRegular, ErrTooLarge, ErrUnreadable}

// Digest is what a program is known by.
type Digest struct {
	// In hexadecimal.
	SHA256 string
	// It is of the very file that the process runs; if not, the process has ended, and it is of what the host has at
	// the path now.
	OfProcess bool
}

type answer struct {
	tag       uint32
	sha256    abi.List
	ofProcess uint32
}

//go:wasmimport serin:plugin/hash@0.1.0 program
func program(pid uint32, path string, answer unsafe.Pointer)

// Program gives what is known of the program that a process runs, whose path is `path`.
func Program(pid uint32, path string) (Digest, error) {
	answer := new(answer)
	program(pid, path, unsafe.Pointer(answer))
	switch byte(answer.tag) {
	case 0:
		return Digest{answer.sha256.Text(), byte(answer.ofProcess) != 0}, nil
	case 1:
		return Digest{}, ErrPending
	}
	refusal, _ := answer.sha256.Parts()
	return Digest{}, refusals[byte(refusal)]
}
