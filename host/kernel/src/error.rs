//! What can go wrong between the agent and the kernel.

use std::path::PathBuf;

use serin_btf::{BtfError, TracefsError};

use crate::Backend;

/// Why the kernel side cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum KernelError {
    /// The agent lacks privileges.
    #[error(
        "serin needs the capabilities CAP_BPF and CAP_PERFMON (or CAP_SYS_ADMIN), and this process lacks {0}; \
         run it as root"
    )]
    NotPrivileged(&'static str),
    /// BTF cannot be read, or lacks a field.
    #[error(transparent)]
    Btf(#[from] BtfError),
    /// BTF that the loader cannot use.
    #[error("the kernel's BTF cannot be used")]
    LoaderBtf(#[source] aya::BtfError),
    /// There is no bpffs at the pin directory.
    #[error(
        "{} is not on a BPF file system; mount one with `mount -t bpf bpf /sys/fs/bpf`, or name another \
         directory with --bpffs",
        .0.display()
    )]
    NoBpffs(PathBuf),
    /// Another agent has the directory.
    #[error(
        "another serin agent is running on {}; stop it first, or give this one a directory of its own with --bpffs",
        .0.display()
    )]
    AlreadyRunning(PathBuf),
    /// The pin directory cannot be used.
    #[error("cannot use {}: {source}", path.display())]
    Bpffs {
        /// The directory or pin.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// An object could not be loaded.
    #[error("cannot load the kernel programs: {}", chain(.0))]
    Object(#[source] Box<aya::EbpfError>),
    /// A program could not be loaded or attached.
    #[error("cannot load or attach the kernel program `{program}`: {}", chain(source))]
    Program {
        /// The program's name.
        program: &'static str,
        /// Why.
        source: Box<aya::programs::ProgramError>,
    },
    /// An object is not what this agent knows how to load.
    #[error("cannot load the kernel programs: {0}")]
    Code(String),
    /// A program for many functions could not be loaded.
    #[error("cannot load the kernel program `{program}`: {source}: {log}")]
    Verifier {
        /// The program's name.
        program: &'static str,
        /// Why.
        source: std::io::Error,
        /// What the verifier says.
        log: String,
    },
    /// A program could not be attached to many functions at once.
    #[error("cannot attach the kernel program `{program}` to {functions} functions at once: {source}")]
    KprobeMulti {
        /// The program's name.
        program: &'static str,
        /// How many they are.
        functions: usize,
        /// Why.
        source: std::io::Error,
    },
    /// A map could not be read or written.
    #[error("cannot access the kernel map `{map}`: {}", chain(source))]
    Map {
        /// The map's name.
        map: &'static str,
        /// Why.
        source: Box<aya::maps::MapError>,
    },
    /// An object lacks a program or map: agent and kernel programs do not belong together.
    #[error("the kernel programs have no `{0}`: they do not belong to this agent")]
    Missing(&'static str),
    /// The policies have too many filters on binaries.
    #[error("the policies have {0}")]
    Binaries(String),
    /// Containers cannot be told apart on this host.
    #[error("policy `{policy}` selects by `podSelector`, `containerSelector` or `hostSelector`: {reason}")]
    Workloads {
        /// The policy.
        policy: String,
        /// Why.
        reason: String,
    },
    /// A policy needs more than a hook program can hold.
    #[error("policy `{policy}`, hook `{hook}`: {limit}")]
    Limit {
        /// The policy.
        policy: String,
        /// The hook.
        hook: String,
        /// Which limit.
        limit: String,
    },
    /// A hook could be attached in no way.
    #[error(
        "policy `{policy}`, line {line}, column {column}: `{hook}` cannot be {what} on this kernel:{}",
        list(attempts)
    )]
    Unattachable {
        /// The policy.
        policy: String,
        /// The hook.
        hook: String,
        /// Line of the hook in the policy file.
        line: u32,
        /// Column.
        column: u32,
        /// What was asked: `hooked` or `enforced`.
        what: &'static str,
        /// Every way that was tried and why it failed.
        attempts: Vec<AttemptError>,
    },
    /// The dispatcher has no slot left for a hook.
    #[error("more than {0} hooks on the dispatcher")]
    DispatcherFull(u32),
    /// Processes executed programs faster than the agent could hold them against new filters on binaries.
    #[error(
        "running processes or containers could not be held against new filters, as they changed all the time"
    )]
    Restless,
    /// A trampoline on the function keeps `bpf_override_return` from working.
    #[error("a hook that was attached before is on the function by a trampoline, which defeats it")]
    OverrideDefeated,
    /// A trampoline would keep an override that is there already from working.
    #[error(
        "the call is overridden by `bpf_override_return` already, which what clears the marks would defeat"
    )]
    WouldDefeatOverride,
    /// A hook on a place in a program would have another write over the program's stack.
    #[error(
        "of the hooks at this place one overrides and another waits for the return, which would write over the program's stack"
    )]
    Diverted,
    /// No bit is left for another LSM hook.
    #[error("more than {0} LSM hooks are held by policies")]
    TooManyPoints(usize),
    /// The table of enforcers' calls is full.
    #[error("enforcers have more than {0} system calls, over all policies")]
    TooManyEnforced(u32),
    /// What a hook's function returns cannot be learnt in any way.
    #[error("the function's return cannot be hooked:{}", list(.0))]
    NoReturn(Vec<AttemptError>),
    /// A place with a counter cannot be hooked.
    #[error("cannot hook {}: {source}", path.display())]
    Uprobe {
        /// The program or library.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A program or library has none of the digests that a policy wants it to have.
    #[error(
        "policy `{policy}`, line {line}, column {column}: the file of `{hook}` has none of the digests that it must \
         have; its own are {has}"
    )]
    Digests {
        /// The policy.
        policy: String,
        /// The hook.
        hook: String,
        /// Line of the hook in the policy file.
        line: u32,
        /// Column.
        column: u32,
        /// The digests that it has.
        has: String,
    },
    /// A program or library cannot be hooked.
    #[error("{0}")]
    Executable(String),
    /// A perf event cannot be opened.
    #[error("cannot open a perf event: {0}")]
    PerfEvent(#[source] std::io::Error),
    /// Trace events cannot be looked up.
    #[error(transparent)]
    Tracefs(#[from] TracefsError),
    /// Waiting for records failed.
    #[error("cannot wait for records: {0}")]
    Poll(#[source] std::io::Error),
}

/// A way of attaching that failed.
#[derive(Debug)]
pub struct AttemptError {
    /// The back-end.
    pub backend: Backend,
    /// Why not.
    pub reason: String,
}

fn list(attempts: &[AttemptError]) -> String {
    attempts.iter().map(|attempt| format!("\n  - {}: {}", attempt.backend, attempt.reason)).collect()
}

/// An error with its sources, without repeating what a message already says.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        let message = inner.to_string();
        if !text.contains(&message) {
            text.push_str(": ");
            text.push_str(&message);
        }
        source = inner.source();
    }
    // The verifier's log goes on for pages; its end says what is wrong.
    shorten(text)
}

fn shorten(text: String) -> String {
    const MAX: usize = 1200;
    if text.len() <= MAX {
        return text;
    }
    let head: String = text.chars().take(MAX / 3).collect();
    let tail: Vec<char> = text.chars().rev().take(MAX * 2 / 3).collect();
    format!("{head} […] {}", tail.into_iter().rev().collect::<String>())
}
