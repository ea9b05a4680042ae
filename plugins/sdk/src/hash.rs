//! Digests of programs. A plugin that calls this needs `grants: { hash: {} }`.

#[cfg(target_arch = "wasm32")]
use crate::bindings::serin::plugin::hash as host;

#[cfg(not(target_arch = "wasm32"))]
use self::native as host;

/// A program's digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Digest {
    /// SHA-256, in hexadecimal.
    pub sha256: String,
    /// The process was still there, so that this is the very file that it runs, also in a container. If not, it is
    /// what the host has at the path now.
    pub of_process: bool,
}

/// Why there is no digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    /// It is being made: ask again at the next event.
    Pending,
    /// The process has ended, and there is no file at the path on the host.
    Gone,
    /// What is there is no regular file.
    NotRegular,
    /// It is larger than is granted.
    TooLarge,
    /// It can't be read.
    Unreadable,
}

/// The digest of the program that a process runs, whose path is `path`. How long a call may wait for it is granted.
///
/// # Errors
/// Why there is none.
pub fn program(pid: u32, path: &str) -> Result<Digest, Missing> {
    match host::program(pid, path) {
        host::Answer::Known(host::Digest { sha256, of_process }) => Ok(Digest { sha256, of_process }),
        host::Answer::Pending => Err(Missing::Pending),
        host::Answer::Refused(host::Refusal::Missing) => Err(Missing::Gone),
        host::Answer::Refused(host::Refusal::NotRegular) => Err(Missing::NotRegular),
        host::Answer::Refused(host::Refusal::TooLarge) => Err(Missing::TooLarge),
        host::Answer::Refused(host::Refusal::Unreadable) => Err(Missing::Unreadable),
    }
}

#[cfg(not(target_arch = "wasm32"))]
pub(crate) use self::native::set;

/// Stands in for the agent in a plugin's own unit tests: answers what a test has said.
#[cfg(not(target_arch = "wasm32"))]
mod native {
    use std::cell::RefCell;
    use std::collections::HashMap;

    use super::Missing;

    /// As in the bindings.
    #[derive(Debug)]
    pub(super) struct Digest {
        pub(super) sha256: String,
        pub(super) of_process: bool,
    }

    #[derive(Debug)]
    pub(super) enum Answer {
        Known(Digest),
        Pending,
        Refused(Refusal),
    }

    #[derive(Debug)]
    pub(super) enum Refusal {
        Missing,
        NotRegular,
        TooLarge,
        Unreadable,
    }

    std::thread_local! {
        static ANSWERS: RefCell<HashMap<String, Result<super::Digest, Missing>>> = RefCell::default();
    }

    pub(crate) fn set(path: &str, answer: Result<super::Digest, Missing>) {
        ANSWERS.with_borrow_mut(|answers| answers.insert(path.to_owned(), answer));
    }

    pub(super) fn program(_: u32, path: &str) -> Answer {
        match ANSWERS.with_borrow(|answers| answers.get(path).cloned()) {
            Some(Ok(super::Digest { sha256, of_process })) => Answer::Known(Digest { sha256, of_process }),
            Some(Err(Missing::Pending)) => Answer::Pending,
            None | Some(Err(Missing::Gone)) => Answer::Refused(Refusal::Missing),
            Some(Err(Missing::NotRegular)) => Answer::Refused(Refusal::NotRegular),
            Some(Err(Missing::TooLarge)) => Answer::Refused(Refusal::TooLarge),
            Some(Err(Missing::Unreadable)) => Answer::Refused(Refusal::Unreadable),
        }
    }
}
