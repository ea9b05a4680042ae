//! What the agent has in the kernel.

use std::path::PathBuf;
use std::sync::Arc;

use aya::maps::{HashMap, MapData, MapError, RingBuf};
use aya::programs::{BtfTracePoint, RawTracePoint};
use aya::{Btf, Ebpf, Endianness};
use serin_abi::{BINARY_KEY, Offsets, Process};
use serin_policy::PolicyPlan;

use crate::bpffs::PinDirectory;
use crate::counters::{CpuCounterMap, KernelCount};
use crate::deny::{Deniers, POINT_BITS};
use crate::dispatch::Dispatcher;
use crate::lower::BinaryIds;
use crate::policies::Attached;
use crate::programs::{Loader, Object, Sizes, map_error, program, program_error, take_map};
use crate::wire::Wire;
use crate::{KernelError, Probe, Reader, capabilities, offsets};

/// The program that calls hooks by system call number.
const DISPATCH: &str = "dispatch";

/// How to set up the kernel side.
#[derive(Debug, Clone)]
pub struct KernelConfig {
    /// The kernel's BTF: [`serin_btf::KERNEL_BTF`].
    pub btf: PathBuf,
    /// Directory on a bpffs for this agent alone, e.g. `/sys/fs/bpf/serin`.
    pub bpffs: PathBuf,
    /// Bytes of the ring buffer: a power of two of at least a page.
    pub ring_size: u32,
    /// Processes that can be followed at once.
    pub processes: u32,
}

impl Default for KernelConfig {
    fn default() -> Self {
        KernelConfig {
            btf: serin_btf::KERNEL_BTF.into(),
            bpffs: "/sys/fs/bpf/serin".into(),
            ring_size: 8 << 20,
            processes: 32_768,
        }
    }
}

/// Everything in the kernel on the agent's behalf. Dropping it detaches all programs and removes all pins.
pub struct Kernel {
    pub(crate) btf: Arc<Btf>,
    pub(crate) types: serin_btf::Btf,
    pub(crate) offsets: Wire<Offsets>,
    pub(crate) sizes: Sizes,
    pub(crate) probe: Probe,
    pub(crate) binaries: BinaryIds,
    pub(crate) deniers: Deniers,
    pub(crate) dispatcher: Dispatcher,
    pub(crate) hooks: Vec<Attached>,
    /// Ids are never given out twice: records of a hook that has gone may still be on their way.
    pub(crate) next_hook: u32,
    base: Ebpf,
    binary_ids: HashMap<MapData, [u8; BINARY_KEY], u32>,
    processes: HashMap<MapData, u32, Wire<Process>>,
    counters: CpuCounterMap,
    ring: Option<RingBuf<MapData>>,
    // Last: the pins go when nothing uses them any more.
    pub(crate) pins: PinDirectory,
}

impl Kernel {
    /// Takes the bpffs directory, creates the shared maps and probes the kernel. Nothing is attached yet.
    ///
    /// # Errors
    /// If the process lacks privileges, the kernel lacks BTF or a field, there
    /// is no bpffs, another agent has the directory, or the maps cannot be created.
    pub fn open(config: &KernelConfig) -> Result<Self, KernelError> {
        capabilities::check()?;
        let types = serin_btf::Btf::load(&config.btf)?;
        let offsets = Wire(offsets::resolve(&types)?);
        let btf = Btf::parse_file(&config.btf, Endianness::default()).map_err(KernelError::LoaderBtf)?;
        let pins = PinDirectory::acquire(&config.bpffs)?;
        let sizes = Sizes { ring: config.ring_size, processes: config.processes };
        let mut loader = Loader::new(&btf, pins.path(), sizes, &offsets);
        let mut base = loader.load(Object::Base)?;
        loader.global("POINT", &POINT_BITS[0]);
        let probe = Probe::run(&mut loader, &btf, POINT_BITS[0]);
        drop(loader);
        Ok(Kernel {
            binary_ids: take_map(&mut base, "BINARIES")?,
            processes: take_map(&mut base, "PROCESSES")?,
            counters: CpuCounterMap(Arc::new(take_map(&mut base, "CPU_COUNTERS")?)),
            ring: Some(take_map(&mut base, "EVENTS")?),
            dispatcher: Dispatcher::new(take_map(&mut base, "SYSCALLS")?),
            binaries: BinaryIds::new(),
            deniers: Deniers::default(),
            hooks: Vec::new(),
            next_hook: 0,
            btf: Arc::new(btf),
            types,
            offsets,
            sizes,
            probe,
            base,
            pins,
        })
    }

    /// What this kernel offers.
    #[must_use]
    pub fn probe(&self) -> &Probe {
        &self.probe
    }

    /// The kernel's types, for checking policies.
    #[must_use]
    pub fn types(&self) -> &serin_btf::Btf {
        &self.types
    }

    /// Gives every binary that the policies name an id that the exec program will know it by.
    ///
    /// Processes that run already get theirs by [`Kernel::add_process`], or, if they have been added before, by
    /// [`Kernel::name_process`]. Says whether there are new names.
    ///
    /// # Errors
    /// If the kernel's table is full.
    pub fn name_binaries(&mut self, policies: &[PolicyPlan]) -> Result<bool, KernelError> {
        let before = self.binaries.len();
        let hooks = policies.iter().flat_map(|policy| &policy.hooks);
        let filters = hooks.flat_map(|hook| &hook.selectors).flat_map(|selector| &selector.binaries);
        for path in filters.flat_map(|filter| &filter.values) {
            if self.binaries.contains_key(path) {
                continue;
            }
            let id = self.binaries.len() as u32 + 1;
            let mut key = [0; BINARY_KEY];
            let bytes = path.as_bytes();
            // A path too long for the key is refused when the policy is read.
            key.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
            self.binary_ids.insert(key, id, 0).map_err(|error| map_error("BINARIES", error))?;
            self.binaries.insert(path.clone(), id);
        }
        Ok(self.binaries.len() > before)
    }

    /// Starts the records of exec, fork and exit.
    ///
    /// # Errors
    /// If a program cannot be loaded or attached in either way.
    pub fn attach_processes(&mut self) -> Result<(), KernelError> {
        for (typed, raw, tracepoint) in [
            // Exit first: what is not in the table yet is not reported, and nothing stays in it for ever.
            ("exit", "exit_raw", "sched_process_exit"),
            ("fork", "fork_raw", "sched_process_fork"),
            ("exec", "exec_raw", "sched_process_exec"),
        ] {
            if let Err(error) = self.attach_typed(typed, tracepoint) {
                tracing::info!("{error}; using a raw tracepoint instead");
                self.attach_raw(raw, tracepoint)?;
            }
        }
        Ok(())
    }

    fn attach_typed(&mut self, name: &'static str, tracepoint: &str) -> Result<(), KernelError> {
        let typed: &mut BtfTracePoint = program(&mut self.base, name)?;
        typed.load(tracepoint, &self.btf).map_err(|error| program_error(name, error))?;
        typed.attach().map_err(|error| program_error(name, error))?;
        Ok(())
    }

    fn attach_raw(&mut self, name: &'static str, tracepoint: &str) -> Result<(), KernelError> {
        let raw: &mut RawTracePoint = program(&mut self.base, name)?;
        raw.load().map_err(|error| program_error(name, error))?;
        raw.attach(tracepoint).map_err(|error| program_error(name, error))?;
        Ok(())
    }

    /// Attaches the program that calls the hooks on system calls by their number.
    pub(crate) fn attach_dispatcher(&mut self) -> Result<(), KernelError> {
        if !self.dispatcher.is_attached() {
            self.attach_typed(DISPATCH, "sys_enter")?;
            self.dispatcher.set_attached(true);
        }
        Ok(())
    }

    /// Takes it out of the kernel again, as it costs every system call something.
    pub(crate) fn detach_dispatcher(&mut self) -> Result<(), KernelError> {
        if self.dispatcher.is_attached() {
            let dispatch: &mut BtfTracePoint = program(&mut self.base, DISPATCH)?;
            dispatch.unload().map_err(|error| program_error(DISPATCH, error))?;
            self.dispatcher.set_attached(false);
        }
        Ok(())
    }

    /// Adds a process that was there before the programs were; one that they know already is left alone.
    ///
    /// # Errors
    /// If the kernel's table is full.
    pub fn add_process(&mut self, pid: u32, binary: &str) -> Result<(), KernelError> {
        /// `BPF_NOEXIST`
        const NO_EXIST: u64 = 1;
        let binary = self.binaries.get(binary).copied().unwrap_or(0);
        let process = Wire(Process { start_time: 0, binary, reserved: 0 });
        match self.processes.insert(pid, process, NO_EXIST) {
            Ok(()) => Ok(()),
            Err(MapError::SyscallError(error))
                if error.io_error.kind() == std::io::ErrorKind::AlreadyExists =>
            {
                Ok(())
            }
            Err(error) => Err(map_error("PROCESSES", error)),
        }
    }

    /// Tells the programs what binary a process runs that was named after the process had started.
    ///
    /// # Errors
    /// If the kernel's table is full.
    pub fn name_process(&mut self, pid: u32, binary: &str) -> Result<(), KernelError> {
        let Some(&id) = self.binaries.get(binary) else { return Ok(()) };
        let known = match self.processes.get(&pid, 0) {
            Ok(Wire(process)) => process,
            Err(MapError::KeyNotFound) => return self.add_process(pid, binary),
            Err(error) => return Err(map_error("PROCESSES", error)),
        };
        // One that has been named since has executed something meanwhile.
        if known.binary != 0 {
            return Ok(());
        }
        let named = Wire(Process { binary: id, ..known });
        self.processes.insert(pid, named, 0).map_err(|error| map_error("PROCESSES", error))
    }

    /// The reader of the records; it can be taken once.
    pub fn take_reader(&mut self) -> Option<Reader> {
        Some(Reader::new(self.ring.take()?, self.counters.clone()))
    }

    /// What all programs counted.
    ///
    /// # Errors
    /// If the counters cannot be read.
    pub fn count(&self) -> Result<KernelCount, KernelError> {
        self.counters.sum()
    }
}
