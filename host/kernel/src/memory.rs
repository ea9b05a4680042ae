//! What a hook's programs and maps take of the kernel's memory.
//!
//! Asked of their descriptors while these are open: to open them again by their ids would take `CAP_SYS_ADMIN`.

use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd};
use std::path::Path;

use aya::Ebpf;
use aya::maps::{Map, MapData};

use crate::KernelError;

/// Bytes of the kernel's memory that a hook has.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    bytes: u64,
}

impl Memory {
    /// That of the maps of an instance that has just been loaded, but for those that are pinned: all hooks share them.
    pub(crate) fn of_maps(ebpf: &Ebpf, pins: &Path) -> Result<Self, KernelError> {
        let own = ebpf.maps().filter(|(name, _)| !pins.join(name).exists());
        let bytes = own.filter_map(|(_, map)| Some(locked(data(map)?.fd().as_fd())));
        Ok(Self { bytes: bytes.sum::<Result<_, _>>()? })
    }

    /// Adds a program that has been loaded.
    pub(crate) fn add(&mut self, program: BorrowedFd<'_>) -> Result<(), KernelError> {
        self.bytes += locked(program)?;
        Ok(())
    }

    /// All of it.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }
}

/// Of the kinds of maps that hooks have for themselves or share.
pub(crate) fn data(map: &Map) -> Option<&MapData> {
    match map {
        Map::Array(data)
        | Map::HashMap(data)
        | Map::LruHashMap(data)
        | Map::PerCpuArray(data)
        | Map::PerCpuHashMap(data)
        | Map::ProgramArray(data)
        | Map::RingBuf(data) => Some(data),
        _ => None,
    }
}

/// `memlock` of a program or map: <https://elixir.bootlin.com/linux/v6.12/source/kernel/bpf/syscall.c#L930>
fn locked(descriptor: BorrowedFd<'_>) -> Result<u64, KernelError> {
    let path = format!("/proc/self/fdinfo/{}", descriptor.as_raw_fd());
    let info =
        std::fs::read_to_string(&path).map_err(|source| KernelError::Bpffs { path: path.into(), source })?;
    let line = info.lines().find_map(|line| line.strip_prefix("memlock:"));
    Ok(line.and_then(|bytes| bytes.trim().parse().ok()).unwrap_or(0))
}
