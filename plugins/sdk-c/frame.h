/* The frame: a batch of events as bytes, and what reads them in place.
 *
 * Nothing is copied or decoded until it is asked for, and every access checks
 * itself: bytes that lie about their lengths give zero, empty or none, never a
 * read out of bounds. The layout is docs/plugin-abi.md; the fields are views.h. */
#ifndef SERIN_FRAME_H
#define SERIN_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* UTF-8 that ends after `length` bytes, not with a zero. What comes from an event is valid for the call. */
typedef struct {
  const char *data;
  size_t length;
} serin_text;

/* A literal or another string that ends with a zero. */
static inline serin_text serin_string(const char *string) {
  return (serin_text){string, strlen(string)};
}

static inline bool serin_equal(serin_text left, serin_text right) {
  return left.length == right.length && memcmp(left.data, right.data, left.length) == 0;
}

static inline bool serin_starts_with(serin_text text, serin_text start) {
  return text.length >= start.length && memcmp(text.data, start.data, start.length) == 0;
}

static inline bool serin_ends_with(serin_text text, serin_text end) {
  return text.length >= end.length && memcmp(text.data + text.length - end.length, end.data, end.length) == 0;
}

/* Part of a frame. */
typedef struct {
  const uint8_t *data;
  size_t length;
} serin_part;

/* A structure: a fixed part, whose first four bytes are its size, and the data it refers to. */
typedef struct {
  /* From the structure's start to the end of its record, or of the shared part. */
  serin_part bytes;
  /* Size of the fixed part. */
  size_t size;
  serin_part shared;
} serin_structure;

/* Texts yet to come; see serin_next_text. */
typedef struct {
  serin_part pairs;
  size_t at;
  uint32_t count;
} serin_texts;

/* Structures yet to come; see the functions serin_next_… of views.h. */
typedef struct {
  serin_part bytes;
  uint32_t count;
  serin_part shared;
  /* Whether `bytes` are offsets of structures in the shared part, not structures. */
  bool offsets;
} serin_list;

/* Events yet to come; see serin_next_event in serin.h. */
typedef struct {
  serin_part records;
  uint32_t count;
  serin_part shared;
} serin_frame;

/* What begins at an offset; empty if that is outside. */
static inline serin_part serin_from(serin_part part, size_t offset) {
  if (offset > part.length) {
    return (serin_part){part.data, 0};
  }
  return (serin_part){part.data + offset, part.length - offset};
}

/* An integer of `size` bytes; 0 if it is not all there. Little-endian, as WebAssembly is. */
static inline uint64_t serin_integer(serin_part part, size_t offset, size_t size) {
  uint64_t value = 0;
  if (offset <= part.length && size <= part.length - offset) {
    memcpy(&value, part.data + offset, size);
  }
  return value;
}

static inline serin_structure serin_structure_at(serin_part bytes, serin_part shared) {
  size_t size = (size_t)serin_integer(bytes, 0, 4);
  return (serin_structure){bytes, size < bytes.length ? size : bytes.length, shared};
}

/* A field beyond the structure's size is one that its writer did not know. */
static inline uint64_t serin_field_integer(serin_structure structure, size_t offset, size_t size) {
  return serin_integer((serin_part){structure.bytes.data, structure.size}, offset, size);
}

static inline uint8_t serin_u8(serin_structure structure, size_t offset) {
  return (uint8_t)serin_field_integer(structure, offset, 1);
}

static inline uint16_t serin_u16(serin_structure structure, size_t offset) {
  return (uint16_t)serin_field_integer(structure, offset, 2);
}

static inline uint32_t serin_u32(serin_structure structure, size_t offset) {
  return (uint32_t)serin_field_integer(structure, offset, 4);
}

static inline uint64_t serin_u64(serin_structure structure, size_t offset) {
  return serin_field_integer(structure, offset, 8);
}

static inline serin_text serin_text_in(serin_part part, uint32_t offset, uint32_t length) {
  serin_part from = serin_from(part, offset);
  return (serin_text){(const char *)from.data, length <= from.length ? length : 0};
}

static inline serin_text serin_text_at(serin_structure structure, size_t offset) {
  return serin_text_in(structure.bytes, serin_u32(structure, offset), serin_u32(structure, offset + 4));
}

static inline serin_texts serin_texts_at(serin_structure structure, size_t offset) {
  serin_part pairs = serin_from(structure.bytes, serin_u32(structure, offset));
  return (serin_texts){pairs, 0, serin_u32(structure, offset + 4)};
}

/* The next of a list of texts; false at its end. */
static inline bool serin_next_text(serin_texts *texts, serin_text *next) {
  if (texts->count == 0 || texts->pairs.length < texts->at + 8) {
    return false;
  }
  uint32_t offset = (uint32_t)serin_integer(texts->pairs, texts->at, 4);
  uint32_t length = (uint32_t)serin_integer(texts->pairs, texts->at + 4, 4);
  *next = serin_text_in(texts->pairs, offset, length);
  texts->at += 8;
  texts->count -= 1;
  return true;
}

/* The structure at an offset that a field holds; false if there is none. */
static inline bool serin_one_at(serin_structure structure, size_t offset, serin_structure *found) {
  serin_part bytes = serin_from(structure.bytes, serin_u32(structure, offset));
  *found = serin_structure_at(bytes, structure.shared);
  return serin_u32(structure, offset) != 0 && bytes.length > 0;
}

static inline bool serin_shared_at(serin_structure structure, size_t offset, serin_structure *found) {
  serin_part bytes = serin_from(structure.shared, serin_u32(structure, offset));
  *found = serin_structure_at(bytes, structure.shared);
  return serin_u32(structure, offset) != 0 && bytes.length > 0;
}

static inline serin_list serin_list_at(serin_structure structure, size_t offset) {
  serin_part bytes = serin_from(structure.bytes, serin_u32(structure, offset));
  return (serin_list){bytes, serin_u32(structure, offset + 4), structure.shared, false};
}

static inline serin_list serin_shared_list_at(serin_structure structure, size_t offset) {
  serin_part bytes = serin_from(structure.shared, serin_u32(structure, offset));
  return (serin_list){bytes, serin_u32(structure, offset + 4), structure.shared, true};
}

static inline bool serin_next(serin_list *list, serin_structure *next) {
  if (list->count == 0 || list->bytes.length < 4) {
    return false;
  }
  list->count -= 1;
  if (list->offsets) {
    serin_part bytes = serin_from(list->shared, (size_t)serin_integer(list->bytes, 0, 4));
    *next = serin_structure_at(bytes, list->shared);
    list->bytes = serin_from(list->bytes, 4);
    return bytes.length > 0;
  }
  *next = serin_structure_at(list->bytes, list->shared);
  /* A size of zero would repeat the same bytes for ever. */
  list->bytes = serin_from(list->bytes, next->size);
  return next->size >= 4;
}

/* Reads a frame's header; no event comes of bytes that are none. */
static inline serin_frame serin_frame_of(serin_part bytes) {
  const size_t smallest_header = 24;
  if (bytes.length < smallest_header || memcmp(bytes.data, "SFRM", 4) != 0) {
    return (serin_frame){{bytes.data, 0}, 0, {bytes.data, 0}};
  }
  serin_part records = serin_from(bytes, (size_t)serin_integer(bytes, 6, 2));
  size_t records_length = (size_t)serin_integer(bytes, 12, 4);
  size_t shared_length = (size_t)serin_integer(bytes, 16, 4);
  if (records_length > records.length || shared_length > records.length - records_length) {
    return (serin_frame){{bytes.data, 0}, 0, {bytes.data, 0}};
  }
  serin_part shared = {records.data + records_length, shared_length};
  return (serin_frame){{records.data, records_length}, (uint32_t)serin_integer(bytes, 8, 4), shared};
}

/* The next record; false at the end, or at one that makes no sense. */
static inline bool serin_next_record(serin_frame *frame, serin_structure *next) {
  size_t length = (size_t)serin_integer(frame->records, 4, 4);
  if (frame->count == 0 || length < 8 || length > frame->records.length) {
    return false;
  }
  *next = serin_structure_at((serin_part){frame->records.data, length}, frame->shared);
  frame->records = serin_from(frame->records, length);
  frame->count -= 1;
  return true;
}

#endif
