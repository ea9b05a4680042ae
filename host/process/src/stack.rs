//! Names for the addresses on stacks.

mod kernel;
mod program;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serin_event::StackFrame;
use serin_event::record::Task;

use self::kernel::KernelSymbols;
use self::program::Files;
use crate::scan;

/// How often it is looked whether the kernel has other modules than before, in nanoseconds.
const LOOK_EVERY: u64 = 10_000_000_000;

/// What is known of the functions of the kernel and of programs. Nothing is read before there is a stack.
#[derive(Debug)]
pub(crate) struct Stacks {
    procfs: PathBuf,
    kernel: Option<KernelSymbols>,
    /// When the kernel's functions and modules were last looked at (`CLOCK_BOOTTIME`).
    looked: u64,
    files: Files,
    no_module: Arc<str>,
}

impl Stacks {
    pub(crate) fn new(procfs: &Path) -> Self {
        Self { procfs: procfs.into(), kernel: None, looked: 0, files: Files::default(), no_module: "".into() }
    }

    /// Names a stack of the kernel's, met at this time. Addresses of no function are left out, as they are of BPF
    /// programs and their trampolines.
    pub(crate) fn kernel(&mut self, stack: &[u64], now: u64) -> Vec<StackFrame> {
        if stack.is_empty() {
            return Vec::new();
        }
        self.look(now);
        let Some(symbols) = &self.kernel else { return Vec::new() };
        stack.iter().filter_map(|&address| symbols.find(address)).collect()
    }

    /// Names a program's stack. If the process has ended since, there are only addresses. Without frame pointers, what
    /// stands in the place of an address can be anything: where no code of the process is, it is left out.
    pub(crate) fn user(&mut self, stack: &[u64], task: Task) -> Vec<StackFrame> {
        if stack.is_empty() {
            return Vec::new();
        }
        let directory = self.procfs.join(task.pid.to_string());
        let maps = program::maps(&directory).unwrap_or_default();
        // Asked after the maps were read: until then the id can have become another process's.
        let same =
            scan::started(&self.procfs, task.pid).is_ok_and(|tick| tick == task.start_time / scan::tick());
        let maps = if same { maps } else { Vec::new() };
        let unknown =
            |address| StackFrame { address, module: Arc::clone(&self.no_module), ..StackFrame::default() };
        let files = &mut self.files;
        stack
            .iter()
            .filter(|&&address| is_of_programs(address))
            .filter_map(|&address| match maps.iter().find(|map| map.range.contains(&address)) {
                Some(map) => Some(files.find(&directory, map, address)),
                None => maps.is_empty().then(|| unknown(address)),
            })
            .collect()
    }

    fn look(&mut self, now: u64) {
        if self.kernel.is_some() && now.saturating_sub(self.looked) < LOOK_EVERY {
            return;
        }
        self.looked = now;
        if !self.kernel.as_ref().is_some_and(|symbols| symbols.is_current(&self.procfs)) {
            self.kernel = Some(KernelSymbols::read(&self.procfs));
        }
    }
}

/// Whether an address is in the half of the address space that programs have.
fn is_of_programs(address: u64) -> bool {
    address >> 63 == 0
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn what_lies_in_no_code_of_a_process_is_left_out_if_that_can_be_told() {
        let code = what_lies_in_no_code_of_a_process_is_left_out_if_that_can_be_told as *const () as u64;
        let (procfs, pid) = (Path::new("/proc"), std::process::id());
        let started = scan::started(procfs, pid).unwrap() * scan::tick();
        let frames = |start_time| {
            let task = Task { pid, tid: pid, start_time };
            let found = Stacks::new(procfs).user(&[code, 16, u64::MAX], task);
            found.into_iter().map(|frame| (frame.address, frame.module.to_string())).collect::<Vec<_>>()
        };
        let program = std::env::current_exe().unwrap().to_string_lossy().into_owned();
        assert_eq!(frames(started), [(0, program)]);
        // Of another process, which had this id.
        assert_eq!(frames(started + scan::tick()), [(code, String::new()), (16, String::new())]);
    }
}
