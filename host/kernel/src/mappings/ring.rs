//! One perf event and the buffer that the kernel writes its records to.
//!
//! <https://man7.org/linux/man-pages/man2/perf_event_open.2.html>,
//! <https://elixir.bootlin.com/linux/v6.12/source/include/uapi/linux/perf_event.h>
#![allow(unsafe_code, reason = "nothing that serin depends on reads perf events")]

use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};
use serin_event::record::Mapping;

use crate::perf_event::{self, Attributes};

/// What a record says that is of use.
#[derive(Debug)]
pub(crate) enum Item {
    /// A process has begun to execute another program.
    Exec {
        /// Its id.
        pid: u32,
        /// Nanoseconds of `CLOCK_BOOTTIME`.
        time: u64,
    },
    /// A file was mapped.
    Mapping(Mapping),
}

impl Item {
    pub(crate) fn time(&self) -> u64 {
        match self {
            Item::Exec { time, .. } => *time,
            Item::Mapping(mapping) => mapping.time,
        }
    }
}

/// Bytes of the buffer: some thousand mapped files. Within what the kernel allows a user without `CAP_IPC_LOCK`
/// (`perf_event_mlock_kb`).
const SIZE: usize = 256 << 10;

/// `PERF_TYPE_SOFTWARE`
const SOFTWARE: u32 = 1;
/// `PERF_COUNT_SW_DUMMY`: counts nothing.
const DUMMY: u64 = 9;
/// `PERF_SAMPLE_TIME`
const SAMPLE_TIME: u64 = 1 << 2;
/// `PERF_FORMAT_LOST` (Linux 6.0)
const FORMAT_LOST: u64 = 1 << 4;
/// `mmap`, `comm`, `sample_id_all`, `mmap2`, `comm_exec`, `use_clockid`, `build_id`
const FLAGS: u64 = 1 << 8 | 1 << 9 | 1 << 18 | 1 << 23 | 1 << 24 | 1 << 25 | 1 << 34;
/// `PERF_EVENT_IOC_DISABLE`
const DISABLE: libc::c_ulong = 0x2401;

/// Where `data_head` and `data_tail` are in `struct perf_event_mmap_page`.
const HEAD: usize = 1024;
const TAIL: usize = 1032;

/// An open event of one CPU.
#[derive(Debug)]
pub(crate) struct PerfRing {
    cpu: u16,
    event: File,
    buffer: Buffer,
    /// Records that were lost by this event, as far as known.
    lost: u64,
    /// What this CPU had lost before.
    lost_before: u64,
    counts_lost: bool,
}

impl PerfRing {
    /// Opens the event of a CPU, which has lost so many records before.
    pub(crate) fn open(cpu: u32, lost_before: u64) -> io::Result<Self> {
        // What was lost with nothing behind it shows only where the kernel can be asked for it.
        let (event, counts_lost) = match open_event(cpu, FORMAT_LOST) {
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) => (open_event(cpu, 0)?, false),
            opened => (opened?, true),
        };
        let buffer = Buffer::map(&event)?;
        Ok(Self { cpu: cpu as u16, event: event.into(), buffer, lost: 0, lost_before, counts_lost })
    }

    pub(crate) fn cpu(&self) -> u16 {
        self.cpu
    }

    /// Records that were lost on this CPU, as far as known.
    pub(crate) fn lost(&self) -> u64 {
        self.lost_before + self.lost
    }

    /// Has the kernel write nothing more.
    pub(crate) fn disable(&self) {
        // SAFETY: it takes a descriptor that is open, and a number.
        let disabled = unsafe { libc::ioctl(self.event.as_raw_fd(), DISABLE, 0) };
        if disabled != 0 {
            tracing::warn!("a perf event cannot be stopped: {}", io::Error::last_os_error());
        }
    }

    /// Asks the kernel what it has lost.
    pub(crate) fn count_lost(&mut self) {
        let mut value = [0; 16];
        if self.counts_lost && self.event.read_exact(&mut value).is_ok() {
            self.lost = self.lost.max(u64_at(&value, 8).unwrap_or_default());
        }
    }

    /// Appends all records that are there.
    pub(crate) fn read(&mut self, items: &mut Vec<Item>) {
        let bytes = self.buffer.take();
        let mut rest = bytes.as_slice();
        while let Some(size) = u16_at(rest, 6).map(usize::from).filter(|size| (8..=rest.len()).contains(size))
        {
            let (record, others) = rest.split_at(size);
            match decode(record, self.cpu) {
                Some(Decoded::Item(item)) => items.push(item),
                Some(Decoded::Lost(count)) => self.lost_in_records(count),
                None => {}
            }
            rest = others;
        }
    }

    fn lost_in_records(&mut self, count: u64) {
        self.buffer.lost += count;
        self.lost = self.lost.max(self.buffer.lost);
    }
}

fn open_event(cpu: u32, read_format: u64) -> io::Result<OwnedFd> {
    let attributes = Attributes {
        kind: SOFTWARE,
        config: DUMMY,
        sample_type: SAMPLE_TIME,
        read_format,
        flags: FLAGS,
        clock: libc::CLOCK_BOOTTIME,
        ..Attributes::default()
    };
    // SAFETY: the attributes of this kind of event hold no addresses.
    unsafe { perf_event::open(attributes, cpu) }
}

/// The memory that the kernel writes to: a page that says how far, and the records.
#[derive(Debug)]
struct Buffer {
    start: NonNull<u8>,
    length: usize,
    page: usize,
    /// What records said was lost.
    lost: u64,
}

// SAFETY: the memory is the buffer's own, and nothing but its methods looks at it.
unsafe impl Send for Buffer {}

impl Buffer {
    fn map(event: &OwnedFd) -> io::Result<Self> {
        let page = rustix::param::page_size();
        let length = page + SIZE;
        let (access, flags) = (ProtFlags::READ | ProtFlags::WRITE, MapFlags::SHARED);
        // SAFETY: at an address of the kernel's choice, where nothing else is.
        let start = unsafe { mmap(std::ptr::null_mut(), length, access, flags, event.as_fd(), 0) }?;
        let start = NonNull::new(start.cast()).ok_or_else(|| io::Error::other("mapped at 0"))?;
        Ok(Self { start, length, page, lost: 0 })
    }

    /// Copies what is there, and makes room for more.
    fn take(&mut self) -> Vec<u8> {
        let head = self.position(HEAD).load(Ordering::Acquire);
        let tail = self.position(TAIL).load(Ordering::Relaxed);
        let length = usize::try_from(head.wrapping_sub(tail)).unwrap_or(0).min(SIZE);
        let from = tail as usize % SIZE;
        let first = length.min(SIZE - from);
        let mut bytes = vec![0; length];
        // SAFETY: both parts lie within the SIZE bytes behind the first page, `bytes` has room for them, and the kernel
        // writes nothing between tail and head.
        unsafe {
            let data = self.start.as_ptr().add(self.page);
            data.add(from).copy_to_nonoverlapping(bytes.as_mut_ptr(), first);
            data.copy_to_nonoverlapping(bytes.as_mut_ptr().add(first), length - first);
        }
        self.position(TAIL).store(head, Ordering::Release);
        bytes
    }

    fn position(&self, offset: usize) -> &AtomicU64 {
        // SAFETY: within the first page, aligned, and written atomically by both sides.
        unsafe { AtomicU64::from_ptr(self.start.as_ptr().add(offset).cast()) }
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        // SAFETY: it was mapped with this length, and nothing refers to it any more.
        if let Err(error) = unsafe { munmap(self.start.as_ptr().cast(), self.length) } {
            tracing::warn!("a perf event's buffer cannot be unmapped: {error}");
        }
    }
}

#[derive(Debug)]
enum Decoded {
    Item(Item),
    Lost(u64),
}

/// What a record says; `None` if that is of no use.
fn decode(record: &[u8], cpu: u16) -> Option<Decoded> {
    /// `PERF_RECORD_LOST`, `PERF_RECORD_COMM`, `PERF_RECORD_MMAP2`
    const LOST: u32 = 2;
    const COMM: u32 = 3;
    const MMAP2: u32 = 10;
    /// `PERF_RECORD_MISC_COMM_EXEC`
    const COMM_EXEC: u16 = 1 << 13;
    let (kind, misc) = (u32_at(record, 0)?, u16_at(record, 4)?);
    let time = u64_at(record, record.len().checked_sub(8)?)?;
    match kind {
        LOST => Some(Decoded::Lost(u64_at(record, 16)?)),
        COMM if misc & COMM_EXEC != 0 => Some(Decoded::Item(Item::Exec { pid: u32_at(record, 8)?, time })),
        MMAP2 => mapping(record, misc, cpu, time).map(Item::Mapping).map(Decoded::Item),
        _ => None,
    }
}

/// A file of a `PERF_RECORD_MMAP2`; `None` for memory that is of no file.
fn mapping(record: &[u8], misc: u16, cpu: u16, time: u64) -> Option<Mapping> {
    /// `PERF_RECORD_MISC_MMAP_BUILD_ID`
    const BUILD_ID: u16 = 1 << 14;
    /// Where the build ID is, or in its place device, inode and generation; and the path.
    const FILE: usize = 40;
    const PATH: usize = 72;
    let build_id = if misc & BUILD_ID != 0 {
        let size = usize::from(*record.get(FILE)?).min(20);
        record.get(FILE + 4..FILE + 4 + size)?.to_vec()
    } else {
        // Without device and inode it is no file: `[vdso]`, `//anon`.
        let is_file = record.get(FILE..FILE + 16)?.iter().any(|byte| *byte != 0);
        is_file.then(Vec::new)?
    };
    let path = record.get(PATH..record.len().checked_sub(8)?)?;
    let path = path.split(|byte| *byte == 0).next()?;
    Some(Mapping {
        cpu,
        time,
        pid: u32_at(record, 8)?,
        tid: u32_at(record, 12)?,
        path: String::from_utf8_lossy(path).into_owned(),
        build_id,
    })
}

fn u16_at(bytes: &[u8], offset: usize) -> Option<u16> {
    Some(u16::from_le_bytes(*bytes.get(offset..)?.first_chunk()?))
}

fn u32_at(bytes: &[u8], offset: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(offset..)?.first_chunk()?))
}

fn u64_at(bytes: &[u8], offset: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*bytes.get(offset..)?.first_chunk()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A record with its header, and its time 77 at the end.
    fn record(kind: u32, misc: u16, body: &[&[u8]]) -> Vec<u8> {
        let body = body.concat();
        let mut record = Vec::new();
        record.extend(kind.to_le_bytes());
        record.extend(misc.to_le_bytes());
        record.extend((body.len() as u16 + 16).to_le_bytes());
        record.extend(body);
        record.extend(77_u64.to_le_bytes());
        record
    }

    fn mapped(misc: u16, file: &[u8; 24], path: &[u8]) -> Option<Mapping> {
        let ids = [7_u32.to_le_bytes(), 9_u32.to_le_bytes()].concat();
        let record = record(10, misc, &[&ids, &[0; 24], file, &[0; 8], path]);
        match decode(&record, 3)? {
            Decoded::Item(Item::Mapping(mapping)) => Some(mapping),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn mapped_files_are_told_with_their_build_ids() {
        let mut file = [0; 24];
        file[0] = 4;
        file[4..8].copy_from_slice(&[1, 2, 3, 4]);
        let expected = Mapping {
            cpu: 3,
            time: 77,
            pid: 7,
            tid: 9,
            path: "/usr/lib/a".into(),
            build_id: vec![1, 2, 3, 4],
        };
        assert_eq!(mapped(1 << 14, &file, b"/usr/lib/a\0\0\0\0\0\0"), Some(expected.clone()));
        let without = Mapping { build_id: Vec::new(), ..expected };
        assert_eq!(mapped(0, &file, b"/usr/lib/a\0\0\0\0\0\0"), Some(without));
        assert_eq!(mapped(0, &[0; 24], b"[vdso]\0\0"), None);
    }

    #[test]
    fn starts_of_execs_and_losses_are_told() {
        let ids = [7_u32.to_le_bytes(), 9_u32.to_le_bytes()].concat();
        let comm = |misc| decode(&record(3, misc, &[&ids, b"ls\0\0\0\0\0\0"]), 0);
        assert!(matches!(comm(1 << 13), Some(Decoded::Item(Item::Exec { pid: 7, time: 77 }))));
        assert!(comm(0).is_none());
        let lost = record(2, 0, &[&1_u64.to_le_bytes(), &5_u64.to_le_bytes()]);
        assert!(matches!(decode(&lost, 0), Some(Decoded::Lost(5))));
    }

    #[test]
    fn what_is_cut_short_is_nothing() {
        let whole = record(10, 1 << 14, &[&[0; 64], b"/a\0\0\0\0\0\0"]);
        for length in 0..80 {
            assert!(decode(&whole[..length], 0).is_none(), "{length}");
        }
    }
}
