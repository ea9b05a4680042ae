//! Lazy, checked reading.

use core::marker::PhantomData;

use crate::schema::EventView;
use crate::{HEADER_SIZE, MAGIC, SCHEMA};

/// A batch of events, as received.
#[derive(Debug, Clone, Copy)]
pub struct Frame<'a> {
    shared: &'a [u8],
    records: &'a [u8],
    count: u32,
    schema: u16,
}

/// Why bytes are not a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrameError {
    /// Shorter than a header.
    Truncated,
    /// The first four bytes are not [`MAGIC`].
    Magic,
}

impl core::fmt::Display for FrameError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Truncated => "the frame is shorter than its header",
            Self::Magic => "the bytes are not a frame: they do not begin with SFRM",
        })
    }
}

impl core::error::Error for FrameError {}

impl<'a> Frame<'a> {
    /// Reads the header.
    ///
    /// # Errors
    /// If the bytes do not begin with a frame's header.
    pub fn new(bytes: &'a [u8]) -> Result<Self, FrameError> {
        if bytes.len() < HEADER_SIZE {
            return Err(FrameError::Truncated);
        }
        let word = |at| u32::from_le_bytes(array(bytes, at));
        if word(0) != MAGIC {
            return Err(FrameError::Magic);
        }
        let schema = u16::from_le_bytes(array(bytes, 4));
        let header = usize::from(u16::from_le_bytes(array(bytes, 6)));
        let parts = bytes.get(header..).unwrap_or_default();
        let (records, rest) = parts.split_at_checked(word(12) as usize).unwrap_or_default();
        let shared = rest.get(..word(16) as usize).unwrap_or_default();
        Ok(Self { shared, records, count: word(8), schema })
    }

    /// The schema that it was written with.
    pub fn schema(&self) -> u16 {
        self.schema
    }

    /// Whether it was written with a schema newer than this reader's.
    pub fn is_newer(&self) -> bool {
        self.schema > SCHEMA
    }

    /// How many events it claims to have.
    pub fn count(&self) -> u32 {
        self.count
    }

    /// The events, in order; ends early at a record that makes no sense.
    pub fn events(&self) -> impl Iterator<Item = EventView<'a>> + use<'a> {
        let shared = self.shared;
        let mut rest = self.records;
        (0..self.count).map_while(move |_| {
            let length = u32::from_le_bytes(array(rest, 4)) as usize;
            let (record, others) = rest.split_at_checked(length)?;
            rest = others;
            (length >= 8).then(|| EventView::new(Structure::new(record, shared)))
        })
    }
}

/// What reads a structure.
pub trait View<'a> {
    #[doc(hidden)]
    fn new(structure: Structure<'a>) -> Self;
}

/// A fixed part and the data it refers to.
#[derive(Clone, Copy)]
pub struct Structure<'a> {
    /// From the structure's start to the end of its record, or of the shared part.
    bytes: &'a [u8],
    /// The fixed part: the beginning of `bytes`.
    fixed: &'a [u8],
    /// The shared part.
    shared: &'a [u8],
}

impl core::fmt::Debug for Structure<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Structure({} bytes)", self.fixed.len())
    }
}

/// The bytes at `at`, or zeros where there are none.
#[inline]
fn array<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    bytes.get(at..at + N).and_then(<[u8]>::first_chunk).copied().unwrap_or([0; N])
}

impl<'a> Structure<'a> {
    #[inline]
    fn new(bytes: &'a [u8], shared: &'a [u8]) -> Self {
        let size = u32::from_le_bytes(array(bytes, 0)) as usize;
        Self { bytes, fixed: bytes.get(..size).unwrap_or(bytes), shared }
    }

    #[inline]
    fn field<const N: usize>(&self, at: usize) -> [u8; N] {
        array(self.fixed, at)
    }

    #[inline]
    pub(crate) fn u8(&self, at: usize) -> u8 {
        let [byte] = self.field(at);
        byte
    }

    #[inline]
    pub(crate) fn u16(&self, at: usize) -> u16 {
        u16::from_le_bytes(self.field(at))
    }

    #[inline]
    pub(crate) fn u32(&self, at: usize) -> u32 {
        u32::from_le_bytes(self.field(at))
    }

    #[inline]
    pub(crate) fn u64(&self, at: usize) -> u64 {
        u64::from_le_bytes(self.field(at))
    }

    /// A reference: offset and length or count.
    #[inline]
    fn reference(&self, at: usize) -> (usize, usize) {
        let pair: [u8; 8] = self.field(at);
        (u32::from_le_bytes(array(&pair, 0)) as usize, u32::from_le_bytes(array(&pair, 4)) as usize)
    }

    #[inline]
    pub(crate) fn text(&self, at: usize) -> &'a str {
        let (offset, length) = self.reference(at);
        text(self.bytes, offset, length)
    }

    #[inline]
    pub(crate) fn texts(&self, at: usize) -> Texts<'a> {
        let (offset, count) = self.reference(at);
        Texts { bytes: self.bytes.get(offset..).unwrap_or_default(), at: 0, count }
    }

    #[inline]
    pub(crate) fn one<V: View<'a>>(&self, at: usize) -> Option<V> {
        let offset = self.u32(at) as usize;
        if offset == 0 {
            return None;
        }
        self.bytes.get(offset..).map(|bytes| V::new(Self::new(bytes, self.shared)))
    }

    #[inline]
    pub(crate) fn shared<V: View<'a>>(&self, at: usize) -> Option<V> {
        shared(self.shared, self.u32(at) as usize)
    }

    #[inline]
    pub(crate) fn shared_list<V: View<'a>>(&self, at: usize) -> SharedList<'a, V> {
        let (offset, count) = self.reference(at);
        let offsets = self.shared.get(offset..).unwrap_or_default();
        SharedList { offsets, count, shared: self.shared, view: PhantomData }
    }

    #[inline]
    pub(crate) fn list<V: View<'a>>(&self, at: usize) -> List<'a, V> {
        let (offset, count) = self.reference(at);
        let bytes = self.bytes.get(offset..).unwrap_or_default();
        List { bytes, count, shared: self.shared, view: PhantomData }
    }
}

#[inline]
fn shared<'a, V: View<'a>>(part: &'a [u8], offset: usize) -> Option<V> {
    if offset == 0 {
        return None;
    }
    part.get(offset..).map(|bytes| V::new(Structure::new(bytes, part)))
}

#[inline]
fn text(bytes: &[u8], offset: usize, length: usize) -> &str {
    let end = offset.saturating_add(length);
    let bytes = bytes.get(offset..end).unwrap_or_default();
    if is_ascii(bytes) {
        // SAFETY: bytes below 128 are UTF-8.
        #[allow(unsafe_code, reason = "the check that is left out takes longer than most rules")]
        return unsafe { core::str::from_utf8_unchecked(bytes) };
    }
    core::str::from_utf8(bytes).unwrap_or_default()
}

/// The bits that ASCII leaves clear, in each of eight bytes.
const HIGH_BITS: u64 = 0x8080_8080_8080_8080;

/// Like the standard library's, but quick for short texts that are not aligned, as those in a frame are.
#[inline]
fn is_ascii(bytes: &[u8]) -> bool {
    // The first and the last bytes overlap unless there are more of them.
    let ends = if let (Some(first), Some(last)) = (bytes.first_chunk(), bytes.last_chunk()) {
        u64::from_le_bytes(*first) | u64::from_le_bytes(*last)
    } else if let (Some(first), Some(last)) = (bytes.first_chunk(), bytes.last_chunk()) {
        u64::from(u32::from_le_bytes(*first) | u32::from_le_bytes(*last))
    } else {
        bytes.iter().fold(0, |bits, byte| bits | u64::from(*byte))
    };
    ends & HIGH_BITS == 0 && (bytes.len() <= 16 || is_ascii_between(bytes))
}

/// Whether what lies between the first and the last eight bytes is ASCII.
fn is_ascii_between(bytes: &[u8]) -> bool {
    let (words, _) = bytes.as_chunks::<8>();
    words.iter().fold(0, |bits, word| bits | u64::from_le_bytes(*word)) & HIGH_BITS == 0
}

/// A list of strings.
#[derive(Debug, Clone, Copy)]
pub struct Texts<'a> {
    bytes: &'a [u8],
    at: usize,
    count: usize,
}

impl<'a> Iterator for Texts<'a> {
    type Item = &'a str;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        self.count = self.count.checked_sub(1)?;
        let pair: [u8; 8] = *self.bytes.get(self.at..)?.first_chunk()?;
        self.at += 8;
        let offset = u32::from_le_bytes(array(&pair, 0)) as usize;
        Some(text(self.bytes, offset, u32::from_le_bytes(array(&pair, 4)) as usize))
    }
}

/// A list of structures.
#[derive(Debug, Clone, Copy)]
pub struct List<'a, V> {
    bytes: &'a [u8],
    count: usize,
    shared: &'a [u8],
    view: PhantomData<V>,
}

impl<'a, V: View<'a>> Iterator for List<'a, V> {
    type Item = V;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        self.count = self.count.checked_sub(1)?;
        let structure = Structure::new(self.bytes, self.shared);
        // A size of zero would repeat the same bytes for ever.
        if structure.fixed.len() < 4 {
            return None;
        }
        self.bytes = self.bytes.get(structure.fixed.len()..).unwrap_or_default();
        Some(V::new(structure))
    }
}

/// A list of structures in the shared part.
#[derive(Debug, Clone, Copy)]
pub struct SharedList<'a, V> {
    offsets: &'a [u8],
    count: usize,
    shared: &'a [u8],
    view: PhantomData<V>,
}

impl<'a, V: View<'a>> Iterator for SharedList<'a, V> {
    type Item = V;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        self.count = self.count.checked_sub(1)?;
        let (offset, rest) = self.offsets.split_first_chunk()?;
        self.offsets = rest;
        shared(self.shared, u32::from_le_bytes(*offset) as usize)
    }
}
