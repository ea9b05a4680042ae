// The frame: a batch of events as bytes, and what reads them in place.
//
// Nothing is decoded until it is asked for, and every access checks itself: bytes
// that lie about their lengths give zero, empty or null. The layout is
// docs/plugin-abi.md; the fields are views.js.

const MAGIC = 0x4d524653; // SFRM
const SMALLEST_HEADER = 24;

/** The bytes of a frame and where its shared part is. */
class Bytes {
  constructor(bytes) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.sharedStart = 0;
    this.sharedEnd = 0;
  }

  /** The integer there; 0 if that is beyond `end`. */
  u32(at, end) {
    return at + 4 <= end ? this.view.getUint32(at, true) : 0;
  }

  /** UTF-8; empty if it ends beyond `end`. */
  text(start, length, end) {
    return length > 0 && start + length <= end ? decode(this.bytes.subarray(start, start + length)) : "";
  }
}

/** A structure: a fixed part, whose first four bytes are its size, and the data it refers to. */
export class Structure {
  /** Of the structure at `start`, whose record or shared part ends at `end`. */
  constructor(frame, start, end) {
    this.frame = frame;
    this.start = start;
    this.end = end;
    // A field beyond the structure's size is one that its writer did not know.
    this.fixedEnd = Math.min(start + frame.u32(start, end), end);
  }

  readU8(at) {
    return this.start + at < this.fixedEnd ? this.frame.view.getUint8(this.start + at) : 0;
  }

  readU16(at) {
    return this.start + at + 2 <= this.fixedEnd ? this.frame.view.getUint16(this.start + at, true) : 0;
  }

  readU32(at) {
    return this.frame.u32(this.start + at, this.fixedEnd);
  }

  /** A BigInt: a number has only 53 bits. */
  readU64(at) {
    return this.start + at + 8 <= this.fixedEnd ? this.frame.view.getBigUint64(this.start + at, true) : 0n;
  }

  readText(at) {
    return this.frame.text(this.start + this.readU32(at), this.readU32(at + 4), this.end);
  }

  readTexts(at) {
    const { frame, end } = this;
    const start = this.start + this.readU32(at);
    const found = [];
    for (let pair = start, left = this.readU32(at + 4); left > 0 && pair + 8 <= end; pair += 8, left -= 1) {
      found.push(frame.text(start + frame.u32(pair, end), frame.u32(pair + 4, end), end));
    }
    return found;
  }

  readOne(at, View) {
    const offset = this.readU32(at);
    return offset > 0 && this.start + offset < this.end ? new View(this.frame, this.start + offset, this.end) : null;
  }

  readShared(at, View) {
    return sharedView(this.frame, this.readU32(at), View);
  }

  readList(at, View) {
    const found = [];
    let start = this.start + this.readU32(at);
    for (let left = this.readU32(at + 4); left > 0 && start + 4 <= this.end; left -= 1) {
      const item = new View(this.frame, start, this.end);
      // A size of zero would repeat the same bytes for ever.
      if (item.fixedEnd - start < 4) break;
      found.push(item);
      start = item.fixedEnd;
    }
    return found;
  }

  readSharedList(at, View) {
    const { frame } = this;
    const found = [];
    let offset = frame.sharedStart + this.readU32(at);
    for (let left = this.readU32(at + 4); left > 0 && offset + 4 <= frame.sharedEnd; offset += 4, left -= 1) {
      const item = sharedView(frame, frame.u32(offset, frame.sharedEnd), View);
      if (item === null) break;
      found.push(item);
    }
    return found;
  }
}

function sharedView(frame, offset, View) {
  const start = frame.sharedStart + offset;
  return offset > 0 && start < frame.sharedEnd ? new View(frame, start, frame.sharedEnd) : null;
}

/** The events of a frame, in order; ends early at a record that makes no sense. Bytes that are no frame have none. */
export function* records(bytes, View) {
  const frame = new Bytes(bytes);
  if (bytes.length < SMALLEST_HEADER || frame.u32(0, bytes.length) !== MAGIC) return;
  let start = frame.view.getUint16(6, true);
  const end = start + frame.u32(12, bytes.length);
  frame.sharedStart = end;
  frame.sharedEnd = end + frame.u32(16, bytes.length);
  if (frame.sharedEnd > bytes.length) return;
  for (let left = frame.u32(8, bytes.length); left > 0; left -= 1) {
    const length = frame.u32(start + 4, end);
    if (length < 8 || start + length > end) return;
    yield new View(frame, start, start + length);
    start += length;
  }
}

/** More arguments than this a call may not take. */
const CHUNK = 4096;
const NOT_ASCII = /[\x80-\xff]/;

/** Text from UTF-8; the engine has no TextDecoder. */
function decode(bytes) {
  let text = "";
  for (let start = 0; start < bytes.length; start += CHUNK) {
    text += String.fromCharCode.apply(null, bytes.subarray(start, start + CHUNK));
  }
  return NOT_ASCII.test(text) ? decodeUtf8(text) : text;
}

/** From a character for each byte. What is not UTF-8 is empty. */
function decodeUtf8(text) {
  try {
    return decodeURIComponent(text.replace(/[^A-Za-z0-9]/g, percent));
  } catch {
    return "";
  }
}

function percent(character) {
  return "%" + character.charCodeAt(0).toString(16).padStart(2, "0");
}
