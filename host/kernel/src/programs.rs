//! The objects, and a loader for their instances.

use std::path::Path;

use aya::maps::{Map, MapError};
use aya::programs::{Program, ProgramError};
use aya::{Btf, Ebpf, EbpfLoader, include_bytes_aligned};
use serin_abi::Offsets;

use crate::wire::Wire;
use crate::{Backend, KernelError};

static BASE: &[u8] = include_bytes_aligned!(env!("SERIN_BASE_OBJECT"));
static DENY: &[u8] = include_bytes_aligned!(env!("SERIN_DENY_OBJECT"));
static FENTRY: &[u8] = include_bytes_aligned!(env!("SERIN_FENTRY_OBJECT"));
static KPROBE: &[u8] = include_bytes_aligned!(env!("SERIN_KPROBE_OBJECT"));
static LSM: &[u8] = include_bytes_aligned!(env!("SERIN_LSM_OBJECT"));
static SYS_ENTER: &[u8] = include_bytes_aligned!(env!("SERIN_SYS_ENTER_OBJECT"));
static UPROBE: &[u8] = include_bytes_aligned!(env!("SERIN_UPROBE_OBJECT"));
static TRACEPOINT: &[u8] = include_bytes_aligned!(env!("SERIN_TRACEPOINT_OBJECT"));
static RAW_TRACEPOINT: &[u8] = include_bytes_aligned!(env!("SERIN_RAW_TRACEPOINT_OBJECT"));

/// One of the objects that the kernel programs are built into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Object {
    /// Exec, fork, exit and the dispatcher.
    Base,
    /// Refusing by LSM.
    Deny,
    /// A policy's hook that is attached in this way, and what may run when the function returns.
    Hook(Backend),
}

impl Object {
    pub(crate) fn bytes(self) -> &'static [u8] {
        match self {
            Object::Base => BASE,
            Object::Deny => DENY,
            Object::Hook(backend) => match backend {
                Backend::Fentry | Backend::Fexit => FENTRY,
                Backend::Kprobe | Backend::Kretprobe | Backend::KprobeMulti | Backend::KretprobeMulti => {
                    KPROBE
                }
                Backend::Lsm | Backend::LsmHash => LSM,
                Backend::SysEnter | Backend::SysExit => SYS_ENTER,
                Backend::Uprobe | Backend::UprobeFaultIn | Backend::Uretprobe => UPROBE,
                Backend::Tracepoint => TRACEPOINT,
                Backend::RawTracepoint => RAW_TRACEPOINT,
                Backend::PerfEvent => &[],
            },
        }
    }
}

/// Loads instances of the objects into one pin directory.
///
/// Making one reads and parses the kernel's BTF; loading an instance does not.
pub(crate) struct Loader<'a>(EbpfLoader<'a>);

/// Sizes of the shared maps. All objects must be given the same.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sizes {
    /// Bytes of the ring buffer: a power of two, and a multiple of the page size.
    pub(crate) ring: u32,
    /// Entries of the table of processes.
    pub(crate) processes: u32,
    /// Values of filters on binaries.
    pub(crate) binary_patterns: u32,
    /// Descriptors that can be followed at once.
    pub(crate) followed: u32,
    /// Sockets that can be tracked at once.
    pub(crate) sockets: u32,
    /// Processes of which it is known what they came from.
    pub(crate) origins: u32,
}

impl<'a> Loader<'a> {
    pub(crate) fn new(btf: &'a Btf, pins: &Path, sizes: Sizes, offsets: &'a Wire<Offsets>) -> Self {
        let mut loader = EbpfLoader::new();
        loader
            .btf(Some(btf))
            .default_map_pin_directory(pins)
            .map_max_entries("EVENTS", sizes.ring)
            .map_max_entries("PROCESSES", sizes.processes)
            .map_max_entries("BINARY_PATTERNS", sizes.binary_patterns.max(1))
            .map_max_entries("FOLLOWED", sizes.followed.max(1))
            .map_max_entries("SOCKETS", sizes.sockets.max(1))
            .map_max_entries("ORIGINS", sizes.origins.max(1))
            .override_global("OFFSETS", offsets, false);
        Loader(loader)
    }

    /// Sets a global of the next instances that have it.
    pub(crate) fn global<T: aya::Pod>(&mut self, name: &'a str, value: &'a T) -> &mut Self {
        self.0.override_global(name, value, false);
        self
    }

    /// Sets a map's size in the next instance; at least 1, which the kernel asks for.
    pub(crate) fn entries(&mut self, map: &'a str, entries: usize) -> &mut Self {
        self.0.map_max_entries(map, u32::try_from(entries.max(1)).unwrap_or(u32::MAX));
        self
    }

    /// Creates the maps of an instance; its programs are loaded one by one later.
    pub(crate) fn load(&mut self, object: Object) -> Result<Ebpf, KernelError> {
        self.0.load(object.bytes()).map_err(|error| KernelError::Object(Box::new(error)))
    }
}

/// A program of an instance, as the type that aya has for it.
pub(crate) fn program<'e, P>(ebpf: &'e mut Ebpf, name: &'static str) -> Result<&'e mut P, KernelError>
where
    &'e mut P: TryFrom<&'e mut Program, Error = ProgramError>,
{
    let program = ebpf.program_mut(name).ok_or(KernelError::Missing(name))?;
    program.try_into().map_err(|error| program_error(name, error))
}

/// A map of an instance.
pub(crate) fn map<'e, M>(ebpf: &'e mut Ebpf, name: &'static str) -> Result<M, KernelError>
where
    M: TryFrom<&'e mut Map, Error = MapError>,
{
    let map = ebpf.map_mut(name).ok_or(KernelError::Missing(name))?;
    map.try_into().map_err(|error| map_error(name, error))
}

/// A map of an instance, taken out of it: only for maps that are pinned, or no program is loaded after.
pub(crate) fn take_map<M>(ebpf: &mut Ebpf, name: &'static str) -> Result<M, KernelError>
where
    M: TryFrom<Map, Error = MapError>,
{
    let map = ebpf.take_map(name).ok_or(KernelError::Missing(name))?;
    map.try_into().map_err(|error| map_error(name, error))
}

pub(crate) fn program_error(program: &'static str, error: ProgramError) -> KernelError {
    KernelError::Program { program, source: Box::new(error) }
}

pub(crate) fn map_error(map: &'static str, error: MapError) -> KernelError {
    KernelError::Map { map, source: Box::new(error) }
}
