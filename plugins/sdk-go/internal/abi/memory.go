// Package abi is what crosses between the agent and a plugin, laid out as the canonical ABI of the component model
// says: https://github.com/WebAssembly/component-model/blob/main/design/mvp/CanonicalABI.md
package abi

import "unsafe"

// List is how a string or a list crosses: its address and its length. Pointers of Go are wider than WebAssembly's.
type List struct {
	data, length uint32
}

// What the agent has put into memory and nobody has taken yet; the collector can't see the agent's addresses.
var held [][]uint64

//go:wasmexport cabi_realloc
func reallocate(old unsafe.Pointer, oldSize, _, size uint32) unsafe.Pointer {
	// Of eight bytes each: aligned for everything that crosses.
	words := make([]uint64, max(1, (uint64(size)+7)/8))
	start := unsafe.Pointer(unsafe.SliceData(words))
	if old != nil {
		copy(unsafe.Slice((*byte)(start), size), unsafe.Slice((*byte)(old), min(oldSize, size)))
		take(old)
	}
	held = append(held, words)
	return start
}

// From here on the collector alone keeps it.
func take(start unsafe.Pointer) []uint64 {
	for index, words := range held {
		if unsafe.Pointer(unsafe.SliceData(words)) == start {
			held[index] = held[len(held)-1]
			held[len(held)-1] = nil
			held = held[:len(held)-1]
			return words
		}
	}
	return nil
}

// Bytes are those that the agent has put there, for good.
func Bytes(start unsafe.Pointer, length uint32) []byte {
	words := take(start)
	if uint64(length) > uint64(len(words))*8 {
		return nil
	}
	return unsafe.Slice((*byte)(start), length)
}

// Bytes are those of a list that the agent has put there, for good.
func (list List) Bytes() []byte {
	for _, words := range held {
		start := unsafe.Pointer(unsafe.SliceData(words))
		if uint32(uintptr(start)) == list.data {
			return Bytes(start, list.length)
		}
	}
	return nil
}

// Text is a list of the agent's that is UTF-8.
func (list List) Text() string {
	bytes := list.Bytes()
	return unsafe.String(unsafe.SliceData(bytes), len(bytes))
}

// Parts are the address and the length.
func (list List) Parts() (address, length uint32) {
	return list.data, list.length
}

// Result is what a call returns. It stays in memory until the next one is made.
type Result struct {
	kept []any
}

// Pointer is where a value of the result begins.
func Pointer[T any](result *Result, value *T) unsafe.Pointer {
	result.kept = append(result.kept, value)
	return unsafe.Pointer(value)
}

// Lower makes a list of the result.
func Lower[T any](result *Result, items []T) List {
	if len(items) == 0 {
		return List{}
	}
	result.kept = append(result.kept, items)
	return List{uint32(uintptr(unsafe.Pointer(unsafe.SliceData(items)))), uint32(len(items))}
}

// LowerText makes a string of the result.
func LowerText(result *Result, text string) List {
	if text == "" {
		return List{}
	}
	result.kept = append(result.kept, text)
	return List{uint32(uintptr(unsafe.Pointer(unsafe.StringData(text)))), uint32(len(text))}
}

// LowerTexts makes a list of strings of the result.
func LowerTexts(result *Result, texts []string) List {
	lists := make([]List, len(texts))
	for index, text := range texts {
		lists[index] = LowerText(result, text)
	}
	return Lower(result, lists)
}
