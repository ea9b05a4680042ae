//! The kernel's table of processes: those that were there before the agent, and filters that come later.

use aya::maps::MapError;
use serin_abi::Process;

use crate::binaries::{ExistingProcess, NewFilters};
use crate::identity::origin;
use crate::kernel::{exists, is_absent};
use crate::programs::map_error;
use crate::wire::Wire;
use crate::{Kernel, KernelError};

impl Kernel {
    /// Adds the processes that were there before the programs were; those that they know already are left alone.
    ///
    /// # Errors
    /// If the kernel's table is full.
    pub fn add_processes(&mut self, processes: &[ExistingProcess<'_>]) -> Result<(), KernelError> {
        /// `BPF_NOEXIST`
        const NO_EXIST: u64 = 1;
        for (pid, binaries, parent_binaries) in self.binaries.classify(processes) {
            let process = Wire(Process { start_time: 0, binaries, parent_binaries, follows: 0 });
            let inserted = match self.processes.insert(pid, process, NO_EXIST) {
                Err(error) if exists(&error) => {
                    // Forked by a process that had not been added yet, it knows no more than that it is there.
                    let known = self.processes.get(&pid, 0).is_ok_and(|Wire(known)| known.start_time != 0);
                    if known { Ok(()) } else { self.processes.insert(pid, process, 0) }
                }
                inserted => inserted,
            };
            inserted.map_err(|error| map_error("PROCESSES", error))?;
            if self.sizes.origins > 0 {
                self.add_origin(pid, NO_EXIST)?;
            }
        }
        Ok(())
    }

    fn add_origin(&mut self, pid: u32, flags: u64) -> Result<(), KernelError> {
        let Some(origin) = origin(pid) else { return Ok(()) };
        match self.origins.insert(pid, Wire(origin), flags) {
            Err(error) if !exists(&error) => Err(map_error("ORIGINS", error)),
            _ => Ok(()),
        }
    }

    /// Holds processes that have been added before against new filters. Says whether that changed anything: then there
    /// may be others, forked meanwhile, so look at all processes again.
    ///
    /// `binary` says what a process runs now.
    ///
    /// # Errors
    /// If the kernel's table can't be read or written.
    pub fn classify_again(
        &mut self,
        new: &NewFilters,
        processes: &[ExistingProcess<'_>],
        binary: impl Fn(u32) -> Option<String>,
    ) -> Result<bool, KernelError> {
        let mut changed = false;
        let classified = self.binaries.classify(processes);
        for (process, (pid, own, parent)) in processes.iter().zip(classified) {
            let Some(known) = self.known(pid)? else { continue };
            let binaries = known.binaries.with(own.common(new.0));
            let parent_binaries = known.parent_binaries.with(parent.common(new.0));
            let as_before = (binaries, parent_binaries) == (known.binaries, known.parent_binaries);
            let runs_it = || binary(pid).is_some_and(|binary| binary == process.binary);
            // What has been executed meanwhile has been held against the new filters already.
            if as_before || !runs_it() {
                continue;
            }
            changed = true;
            self.reclassify(pid, Process { binaries, parent_binaries, ..known })?;
            if !runs_it() {
                self.repeat_exec(pid, &known, &binary)?;
            }
        }
        Ok(changed)
    }

    /// What was written may have taken the place of what an exec had written just before: so do what that did.
    fn repeat_exec(
        &mut self,
        pid: u32,
        before: &Process,
        binary: &impl Fn(u32) -> Option<String>,
    ) -> Result<(), KernelError> {
        let Some(path) = binary(pid) else { return Ok(()) };
        let binaries = self.binaries.after_exec(&path, before.binaries);
        self.reclassify(pid, Process { binaries, ..*before })
    }

    /// Whether the kernel's table of processes has one with this id: programs know it then, and what it runs.
    ///
    /// # Errors
    /// If the table can't be read.
    pub fn knows_process(&self, pid: u32) -> Result<bool, KernelError> {
        Ok(self.known(pid)?.is_some())
    }

    fn known(&self, pid: u32) -> Result<Option<Process>, KernelError> {
        match self.processes.get(&pid, 0) {
            Ok(Wire(process)) => Ok(Some(process)),
            Err(MapError::KeyNotFound) => Ok(None),
            Err(error) => Err(map_error("PROCESSES", error)),
        }
    }

    /// Changes what is known of a process, unless it has ended.
    fn reclassify(&mut self, pid: u32, process: Process) -> Result<(), KernelError> {
        /// `BPF_EXIST`
        const EXIST: u64 = 2;
        match self.processes.insert(pid, Wire(process), EXIST) {
            Err(error) if is_absent(&error) => Ok(()),
            inserted => inserted.map_err(|error| map_error("PROCESSES", error)),
        }
    }
}
