//! What the agent has in the kernel.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aya::maps::{Array, HashMap, MapData, MapError, RingBuf};
use aya::programs::{BtfTracePoint, RawTracePoint};
use aya::{Btf, Ebpf, Endianness};
use serin_abi::binaries::{BinaryTable, Pattern};
use serin_abi::identity::Origin;
use serin_abi::{BINARY_KEY, BinarySets, CpuCounters, EnforcedCall, Offsets, Process};
use serin_policy::PolicyPlan;

use crate::binaries::{Binaries, NewFilters, binary_patterns};
use crate::bpffs::PinDirectory;
use crate::calls::EndedCalls;
use crate::conflict::Conflicts;
use crate::counters::{Counters, KernelCount};
use crate::deny::{Deniers, POINT_BITS};
use crate::detacher::Detacher;
use crate::dispatch::Dispatcher;
use crate::enforcers::Enforcer;
use crate::identity::asks_for_changes;
use crate::link::Link;
use crate::lower::{follows, tracks};
use crate::mappings::Loaders;
use crate::policies::Attached;
use crate::programs::{Loader, Object, Sizes, map_error, program, program_error, take_map};
use crate::wire::Wire;
use crate::workloads::Workloads;
use crate::{KernelError, Probe, Reader, capabilities, offsets};

/// The program that calls hooks by system call number.
const DISPATCH: &str = "dispatch";
/// The same for returns.
const DISPATCH_RETURN: &str = "dispatch_return";

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
    /// Room for values of filters on binaries that are compared one by one, of policies that come later. Each takes
    /// 4 KiB.
    pub binary_patterns: u32,
    /// Descriptors that can be followed at once; 0 if no policy follows any. Each takes 4 KiB.
    pub followed: u32,
    /// Sockets that can be tracked at once; those used least recently make room for others.
    pub sockets: u32,
    /// Containers will be described: [`Kernel::describe_containers`]. Policies that select them by that are refused otherwise.
    pub containers_described: bool,
    /// Keep what processes came from, for filters that ask what has changed.
    pub keep_origins: bool,
    /// Hooks that enforce stay attached when the agent ends, however it does, unless it detaches them: see
    /// [`Kernel::leave`].
    pub keep_enforcing: bool,
}

impl KernelConfig {
    /// The same, with room for what these policies need, on top of what there is for policies that come later.
    #[must_use]
    pub fn with_room_for(&self, policies: &[PolicyPlan]) -> Self {
        /// 16 MiB, and for the descriptors of some hundred processes.
        const FOLLOWED: u32 = 4096;
        /// As many as Tetragon tracks.
        const SOCKETS: u32 = 32_768;
        let patterns = u32::try_from(binary_patterns(policies)).unwrap_or(u32::MAX);
        let mut hooks = policies.iter().flat_map(|policy| &policy.hooks);
        let mut selectors = hooks.clone().flat_map(|hook| &hook.selectors);
        Self {
            binary_patterns: self.binary_patterns.saturating_add(patterns),
            followed: if selectors.any(follows) { self.followed.max(FOLLOWED) } else { self.followed },
            sockets: if hooks.any(tracks) { self.sockets.max(SOCKETS) } else { self.sockets },
            keep_origins: self.keep_origins || asks_for_changes(policies),
            ..self.clone()
        }
    }
}

impl Default for KernelConfig {
    fn default() -> Self {
        KernelConfig {
            btf: serin_btf::KERNEL_BTF.into(),
            bpffs: "/sys/fs/bpf/serin".into(),
            ring_size: 8 << 20,
            processes: 32_768,
            binary_patterns: 64,
            followed: 0,
            sockets: 2048,
            containers_described: false,
            keep_origins: false,
            keep_enforcing: false,
        }
    }
}

/// Everything in the kernel on the agent's behalf. Dropping it detaches all programs and removes all pins;
/// [`Kernel::leave`] does not.
pub struct Kernel {
    pub(crate) btf: Arc<Btf>,
    pub(crate) types: serin_btf::Btf,
    pub(crate) offsets: Wire<Offsets>,
    pub(crate) sizes: Sizes,
    pub(crate) probe: Probe,
    pub(crate) binaries: Binaries,
    pub(crate) workloads: Workloads,
    pub(crate) deniers: Deniers,
    pub(crate) dispatcher: Dispatcher,
    pub(crate) return_dispatcher: Dispatcher,
    pub(crate) hooks: Vec<Attached>,
    pub(crate) enforcers: Vec<Enforcer>,
    pub(crate) loaders: Loaders,
    /// The calls of enforcers, for the programs that notify them.
    pub(crate) enforced: HashMap<MapData, Wire<EnforcedCall>, u64>,
    pub(crate) conflicts: Conflicts,
    pub(crate) ended: EndedCalls,
    pub(crate) detacher: Detacher,
    /// Ids are never given out twice: records of a hook that has gone may still be on their way.
    pub(crate) next_hook: u32,
    pub(crate) base: Ebpf,
    /// What keeps programs of `base` attached, by their names.
    links: BTreeMap<&'static str, Link>,
    binary_maps: BinaryMaps,
    pub(crate) processes: HashMap<MapData, u32, Wire<Process>>,
    pub(crate) origins: HashMap<MapData, u32, Wire<Origin>>,
    counters: Arc<Counters<CpuCounters>>,
    ring: Option<RingBuf<MapData>>,
    // Last: the pins go when nothing uses them any more.
    pub(crate) pins: PinDirectory,
}

/// What the exec program holds paths against.
struct BinaryMaps {
    paths: HashMap<MapData, [u8; BINARY_KEY], Wire<BinarySets>>,
    patterns: Array<MapData, Wire<Pattern>>,
    table: Array<MapData, Wire<BinaryTable>>,
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
        let pins = PinDirectory::acquire(&config.bpffs, config.keep_enforcing)?;
        let sizes = Sizes {
            ring: config.ring_size,
            processes: config.processes,
            binary_patterns: config.binary_patterns,
            followed: config.followed,
            sockets: config.sockets,
            origins: if config.keep_origins { config.processes } else { 0 },
        };
        let keep_origins = Wire(u32::from(config.keep_origins));
        let mut loader = Loader::new(&btf, pins.path(), sizes, &offsets);
        let mut base = loader.global("KEEP_ORIGINS", &keep_origins).load(Object::Base)?;
        loader.global("POINT", &POINT_BITS[0]);
        let probe = Probe::run(&mut loader, (&btf, &types), POINT_BITS[0]);
        drop(loader);
        Ok(Kernel {
            binary_maps: BinaryMaps {
                paths: take_map(&mut base, "BINARIES")?,
                patterns: take_map(&mut base, "BINARY_PATTERNS")?,
                table: take_map(&mut base, "BINARY_TABLE")?,
            },
            processes: take_map(&mut base, "PROCESSES")?,
            origins: take_map(&mut base, "ORIGINS")?,
            counters: Arc::new(Counters::take(&mut base, "CPU_COUNTERS")?),
            ring: Some(take_map(&mut base, "EVENTS")?),
            dispatcher: Dispatcher::new("SYSCALLS", take_map(&mut base, "SYSCALLS")?),
            return_dispatcher: Dispatcher::new("SYSCALL_RETURNS", take_map(&mut base, "SYSCALL_RETURNS")?),
            binaries: Binaries::default(),
            workloads: Workloads::new(&mut base, config.containers_described)?,
            deniers: Deniers::default(),
            hooks: Vec::new(),
            enforcers: Vec::new(),
            loaders: Loaders::default(),
            enforced: take_map(&mut base, "ENFORCED")?,
            conflicts: Conflicts::default(),
            ended: EndedCalls::default(),
            detacher: Detacher::default(),
            next_hook: 0,
            btf: Arc::new(btf),
            types,
            offsets,
            sizes,
            probe,
            base,
            links: BTreeMap::new(),
            pins,
        })
    }

    /// The directory that everything is pinned in.
    #[must_use]
    pub fn bpffs(&self) -> &Path {
        self.pins.path()
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

    /// Tells the exec program which binaries the policies ask for.
    ///
    /// Processes that run already are held against them by [`Kernel::add_processes`], or, if they have been added
    /// before, by [`Kernel::classify_again`]. Gives the filters that are new. They stay, even when
    /// their policies go.
    ///
    /// # Errors
    /// If the policies have more filters on binaries than there can be, or the kernel's tables are full. Nothing is
    /// changed then but tables that nothing looks at.
    pub fn name_binaries(&mut self, policies: &[PolicyPlan]) -> Result<Option<NewFilters>, KernelError> {
        let mut binaries = self.binaries.clone();
        let new = binaries.extend(policies).map_err(KernelError::Binaries)?;
        if new == BinarySets::NONE {
            return Ok(None);
        }
        let (used, room) = (binaries.patterns().count(), self.sizes.binary_patterns as usize);
        if used > room {
            return Err(KernelError::Binaries(format!(
                "{used} values of filters on binaries that are compared one by one, and the agent has made room for \
                 {room} when it started: start it with these policies"
            )));
        }
        // Their number last: what is behind it is not looked at.
        for (index, pattern) in binaries.patterns().enumerate().skip(self.binaries.patterns().count()) {
            let set = self.binary_maps.patterns.set(index as u32, Wire(pattern), 0);
            set.map_err(|error| map_error("BINARY_PATTERNS", error))?;
        }
        for (path, sets) in binaries.paths() {
            let inserted = self.binary_maps.paths.insert(path, Wire(sets), 0);
            inserted.map_err(|error| map_error("BINARIES", error))?;
        }
        let set = self.binary_maps.table.set(0, Wire(binaries.table()), 0);
        set.map_err(|error| map_error("BINARY_TABLE", error))?;
        self.binaries = binaries;
        Ok(Some(NewFilters(new)))
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
        let attached = typed.attach().and_then(|link| Link::new(typed.take_link(link)?));
        self.hold(name, attached.map_err(|error| program_error(name, error))?)
    }

    pub(crate) fn attach_raw(&mut self, name: &'static str, tracepoint: &str) -> Result<(), KernelError> {
        let raw: &mut RawTracePoint = program(&mut self.base, name)?;
        raw.load().map_err(|error| program_error(name, error))?;
        let attached = raw.attach(tracepoint).and_then(|link| Link::new(raw.take_link(link)?));
        self.hold(name, attached.map_err(|error| program_error(name, error))?)
    }

    /// Keeps a program of `base` attached.
    fn hold(&mut self, name: &'static str, link: Link) -> Result<(), KernelError> {
        self.links.insert(name, self.pins.keep(name, link)?);
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

    /// The same for returns.
    pub(crate) fn attach_return_dispatcher(&mut self) -> Result<(), KernelError> {
        if !self.return_dispatcher.is_attached() {
            self.attach_typed(DISPATCH_RETURN, "sys_exit")?;
            self.return_dispatcher.set_attached(true);
        }
        Ok(())
    }

    /// Takes the dispatchers that no hook needs out of the kernel again, as they cost every system call something.
    pub(crate) fn detach_dispatchers(&mut self) -> Result<(), KernelError> {
        for (name, dispatcher) in
            [(DISPATCH, &mut self.dispatcher), (DISPATCH_RETURN, &mut self.return_dispatcher)]
        {
            if dispatcher.is_attached() && dispatcher.is_empty() {
                self.links.remove(name);
                let dispatch: &mut BtfTracePoint = program(&mut self.base, name)?;
                dispatch.unload().map_err(|error| program_error(name, error))?;
                dispatcher.set_attached(false);
            }
        }
        Ok(())
    }

    /// Takes what agents before this one have left attached out of the kernel: to be called when the policies are attached
    /// that are to take its place. Says whether there was any.
    ///
    /// # Errors
    /// If it can't be removed.
    pub fn replace_kept(&self) -> Result<bool, KernelError> {
        let failed = |source| KernelError::Bpffs { path: self.pins.path().into(), source };
        Ok(self.pins.remove_kept().map_err(failed)? > 0)
    }

    /// Ends, and leaves the hooks that enforce attached, with what they need, if the configuration said so. Gives their
    /// functions. Nobody reads their records any more.
    ///
    /// # Errors
    /// If the other hooks can't be detached; those that enforce stay all the same.
    pub fn leave(mut self) -> Result<Vec<String>, KernelError> {
        let enforcing: BTreeSet<u32> =
            self.hooks.iter().filter(|hook| hook.enforces).map(|hook| hook.id).collect();
        if !self.pins.keeps() || enforcing.is_empty() {
            return self.detach(|_| true).map(|()| Vec::new());
        }
        let detached = self.detach(|id| !enforcing.contains(&id));
        let Self { hooks, enforcers, links, deniers, pins, .. } = self;
        let functions = hooks.iter().map(|hook| hook.function.clone()).collect();
        hooks.into_iter().flat_map(|mut hook| hook.take_links()).for_each(Link::leave);
        enforcers.into_iter().flat_map(Enforcer::into_links).for_each(Link::leave);
        links.into_values().chain(deniers.into_links()).for_each(Link::leave);
        pins.leave();
        detached.map(|()| functions)
    }

    /// The reader of the records; it can be taken once.
    pub fn take_reader(&mut self) -> Option<Reader> {
        let (counters, ended) = (Arc::clone(&self.counters), self.ended.shared());
        Some(Reader::new(self.ring.take()?, counters, ended, self.loaders.mappings()))
    }

    /// What all programs counted.
    ///
    /// # Errors
    /// If the counters cannot be read.
    pub fn count(&self) -> Result<KernelCount, KernelError> {
        let (lost_mappings, ended) = (self.loaders.lost(), self.ended.lost());
        let counted = self.counters.sum()?;
        let (records, lost_calls) = (counted.records + ended, counted.lost_calls + ended);
        Ok(KernelCount { records, lost_calls, lost_mappings, ..counted })
    }
}

pub(crate) fn is_absent(error: &MapError) -> bool {
    matches!(error, MapError::SyscallError(error) if error.io_error.kind() == std::io::ErrorKind::NotFound)
}

pub(crate) fn exists(error: &MapError) -> bool {
    matches!(error, MapError::SyscallError(error) if error.io_error.kind() == std::io::ErrorKind::AlreadyExists)
}
