//! Writing: a structure is laid down first, its data after it.

use alloc::vec::Vec;
use core::marker::PhantomData;
use core::ops::Range;

use crate::schema::{
    AlertWriter, EventView, EventWriter, HookWriter, KprobeWriter, NodeWriter, ProcessWriter,
};
use crate::{HEADER_SIZE, MAGIC, SCHEMA};

/// Writes shared structures and records, and makes frames of them.
///
/// What is written is kept until [`clear`](Self::clear), so that one encoding serves several frames.
#[derive(Debug, Default)]
pub struct FrameWriter {
    shared: Vec<u8>,
    records: Vec<u8>,
}

/// Where a record lies in its [`FrameWriter`].
pub type RecordRange = Range<usize>;

/// A structure in the shared part, or a list of them.
#[derive(Debug)]
pub struct Shared<V: ?Sized> {
    offset: u32,
    count: u32,
    view: PhantomData<V>,
}

impl<V: ?Sized> Clone for Shared<V> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<V: ?Sized> Copy for Shared<V> {}

impl<V: ?Sized> Default for Shared<V> {
    /// None.
    fn default() -> Self {
        Self { offset: 0, count: 0, view: PhantomData }
    }
}

impl<V: ?Sized> Shared<V> {
    pub(crate) fn offset(self) -> u32 {
        self.offset
    }

    pub(crate) fn count(self) -> u32 {
        self.count
    }
}

/// What fills a structure.
pub trait Writer<'w> {
    /// What reads it.
    type View;

    #[doc(hidden)]
    fn begin(bytes: &'w mut Vec<u8>) -> Self;
}

impl FrameWriter {
    /// Forgets everything; keeps the memory.
    pub fn clear(&mut self) {
        self.shared.clear();
        self.records.clear();
    }

    /// Size of the shared part in bytes.
    pub fn shared_size(&self) -> usize {
        self.shared.len()
    }

    /// Begins a structure in the shared part; `W` is its writer.
    pub fn share<'w, W: Writer<'w>>(&'w mut self) -> (Shared<W::View>, W) {
        share(&mut self.shared)
    }

    /// Makes a list of structures in the shared part.
    pub fn share_list<V>(&mut self, items: &[Shared<V>]) -> Shared<[V]> {
        share_list(&mut self.shared, items)
    }

    /// Writes a record and tells where it lies.
    pub fn record(&mut self, write: impl FnOnce(&mut RecordWriter<'_>)) -> RecordRange {
        let start = begin::<{ EventView::SIZE }>(&mut self.records);
        let event = EventWriter { bytes: &mut self.records, start };
        write(&mut RecordWriter { event, shared: &mut self.shared });
        align(&mut self.records);
        let length = word(self.records.len() - start);
        put(&mut self.records, start + 4, &length.to_le_bytes());
        start..self.records.len()
    }

    /// Overwrites fields of a record: integers and what refers to the shared part. The record stays where it is.
    pub fn amend(&mut self, record: RecordRange, write: impl FnOnce(&mut EventWriter<'_>)) {
        write(&mut EventWriter { bytes: &mut self.records, start: record.start });
    }

    /// Makes `frame` a frame of these records.
    pub fn frame(&self, records: impl IntoIterator<Item = RecordRange>, frame: &mut Vec<u8>) {
        frame.clear();
        frame.resize(HEADER_SIZE, 0);
        let mut count = 0u32;
        for record in records {
            frame.extend_from_slice(self.records.get(record).unwrap_or_default());
            count += 1;
        }
        let length = word(frame.len() - HEADER_SIZE);
        put(frame, 0, &MAGIC.to_le_bytes());
        put(frame, 4, &SCHEMA.to_le_bytes());
        put(frame, 6, &(HEADER_SIZE as u16).to_le_bytes());
        put(frame, 8, &count.to_le_bytes());
        put(frame, 12, &length.to_le_bytes());
        self.extend(frame, 0);
    }

    /// Adds to a frame that this writer made when its shared part had `size` bytes what was shared since.
    pub fn extend(&self, frame: &mut Vec<u8>, size: usize) {
        frame.extend_from_slice(self.shared.get(size..).unwrap_or_default());
        put(frame, 16, &word(self.shared.len()).to_le_bytes());
    }

    /// Copies a record over itself in a frame that this writer made: `at` is the bytes of the records before it.
    pub fn replace(&self, frame: &mut [u8], at: usize, record: RecordRange) {
        put(frame, HEADER_SIZE + at, self.records.get(record).unwrap_or_default());
    }
}

/// Fills a record: the fields of its event, and structures that it shares with others.
#[derive(Debug)]
pub struct RecordWriter<'w> {
    event: EventWriter<'w>,
    shared: &'w mut Vec<u8>,
}

impl<'w> core::ops::Deref for RecordWriter<'w> {
    type Target = EventWriter<'w>;

    fn deref(&self) -> &EventWriter<'w> {
        &self.event
    }
}

impl core::ops::DerefMut for RecordWriter<'_> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.event
    }
}

impl RecordWriter<'_> {
    /// Names the host.
    pub fn new_node(&mut self, name: &str) -> &mut Self {
        let (node, mut writer) = share::<NodeWriter<'_>>(self.shared);
        writer.name(name);
        self.event.node(node);
        self
    }

    /// Gives the event a process of its own.
    pub fn new_process(&mut self) -> ProcessWriter<'_> {
        let (process, writer) = share::<ProcessWriter<'_>>(self.shared);
        self.event.process(process);
        writer
    }

    /// Gives the event a parent process of its own.
    pub fn new_parent(&mut self) -> ProcessWriter<'_> {
        let (parent, writer) = share::<ProcessWriter<'_>>(self.shared);
        self.event.parent(parent);
        writer
    }

    /// Raises an alert on the event, as an earlier plugin would have; `severity` is 0 for info to 4 for critical.
    pub fn new_alert(&mut self, severity: u8, title: &str) -> &mut Self {
        let (alert, mut writer) = share::<AlertWriter<'_>>(self.shared);
        writer.severity_code(severity).title(title);
        let alerts = share_list(self.shared, &[alert]);
        self.event.alerts(alerts);
        self
    }

    /// Makes the event an alert, as an earlier plugin would have raised it, with this key.
    pub fn new_finding(&mut self, title: &str, key: &str) -> AlertWriter<'_> {
        let (alert, mut writer) = share::<AlertWriter<'_>>(self.shared);
        writer.title(title).key(key);
        self.event.alert(alert).kind_code(crate::Kind::Alert.code());
        writer
    }

    /// Makes the event one of a hook of this policy.
    pub fn new_kprobe(&mut self, policy_name: &str) -> KprobeWriter<'_> {
        let (hook, mut writer) = share::<HookWriter<'_>>(self.shared);
        writer.policy_name(policy_name);
        let mut kprobe = self.event.kprobe();
        kprobe.hook(hook);
        kprobe
    }
}

fn share_list<V>(bytes: &mut Vec<u8>, items: &[Shared<V>]) -> Shared<[V]> {
    if items.is_empty() {
        return Shared::default();
    }
    align(bytes);
    let offset = word(bytes.len());
    for item in items {
        bytes.extend_from_slice(&item.offset.to_le_bytes());
    }
    Shared { offset, count: word(items.len()), view: PhantomData }
}

/// The shared part begins with 8 bytes of nothing, because offset 0 means none.
fn share<'w, W: Writer<'w>>(bytes: &'w mut Vec<u8>) -> (Shared<W::View>, W) {
    align(bytes);
    if bytes.is_empty() {
        bytes.resize(8, 0);
    }
    (Shared { offset: word(bytes.len()), count: 0, view: PhantomData }, W::begin(bytes))
}

/// A length or offset; a value that does not fit is one that readers reject.
fn word(value: usize) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

#[inline]
fn align(bytes: &mut Vec<u8>) {
    let aligned = bytes.len().next_multiple_of(8);
    // Of a known length, and so without a call; the surplus goes again.
    bytes.extend_from_slice(&[0; 8]);
    bytes.truncate(aligned);
}

#[inline]
pub(crate) fn put(bytes: &mut [u8], at: usize, value: &[u8]) {
    if let Some(place) = bytes.get_mut(at..at + value.len()) {
        place.copy_from_slice(value);
    }
}

#[inline]
fn put_reference(bytes: &mut [u8], at: usize, offset: usize, count: usize) {
    let pair = u64::from(word(offset)) | u64::from(word(count)) << 32;
    put(bytes, at, &pair.to_le_bytes());
}

#[inline]
pub(crate) fn begin<const SIZE: usize>(bytes: &mut Vec<u8>) -> usize {
    align(bytes);
    let start = bytes.len();
    bytes.extend_from_slice(&[0; SIZE]);
    put(bytes, start, &word(SIZE).to_le_bytes());
    start
}

#[inline]
pub(crate) fn put_text(bytes: &mut Vec<u8>, start: usize, offset: usize, value: &str) {
    let at = bytes.len();
    put_reference(bytes, start + offset, at - start, value.len());
    if !value.is_empty() {
        bytes.extend_from_slice(value.as_bytes());
    }
}

#[inline]
pub(crate) fn put_texts<T: AsRef<str>>(bytes: &mut Vec<u8>, start: usize, offset: usize, values: &[T]) {
    align(bytes);
    let first = bytes.len();
    put_reference(bytes, start + offset, first - start, values.len());
    bytes.resize(first + 8 * values.len(), 0);
    for (i, value) in values.iter().enumerate() {
        put_text(bytes, first, 8 * i, value.as_ref());
    }
}

#[inline]
pub(crate) fn put_one<const SIZE: usize>(bytes: &mut Vec<u8>, start: usize, offset: usize) -> usize {
    let at = begin::<SIZE>(bytes);
    put(bytes, start + offset, &word(at - start).to_le_bytes());
    at
}

#[inline]
pub(crate) fn put_list<const SIZE: usize>(
    bytes: &mut Vec<u8>,
    start: usize,
    offset: usize,
    count: usize,
) -> usize {
    align(bytes);
    let first = bytes.len();
    put_reference(bytes, start + offset, first - start, count);
    for _ in 0..count {
        begin::<SIZE>(bytes);
    }
    first
}
