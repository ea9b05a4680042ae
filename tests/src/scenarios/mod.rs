//! What is tested, by subject.

mod api;
mod api_faults;
mod bad_input;
mod batch_traces;
mod binaries;
mod buffers;
mod canaries;
mod client;
mod clocks;
mod data;
mod debug;
mod detections;
mod digests;
mod ends;
mod enforcement;
mod enforcers;
mod evasion;
mod expressions;
mod files;
mod filters;
mod hashes;
mod hooks;
mod identity;
mod kept;
mod lists;
mod live;
mod loaders;
mod losses;
mod many;
mod many_functions;
mod matrix;
mod network;
mod operations;
mod overrides;
mod own_api;
mod plugin_languages;
mod plugin_registry;
mod plugin_tools;
mod plugins;
mod processes;
mod rates;
mod rehearsals;
mod remote;
mod resolve;
mod returns;
mod sections;
mod service;
mod settings;
mod sinks;
mod spools;
mod stacks;
mod structures;
mod tetra;
mod tracepoints;
mod traces;
mod unreadable;
mod uprobes;
mod usdts;
mod workloads;
mod writes;

use anyhow::Result;

use crate::kernel::Kernel;

/// One test.
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    /// Why this kernel can't run it.
    pub(crate) needs: fn(&Kernel) -> Result<(), String>,
    pub(crate) run: fn(&Kernel) -> Result<()>,
}

/// A scenario for every kernel.
const fn scenario(name: &'static str, run: fn(&Kernel) -> Result<()>) -> Scenario {
    Scenario { name, needs: |_| Ok(()), run }
}

impl Scenario {
    const fn needs(mut self, needs: fn(&Kernel) -> Result<(), String>) -> Self {
        self.needs = needs;
        self
    }
}

/// What depends on the kernel: hooks, what they read, how they enforce, what stays and what is lost.
fn of_the_kernel() -> Vec<Scenario> {
    let subjects = [
        processes::scenarios(),
        hooks::scenarios(),
        returns::scenarios(),
        resolve::scenarios(),
        data::scenarios(),
        detections::scenarios(),
        lists::scenarios(),
        loaders::scenarios(),
        sections::scenarios(),
        hashes::scenarios(),
        tracepoints::scenarios(),
        enforcement::scenarios(),
        enforcers::scenarios(),
        evasion::scenarios(),
        unreadable::scenarios(),
        files::scenarios(),
        writes::scenarios(),
        filters::scenarios(),
        expressions::scenarios(),
        matrix::scenarios(),
        binaries::scenarios(),
        identity::scenarios(),
        workloads::scenarios(),
        rates::scenarios(),
        network::scenarios(),
        stacks::scenarios(),
        structures::scenarios(),
        buffers::scenarios(),
        losses::scenarios(),
        many::scenarios(),
        many_functions::scenarios(),
        ends::scenarios(),
        kept::scenarios(),
        clocks::scenarios(),
        live::scenarios(),
        tetra::scenarios(),
    ];
    subjects.into_iter().flatten().chain(of_programs()).collect()
}

/// What is hooked in programs and done to them.
fn of_programs() -> Vec<Scenario> {
    let subjects = [uprobes::scenarios(), digests::scenarios(), overrides::scenarios(), usdts::scenarios()];
    subjects.into_iter().flatten().collect()
}

/// What depends on the agent alone once an event is there: plugins, canaries, outputs, the API, the command line.
fn of_the_agent() -> Vec<Scenario> {
    let subjects = [
        canaries::scenarios(),
        plugins::scenarios(),
        plugin_tools::scenarios(),
        plugin_languages::scenarios(),
        plugin_registry::scenarios(),
        traces::scenarios(),
        rehearsals::scenarios(),
        sinks::scenarios(),
        batch_traces::scenarios(),
        spools::scenarios(),
        operations::scenarios(),
        api::scenarios(),
        api_faults::scenarios(),
        debug::scenarios(),
        own_api::scenarios(),
        remote::scenarios(),
        service::scenarios(),
        settings::scenarios(),
        client::scenarios(),
        bad_input::scenarios(),
    ];
    subjects.into_iter().flatten().collect()
}

/// Which scenarios to run.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Subjects {
    /// All of them.
    All,
    /// Those that may come out differently on another kernel.
    Kernel,
    /// Those about places of programs, of which newer kernels let more be done.
    Programs,
}

impl Subjects {
    /// What is not run; none if everything is.
    pub(crate) fn left_out(self) -> Option<&'static str> {
        match self {
            Self::All => None,
            Self::Kernel => {
                Some("what another kernel can't change; it is tested on one kernel in qemu and natively")
            }
            Self::Programs => Some("all but places of programs, of which this kernel lets more be done"),
        }
    }
}

/// The scenarios of these subjects.
pub(crate) fn of(subjects: Subjects) -> Vec<Scenario> {
    match subjects {
        Subjects::All => of_the_kernel().into_iter().chain(of_the_agent()).collect(),
        Subjects::Kernel => of_the_kernel(),
        Subjects::Programs => of_programs(),
    }
}
