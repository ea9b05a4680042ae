//! Files of the host. A plugin that calls this needs `grants: { file: [PATH, …] }`, with the exact path of each.

#[cfg(target_arch = "wasm32")]
use crate::bindings::serin::plugin::file as host;

#[cfg(not(target_arch = "wasm32"))]
use self::native as host;

/// Why nothing was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The path is not one of those that are granted, byte by byte.
    NotGranted,
    /// There is nothing at the path.
    Missing,
    /// What is there is no regular file, or a part of the path is a symbolic link.
    NotRegular,
    /// It has more than 1 MiB.
    TooLarge,
    /// It can't be read.
    Unreadable,
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::NotGranted => "is not granted: write its exact path below `grants: { file: […] }`",
            Self::Missing => "is not there",
            Self::NotRegular => "is no regular file, or behind a symbolic link: write the real path",
            Self::TooLarge => "has more than 1 MiB",
            Self::Unreadable => "can't be read",
        })
    }
}

/// All of a file. The events wait for it, so read in `new` and `on_tick`, not for every event.
///
/// # Errors
/// Why it was not read.
pub fn read(path: &str) -> Result<Vec<u8>, Refusal> {
    host::read(path).map_err(|refusal| match refusal {
        host::Refusal::NotGranted => Refusal::NotGranted,
        host::Refusal::Missing => Refusal::Missing,
        host::Refusal::NotRegular => Refusal::NotRegular,
        host::Refusal::TooLarge => Refusal::TooLarge,
        host::Refusal::Unreadable => Refusal::Unreadable,
    })
}

/// Stands in for the agent in a plugin's own unit tests: every regular file is granted.
#[cfg(not(target_arch = "wasm32"))]
mod native {
    use std::io::ErrorKind;

    /// As in the bindings.
    #[derive(Debug)]
    #[allow(dead_code, reason = "the bindings have them all")]
    pub(super) enum Refusal {
        NotGranted,
        Missing,
        NotRegular,
        TooLarge,
        Unreadable,
    }

    pub(super) fn read(path: &str) -> Result<Vec<u8>, Refusal> {
        match std::fs::symlink_metadata(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Err(Refusal::Missing),
            Ok(metadata) if !metadata.is_file() => return Err(Refusal::NotRegular),
            Ok(metadata) if metadata.len() > 1 << 20 => return Err(Refusal::TooLarge),
            _ => {}
        }
        std::fs::read(path).map_err(|_| Refusal::Unreadable)
    }
}
