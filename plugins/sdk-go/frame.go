package serin

import (
	"encoding/binary"
	"iter"
	"unsafe"
)

// Nothing of a frame is decoded until it is asked for, and every access checks itself: bytes that lie about their
// lengths give zero, empty or nothing. The layout is docs/plugin-abi.md; the fields are views.go.

const (
	magic          = 0x4d524653 // SFRM
	smallestHeader = 24
)

// A structure: a fixed part, whose first four bytes are its size, and the data it refers to.
type structure struct {
	// From the structure's start to the end of its record, or of the shared part.
	bytes []byte
	// Its fixed part. A field beyond it is one that its writer did not know.
	fixed  []byte
	shared []byte
}

func structureAt(bytes, shared []byte) structure {
	size := min(uint64(u32(bytes, 0)), uint64(len(bytes)))
	return structure{bytes, bytes[:size], shared}
}

// What begins at an offset; nothing if that is outside.
func from(part []byte, offset uint32) []byte {
	if uint64(offset) > uint64(len(part)) {
		return nil
	}
	return part[offset:]
}

func u16(part []byte, offset int) uint16 {
	if offset+2 > len(part) {
		return 0
	}
	return binary.LittleEndian.Uint16(part[offset:])
}

func u32(part []byte, offset int) uint32 {
	if offset+4 > len(part) {
		return 0
	}
	return binary.LittleEndian.Uint32(part[offset:])
}

// A string over the frame's own bytes, which nothing changes. Empty if they are not all there.
func text(part []byte, offset, length uint32) string {
	bytes := from(part, offset)
	if length == 0 || uint64(length) > uint64(len(bytes)) {
		return ""
	}
	return unsafe.String(unsafe.SliceData(bytes), int(length))
}

func (s structure) u8(offset int) uint8 {
	if offset >= len(s.fixed) {
		return 0
	}
	return s.fixed[offset]
}

func (s structure) u16(offset int) uint16 {
	return u16(s.fixed, offset)
}

func (s structure) u32(offset int) uint32 {
	return u32(s.fixed, offset)
}

func (s structure) u64(offset int) uint64 {
	if offset+8 > len(s.fixed) {
		return 0
	}
	return binary.LittleEndian.Uint64(s.fixed[offset:])
}

func (s structure) text(offset int) string {
	return text(s.bytes, s.u32(offset), s.u32(offset+4))
}

func (s structure) texts(offset int) iter.Seq[string] {
	return func(yield func(string) bool) {
		pairs := from(s.bytes, s.u32(offset))
		rest := pairs
		for left := s.u32(offset + 4); left > 0 && len(rest) >= 8; left-- {
			if !yield(text(pairs, u32(rest, 0), u32(rest, 4))) {
				return
			}
			rest = rest[8:]
		}
	}
}

// The structure that a field refers to, and whether there is one.
func (s structure) one(offset int) (structure, bool) {
	return referred(s.bytes, s.u32(offset), s.shared)
}

func (s structure) sharedOne(offset int) (structure, bool) {
	return referred(s.shared, s.u32(offset), s.shared)
}

func referred(part []byte, offset uint32, shared []byte) (structure, bool) {
	bytes := from(part, offset)
	return structureAt(bytes, shared), offset != 0 && len(bytes) > 0
}

func list[View any](s structure, offset int, view func(structure) View) iter.Seq[View] {
	return func(yield func(View) bool) {
		rest := from(s.bytes, s.u32(offset))
		for left := s.u32(offset + 4); left > 0; left-- {
			item := structureAt(rest, s.shared)
			// A size of zero would repeat the same bytes for ever.
			if len(item.fixed) < 4 || !yield(view(item)) {
				return
			}
			rest = rest[len(item.fixed):]
		}
	}
}

func sharedList[View any](s structure, offset int, view func(structure) View) iter.Seq[View] {
	return func(yield func(View) bool) {
		rest := from(s.shared, s.u32(offset))
		for left := s.u32(offset + 4); left > 0 && len(rest) >= 4; left-- {
			item, found := referred(s.shared, u32(rest, 0), s.shared)
			if !found || !yield(view(item)) {
				return
			}
			rest = rest[4:]
		}
	}
}

// The events of a frame, in order; ends early at a record that makes no sense. Bytes that are no frame have none.
func records(frame []byte) iter.Seq[Event] {
	return func(yield func(Event) bool) {
		if len(frame) < smallestHeader || u32(frame, 0) != magic {
			return
		}
		rest := from(frame, uint32(u16(frame, 6)))
		length, sharedLength := uint64(u32(frame, 12)), uint64(u32(frame, 16))
		if length+sharedLength > uint64(len(rest)) {
			return
		}
		shared := rest[length : length+sharedLength]
		rest = rest[:length]
		for left := u32(frame, 8); left > 0; left-- {
			length := u32(rest, 4)
			if length < 8 || uint64(length) > uint64(len(rest)) {
				return
			}
			if !yield(Event{structureAt(rest[:length], shared)}) {
				return
			}
			rest = rest[length:]
		}
	}
}
