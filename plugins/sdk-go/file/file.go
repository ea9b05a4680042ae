// Package file reads files of the host. A plugin that uses it needs `grants: { file: [PATH, …] }`, with the exact path of
// each.
package file

import (
	"errors"
	"unsafe"

	"serin.dev/serin/internal/abi"
)

var (
	// ErrNotGranted says that the path is not one of those that are granted, byte by byte.
	ErrNotGranted = errors.New("not granted")
	// ErrMissing says that there is nothing at the path.
	ErrMissing = errors.New("missing")
	// ErrNotRegular says that what is there is no regular file, or a part of the path is a symbolic link.
	ErrNotRegular = errors.New("not regular")
	// ErrTooLarge says that it has more than 1 MiB.
	ErrTooLarge = errors.New("too large")
	// ErrUnreadable says that it can't be read.
	ErrUnreadable = errors.New("unreadable")
)

var refusals = [...]error{ErrNotGranted, ErrMissing, ErrNotRegular, ErrTooLarge, ErrUnreadable}

type answer struct {
	isError uint32
	content abi.List
}

//go:wasmimport serin:plugin/file@0.1.0 read
func read(path string, answer unsafe.Pointer)

// Read gives all of a file. Events wait while it is read.
func Read(path string) ([]byte, error) {
	answer := new(answer)
	read(path, unsafe.Pointer(answer))
	if byte(answer.isError) == 0 {
		return answer.content.Bytes(), nil
	}
	refusal, _ := answer.content.Parts()
	return nil, refusals[byte(refusal)]
}
