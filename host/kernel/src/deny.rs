//! Deny by LSM: which LSM hooks a system call must pass, and the programs that refuse there.
//!
//! Where the kernel has no error injection, the program at the system call's
//! entry marks the task, and these hooks return the error while the mark
//! stands. A call is only in the table if every way to its effect passes one
//! of its hooks; otherwise an override would be a promise that is not kept.

use std::borrow::Cow;
use std::collections::BTreeMap;

use aya::Btf;
use aya::programs::{BtfTracePoint, FExit, Lsm};

use crate::KernelError;
use crate::bpffs::PinDirectory;
use crate::link::Link;
use crate::programs::{Loader, Object, program, program_error};

/// System calls that can be refused by LSM hooks, each with the hooks that must all be held.
///
/// The hooks are those the kernel calls on the way to the effect, see
/// <https://elixir.bootlin.com/linux/v6.12/source/fs/namei.c> and the files named.
const SYSCALLS: &[(&str, &[&str])] = &[
    ("symlink", &["path_symlink"]),
    ("symlinkat", &["path_symlink"]),
    ("link", &["path_link"]),
    ("linkat", &["path_link"]),
    ("unlink", &["path_unlink"]),
    // With AT_REMOVEDIR it removes directories.
    ("unlinkat", &["path_unlink", "path_rmdir"]),
    ("rmdir", &["path_rmdir"]),
    ("mkdir", &["path_mkdir"]),
    ("mkdirat", &["path_mkdir"]),
    ("mknod", &["path_mknod"]),
    ("mknodat", &["path_mknod"]),
    ("rename", &["path_rename"]),
    ("renameat", &["path_rename"]),
    ("renameat2", &["path_rename"]),
    ("truncate", &["path_truncate"]),
    ("chroot", &["path_chroot"]),
    // fs/open.c
    ("chmod", &["path_chmod"]),
    ("fchmod", &["path_chmod"]),
    ("fchmodat", &["path_chmod"]),
    ("chown", &["path_chown"]),
    ("lchown", &["path_chown"]),
    ("fchown", &["path_chown"]),
    ("fchownat", &["path_chown"]),
    // fs/read_write.c: `rw_verify_area` asks about the file before any of these touches it. The
    // hook is also asked when something is read, but the first question while the mark stands is
    // about what the marked call was to write to, and its answer ends that call.
    ("write", &["file_permission"]),
    ("pwrite64", &["file_permission"]),
    ("writev", &["file_permission"]),
    ("pwritev", &["file_permission"]),
    ("pwritev2", &["file_permission"]),
    // fs/exec.c
    ("execve", &["bprm_creds_for_exec"]),
    ("execveat", &["bprm_creds_for_exec"]),
    // net/socket.c
    ("connect", &["socket_connect"]),
    ("bind", &["socket_bind"]),
    ("listen", &["socket_listen"]),
];

/// An LSM hook, by its name in `include/linux/lsm_hook_defs.h`.
pub(crate) type LsmHook = Cow<'static, str>;

/// The hooks that refuse this system call, if it is known which.
pub(crate) fn hooks_of(syscall: &str) -> Option<Vec<LsmHook>> {
    let hooks = SYSCALLS.iter().find(|(name, _)| *name == syscall).map(|(_, hooks)| *hooks);
    Some(hooks?.iter().copied().map(Cow::Borrowed).collect())
}

/// Each bit of a mark, to be handed to the programs as read-only data; the last is [`serin_abi::ENTRY_POINT`].
pub(crate) static POINT_BITS: [u64; 64] = {
    let mut bits = [0; 64];
    let mut index = 0;
    while index < 64 {
        bits[index] = 1 << index;
        index += 1;
    }
    bits
};

/// LSM hooks that can be held at once.
pub(crate) const MAX_POINTS: usize = 63;

/// The bits of LSM hooks in marks, given out as they are needed.
///
/// A task may still be marked when the policy that marked it has gone. So a bit that is given back is given out again
/// only when all others have had their turn: an old mark means nothing to a new policy.
pub(crate) struct Points {
    hooks: [Option<LsmHook>; MAX_POINTS],
    next: usize,
}

impl Default for Points {
    fn default() -> Self {
        Self { hooks: [const { None }; MAX_POINTS], next: 0 }
    }
}

impl Points {
    /// The bits of these hooks; `None` if all are given out.
    pub(crate) fn bits(&mut self, hooks: &[LsmHook]) -> Option<u64> {
        hooks
            .iter()
            .try_fold(0, |bits, hook| Some(bits | 1 << self.index(hook).or_else(|| self.give_out(hook))?))
    }

    /// A hook's bit.
    fn bit(&self, hook: &str) -> Option<&'static u64> {
        POINT_BITS.get(self.index(hook)?)
    }

    fn index(&self, hook: &str) -> Option<usize> {
        self.hooks.iter().position(|known| known.as_deref() == Some(hook))
    }

    fn give_out(&mut self, hook: &LsmHook) -> Option<usize> {
        let free = |index: &usize| self.hooks.get(*index).is_some_and(Option::is_none);
        let index = (self.next..MAX_POINTS).chain(0..self.next).find(free)?;
        *self.hooks.get_mut(index)? = Some(hook.clone());
        self.next = (index + 1) % MAX_POINTS;
        Some(index)
    }

    /// Gives back the bits of all hooks but these.
    fn retain(&mut self, kept: impl Fn(&str) -> bool) {
        self.hooks
            .iter_mut()
            .filter(|hook| hook.as_deref().is_some_and(|hook| !kept(hook)))
            .for_each(|hook| *hook = None);
    }
}

/// Where any system call returns, in the place of its function.
pub(crate) const ALL_CALLS: &str = "sys_exit";

/// The refusing programs that are attached.
#[derive(Default)]
pub(crate) struct Deniers {
    pub(crate) points: Points,
    lsm: BTreeMap<LsmHook, Link>,
    clear: BTreeMap<String, Link>,
}

impl Deniers {
    /// Attaches the refusing program at these LSM hooks; their bits.
    pub(crate) fn hold_all(
        &mut self,
        loader: &mut Loader<'_>,
        (btf, pins): (&Btf, &PinDirectory),
        hooks: &[LsmHook],
    ) -> Result<u64, KernelError> {
        let bits = self.points.bits(hooks).ok_or(KernelError::TooManyPoints(MAX_POINTS))?;
        for hook in hooks {
            self.hold(loader, (btf, pins), hook)?;
        }
        Ok(bits)
    }

    /// Attaches the refusing program at an LSM hook that has been given a bit.
    fn hold(
        &mut self,
        loader: &mut Loader<'_>,
        (btf, pins): (&Btf, &PinDirectory),
        hook: &LsmHook,
    ) -> Result<(), KernelError> {
        let (false, Some(bit)) = (self.lsm.contains_key(hook), self.points.bit(hook)) else {
            return Ok(());
        };
        let mut ebpf = loader.global("POINT", bit).load(Object::Deny)?;
        let deny: &mut Lsm = program(&mut ebpf, "deny")?;
        deny.load(hook, btf).map_err(|error| program_error("deny", error))?;
        let attached = deny.attach().and_then(|link| Link::new(deny.take_link(link)?));
        let link = attached.map_err(|error| program_error("deny", error))?;
        self.lsm.insert(hook.clone(), pins.keep(&format!("deny-{hook}"), link)?);
        Ok(())
    }

    /// Has marks cleared when a system call's function returns.
    pub(crate) fn clear_after(
        &mut self,
        loader: &mut Loader<'_>,
        (btf, pins): (&Btf, &PinDirectory),
        function: &str,
    ) -> Result<(), KernelError> {
        if self.clear.contains_key(function) {
            return Ok(());
        }
        let mut ebpf = loader.load(Object::Deny)?;
        let clear: &mut FExit = program(&mut ebpf, "clear")?;
        clear.load(function, btf).map_err(|error| program_error("clear", error))?;
        let attached = clear.attach().and_then(|link| Link::new(clear.take_link(link)?));
        let link = attached.map_err(|error| program_error("clear", error))?;
        self.clear.insert(function.into(), pins.keep(&format!("clear-{function}"), link)?);
        Ok(())
    }

    /// Has marks cleared when any system call returns.
    pub(crate) fn clear_after_all(
        &mut self,
        loader: &mut Loader<'_>,
        (btf, pins): (&Btf, &PinDirectory),
    ) -> Result<(), KernelError> {
        if self.clear.contains_key(ALL_CALLS) {
            return Ok(());
        }
        let mut ebpf = loader.load(Object::Deny)?;
        let clear: &mut BtfTracePoint = program(&mut ebpf, "clear_any")?;
        clear.load(ALL_CALLS, btf).map_err(|error| program_error("clear_any", error))?;
        let attached = clear.attach().and_then(|link| Link::new(clear.take_link(link)?));
        let link = attached.map_err(|error| program_error("clear_any", error))?;
        self.clear.insert(ALL_CALLS.into(), pins.keep("clear-any", link)?);
        Ok(())
    }

    pub(crate) fn into_links(self) -> impl Iterator<Item = Link> {
        self.lsm.into_values().chain(self.clear.into_values())
    }

    /// Detaches what only hooks that have gone needed. They must have been detached before, as they mark tasks.
    pub(crate) fn retain(&mut self, holds: impl Fn(&str) -> bool, clears: impl Fn(&str) -> bool) {
        self.lsm.retain(|hook, _| holds(hook));
        self.points.retain(holds);
        self.clear.retain(|function, _| clears(function));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_system_call_stands_once() {
        for (index, (name, hooks)) in SYSCALLS.iter().enumerate() {
            assert!(!hooks.is_empty(), "{name}");
            assert!(SYSCALLS[index + 1..].iter().all(|(other, _)| other != name), "{name} stands twice");
        }
    }

    #[test]
    fn bits_are_given_out_once_a_hook() {
        let mut points = Points::default();
        assert_eq!(points.bits(&["a".into(), "b".into()]), Some(0b11));
        assert_eq!(points.bits(&["b".into(), "c".into()]), Some(0b110));
        assert_eq!(points.bit("c"), Some(&0b100));
        assert_eq!(points.bit("unknown"), None);
    }

    #[test]
    fn a_bit_that_was_given_back_waits_for_its_turn() {
        let mut points = Points::default();
        assert_eq!(points.bits(&["a".into(), "b".into()]), Some(0b11));
        points.retain(|hook| hook == "a");
        assert_eq!(points.bit("b"), None);
        assert_eq!(points.bits(&["a".into(), "c".into(), "b".into()]), Some(0b1101));
        for _ in 4..MAX_POINTS {
            points.retain(|hook| hook != "c");
            points.bits(&["c".into()]);
        }
        assert_eq!(points.bit("c"), Some(&(1 << 62)));
        points.retain(|hook| hook != "c");
        assert_eq!(points.bits(&["c".into()]), Some(0b10));
    }
}
