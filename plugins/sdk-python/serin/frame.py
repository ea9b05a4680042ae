"""The frame: a batch of events as bytes, and what reads them in place.

Nothing is decoded until it is asked for, and every access checks itself: bytes
that lie about their lengths give zero, empty or None. The layout is
docs/plugin-abi.md; the fields are views.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct
from typing import TypeVar

_U16 = Struct("<H").unpack_from
_U32 = Struct("<I").unpack_from
_U64 = Struct("<Q").unpack_from
_PAIR = Struct("<II").unpack_from
_HEADER = Struct("<4sHHIII4x")

View = TypeVar("View", bound="Structure")


class _Part:
    """The bytes of a frame and where its shared part is."""

    __slots__ = ("bytes", "shared_start", "shared_end")

    def __init__(self, frame: bytes, shared_start: int, shared_end: int) -> None:
        self.bytes = frame
        self.shared_start = shared_start
        self.shared_end = shared_end


class Structure:
    """A fixed part, whose first four bytes are its size, and the data it refers to."""

    __slots__ = ("_frame", "_bytes", "_start", "_end", "_fixed_end")

    def __init__(self, frame: _Part, start: int, end: int) -> None:
        """Of the structure at `start`, whose record or shared part ends at `end`."""
        self._frame = frame
        self._bytes = frame.bytes
        self._start = start
        self._end = end
        size = _U32(frame.bytes, start)[0] if start + 4 <= end else 0
        # A field beyond the structure's size is one that its writer did not know.
        self._fixed_end = min(start + size, end)

    def _u8(self, at: int) -> int:
        at += self._start
        return self._bytes[at] if at < self._fixed_end else 0

    def _u16(self, at: int) -> int:
        at += self._start
        return _U16(self._bytes, at)[0] if at + 2 <= self._fixed_end else 0

    def _u32(self, at: int) -> int:
        at += self._start
        return _U32(self._bytes, at)[0] if at + 4 <= self._fixed_end else 0

    def _u64(self, at: int) -> int:
        at += self._start
        return _U64(self._bytes, at)[0] if at + 8 <= self._fixed_end else 0

    def _reference(self, at: int) -> tuple[int, int]:
        at += self._start
        return _PAIR(self._bytes, at) if at + 8 <= self._fixed_end else (0, 0)

    def _text(self, at: int) -> str:
        offset, length = self._reference(at)
        return _text(self._bytes, self._start + offset, length, self._end)

    def _texts(self, at: int) -> Iterator[str]:
        offset, count = self._reference(at)
        start = self._start + offset
        for pair in range(start, min(start + 8 * count, self._end - 7), 8):
            offset, length = _PAIR(self._bytes, pair)
            yield _text(self._bytes, start + offset, length, self._end)

    def _one(self, at: int, view: type[View]) -> View | None:
        offset = self._u32(at)
        start = self._start + offset
        return view(self._frame, start, self._end) if offset and start < self._end else None

    def _shared(self, at: int, view: type[View]) -> View | None:
        return _shared(self._frame, self._u32(at), view)

    def _list(self, at: int, view: type[View]) -> Iterator[View]:
        offset, count = self._reference(at)
        start = self._start + offset
        for _ in range(count):
            if start + 4 > self._end:
                return
            item = view(self._frame, start, self._end)
            # A size of zero would repeat the same bytes for ever.
            if item._fixed_end - start < 4:
                return
            yield item
            start = item._fixed_end

    def _shared_list(self, at: int, view: type[View]) -> Iterator[View]:
        offset, count = self._reference(at)
        frame = self._frame
        start = frame.shared_start + offset
        for place in range(start, min(start + 4 * count, frame.shared_end - 3), 4):
            item = _shared(frame, _U32(frame.bytes, place)[0], view)
            if item is None:
                return
            yield item


def _shared(frame: _Part, offset: int, view: type[View]) -> View | None:
    start = frame.shared_start + offset
    return view(frame, start, frame.shared_end) if offset and start < frame.shared_end else None


def _text(frame: bytes, start: int, length: int, end: int) -> str:
    if start + length > end:
        return ""
    try:
        return frame[start : start + length].decode()
    except UnicodeDecodeError:
        return ""


def records(frame: bytes, view: type[View]) -> Iterator[View]:
    """The events of a frame, in order; ends early at a record that makes no sense. Bytes that are no frame have none."""
    if len(frame) < _HEADER.size:
        return
    magic, _, header, count, records_length, shared_length = _HEADER.unpack_from(frame)
    end = header + records_length
    part = _Part(frame, end, end + shared_length)
    if magic != b"SFRM" or part.shared_end > len(frame):
        return
    start = header
    for _ in range(count):
        length = _U32(frame, start + 4)[0] if start + 8 <= end else 0
        if length < 8 or start + length > end:
            return
        yield view(part, start, start + length)
        start += length
