//! Attaching one program of a hook, and what keeps it there.

use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use aya::programs::links::FdLink;
use aya::programs::uprobe::{UProbeAttachLocation, UProbeScope};
use aya::programs::{Program, ProgramError};
use aya::{Btf, Ebpf};
use serin_policy::{Target, Uprobe, Usdt};

use crate::bpf;
use crate::executable::ProgramFile;
use crate::kprobe_multi::{self, Moment};
use crate::programs::program_error;
use crate::target::function;
use crate::uprobe::{self, CodePlace};
use crate::{Backend, KernelError};

/// What keeps a program attached: dropping it detaches the program. The object that the program came from is much
/// larger, and need not live as long.
pub(crate) struct Link {
    attachment: Attachment,
    pin: Option<Pin>,
}

enum Attachment {
    Link(FdLink),
    /// One that aya has not made.
    Own(OwnedFd),
}

impl Link {
    /// # Errors
    /// None on kernels that this crate supports: since 5.15 all of these are links.
    pub(crate) fn new<E>(link: impl TryInto<FdLink, Error = E>) -> Result<Self, ProgramError>
    where
        E: std::error::Error + Send + Sync + 'static,
    {
        let link = link.try_into().map_err(|error| ProgramError::IOError(io::Error::other(error)))?;
        Ok(Self { attachment: Attachment::Link(link), pin: None })
    }

    /// One on many functions: of a program with a name in its object.
    pub(crate) fn on_many(
        name: &'static str,
        program: BorrowedFd<'_>,
        functions: &[(String, u32)],
        moment: Moment,
    ) -> Result<Self, KernelError> {
        let link = kprobe_multi::attach(program, functions, moment).map_err(|source| {
            KernelError::KprobeMulti { program: name, functions: functions.len(), source }
        })?;
        Ok(Self { attachment: Attachment::Own(link), pin: None })
    }

    /// Keeps the program attached also when the agent has ended, however it did, unless the link is dropped before.
    pub(crate) fn pinned(self, path: PathBuf) -> io::Result<Self> {
        match self.attachment {
            Attachment::Link(link) => {
                let attachment = Attachment::Link(link.pin(&path).map_err(io::Error::other)?.into());
                Ok(Self { attachment, pin: Some(Pin(path)) })
            }
            Attachment::Own(link) => {
                bpf::pin(link.as_fd(), &path)?;
                Ok(Self { attachment: Attachment::Own(link), pin: Some(Pin(path)) })
            }
        }
    }

    /// Leaves the program attached, if it was pinned.
    pub(crate) fn leave(self) {
        if let Some(pin) = self.pin {
            std::mem::forget(pin);
        }
    }
}

/// A file on the bpffs, which is removed when this is dropped.
struct Pin(PathBuf);

impl Drop for Pin {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_file(&self.0) {
            tracing::warn!("cannot remove {}, so its program stays attached: {error}", self.0.display());
        }
    }
}

/// The name of a back-end's program in its object.
pub(crate) fn program_name(backend: Backend) -> &'static str {
    match backend {
        Backend::Fentry => "hook_fentry",
        Backend::Fexit => "hook_fexit",
        Backend::Kprobe | Backend::KprobeMulti => "hook_kprobe",
        Backend::Kretprobe | Backend::KretprobeMulti => "hook_kretprobe",
        Backend::Lsm => "hook_lsm",
        Backend::LsmHash => "hook_lsm_hash",
        Backend::SysEnter => "hook_sys_enter",
        Backend::SysExit => "hook_sys_exit",
        Backend::Tracepoint => "hook_tracepoint",
        Backend::RawTracepoint => "hook_raw_tracepoint",
        Backend::Uprobe => "hook_uprobe",
        Backend::UprobeFaultIn => "hook_uprobe_fault_in",
        Backend::Uretprobe => "hook_uretprobe",
        // It has none, and is never loaded.
        Backend::PerfEvent => "",
    }
}

/// Loads and attaches the program of a back-end. Those of the dispatchers are only loaded, and have no link: they are
/// attached by being put into a dispatcher's table. `file` is that of the program that is hooked, if it was opened before.
pub(crate) fn attach(
    ebpf: &mut Ebpf,
    backend: Backend,
    target: &Target,
    (places, file): (&[CodePlace], Option<&ProgramFile>),
    btf: &Btf,
) -> Result<Vec<Link>, KernelError> {
    let name = program_name(backend);
    let program = ebpf.program_mut(name).ok_or(KernelError::Missing(name))?;
    let attached = match (backend, target) {
        (Backend::SysEnter, _) => load_dispatched(program, "sys_enter", btf).map(|()| Vec::new()),
        (Backend::SysExit, _) => load_dispatched(program, "sys_exit", btf).map(|()| Vec::new()),
        (_, Target::Uprobe(Uprobe { path, .. }) | Target::Usdt(Usdt { path, .. })) => {
            let path = file.map_or_else(|| path.into(), ProgramFile::path);
            return attach_in_file(program, name, &path, places);
        }
        _ => attach_in_kernel(program, &function(target), btf).map(|link| vec![link]),
    };
    attached.map_err(|error| program_error(name, error))
}

fn load_dispatched(program: &mut Program, tracepoint: &str, btf: &Btf) -> Result<(), ProgramError> {
    let Program::BtfTracePoint(hook) = program else { return Err(ProgramError::UnexpectedProgramType) };
    hook.load(tracepoint, btf)
}

fn attach_in_kernel(program: &mut Program, function: &str, btf: &Btf) -> Result<Link, ProgramError> {
    let (subsystem, event) = function.split_once('/').unwrap_or(("", function));
    Ok(match program {
        Program::FEntry(hook) => {
            hook.load(function, btf)?;
            let link = hook.attach()?;
            Link::new(hook.take_link(link)?)?
        }
        Program::FExit(hook) => {
            hook.load(function, btf)?;
            let link = hook.attach()?;
            Link::new(hook.take_link(link)?)?
        }
        Program::KProbe(hook) => {
            hook.load()?;
            let link = hook.attach(function, 0)?;
            Link::new(hook.take_link(link)?)?
        }
        Program::Lsm(hook) => {
            hook.load(function.strip_prefix("security_").unwrap_or(function), btf)?;
            let link = hook.attach()?;
            Link::new(hook.take_link(link)?)?
        }
        Program::TracePoint(hook) => {
            hook.load()?;
            let link = hook.attach(subsystem, event)?;
            Link::new(hook.take_link(link)?)?
        }
        Program::RawTracePoint(hook) => {
            hook.load()?;
            let link = hook.attach(event)?;
            Link::new(hook.take_link(link)?)?
        }
        _ => return Err(ProgramError::UnexpectedProgramType),
    })
}

/// At all of the places, for all processes that run the file.
fn attach_in_file(
    program: &mut Program,
    name: &'static str,
    path: &Path,
    places: &[CodePlace],
) -> Result<Vec<Link>, KernelError> {
    let failed = |error| program_error(name, error);
    let Program::UProbe(hook) = program else { return Err(failed(ProgramError::UnexpectedProgramType)) };
    hook.load().map_err(failed)?;
    let mut links = Vec::new();
    for place in places {
        if place.counter != 0 {
            let fd = hook.fd().map_err(failed)?.as_fd();
            let attached = uprobe::attach(fd, path, *place);
            let link = attached.map_err(|source| KernelError::Uprobe { path: path.into(), source })?;
            links.push(Link { attachment: Attachment::Own(link), pin: None });
            continue;
        }
        let location = UProbeAttachLocation::AbsoluteOffset(place.offset);
        let link = hook.attach(location, path, UProbeScope::AllProcesses);
        let link = link.and_then(|link| Link::new(hook.take_link(link)?));
        links.push(link.map_err(failed)?);
    }
    Ok(links)
}
