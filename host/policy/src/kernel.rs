//! The kernel that policies are read for, and what they ask of it beside its types: its functions and its trace events.

use serin_btf::{Btf, FormatField, Tracefs, TracefsError};

use crate::suggest::nearest;
use crate::{Diagnostic, Policy, Target, TraceEvent};

/// How to give what another kernel's types do not tell.
pub(crate) const GIVE_TRACEFS: &str = "give a copy of that kernel's tracefs: `--tracefs FOLDER`";

/// The kernel that policies are read for.
#[derive(Clone, Copy)]
pub enum TargetKernel<'k> {
    /// The one that runs here, which is asked by tracefs.
    Running,
    /// Another one, or this one by copies of its files: nothing is asked of the one that runs here.
    Other {
        /// Its types.
        types: &'k Btf,
        /// What has been copied of its tracefs; where that lacks something, the types have to do.
        tracefs: Option<&'k Tracefs>,
    },
}

/// What is known of a trace event's record.
pub(crate) enum Record {
    /// Its fields.
    Fields(Vec<FormatField>),
    /// The fields of an event with its name, by the types: they do not tell of which subsystem it is.
    Named(Vec<FormatField>),
    /// There is no such event; with the names of all, as `subsystem/event`.
    Missing(Vec<String>),
    /// Nothing: why, and the name of an event that may have been meant.
    Untold(String, Option<String>),
}

/// Functions of a kernel, each once, in the order of their names.
pub(crate) struct Functions {
    pub(crate) names: Vec<String>,
    /// They are those that have types, and not those that can be traced.
    pub(crate) guessed: bool,
}

/// What holding a policy against a kernel has found.
#[derive(Debug, Default)]
pub struct Findings {
    /// What is wrong.
    pub wrong: Vec<Diagnostic>,
    /// What could not be told.
    pub untold: Vec<Diagnostic>,
}

impl TargetKernel<'_> {
    /// The functions that the kernel can trace.
    pub(crate) fn functions(self) -> Result<Functions, TracefsError> {
        let of = |tracefs: &Tracefs| Ok(Functions { names: tracefs.functions()?, guessed: false });
        match self {
            Self::Running => of(&Tracefs::open()?),
            Self::Other { tracefs: Some(tracefs), .. } if tracefs.has_functions() => of(tracefs),
            Self::Other { types, .. } => {
                let mut names: Vec<_> = types.functions().map(String::from).collect();
                names.sort_unstable();
                names.dedup();
                Ok(Functions { names, guessed: true })
            }
        }
    }

    /// What the record of a trace event is like.
    pub(crate) fn record(self, event: &TraceEvent) -> Result<Record, TracefsError> {
        match self {
            Self::Running => shown(&Tracefs::open()?, event),
            Self::Other { tracefs: Some(tracefs), .. } if tracefs.has_events() => shown(tracefs, event),
            Self::Other { types, .. } => Ok(by_types(types, event)),
        }
    }
}

fn shown(tracefs: &Tracefs, event: &TraceEvent) -> Result<Record, TracefsError> {
    let format = tracefs.format(&event.subsystem, &event.name)?;
    Ok(format.map_or_else(|| Record::Missing(tracefs.names()), |format| Record::Fields(format.fields)))
}

fn by_types(types: &Btf, event: &TraceEvent) -> Record {
    let TraceEvent { subsystem, name } = event;
    if let Some(fields) = types.record(subsystem, name) {
        return Record::Named(fields);
    }
    if Btf::has_no_records(subsystem) {
        return Record::Untold(format!("the BTF has no structures for events of `{subsystem}`"), None);
    }
    if types.tracepoint(name).is_some() {
        let reason =
            format!("the BTF has no `struct trace_event_raw_{name}`, as for events that share a class");
        return Record::Untold(reason, None);
    }
    let near = nearest(name, types.tracepoints()).map(String::from);
    Record::Untold("the BTF has no tracepoint of this name, and does not have those of modules".into(), near)
}

impl Policy {
    /// What could not be told of another kernel while the policy was read, and was guessed.
    #[must_use]
    pub fn untold(&self) -> &[Diagnostic] {
        &self.untold
    }

    /// That the programs which the policy hooks are not looked at, each once: to be said of a policy for another machine,
    /// whose programs [`Policy::check_programs`] cannot see.
    #[must_use]
    pub fn untold_programs(&self) -> Vec<Diagnostic> {
        let mut seen = vec![];
        let programs = self.plan().hooks.iter().zip(&self.hooks).filter_map(|(hook, places)| {
            let path = match &hook.target {
                Target::Uprobe(probe) => &probe.path,
                Target::Usdt(probe) => &probe.path,
                _ => return None,
            };
            let is_new = !seen.contains(&path);
            seen.push(path);
            is_new.then_some((path, places.call))
        });
        let note = |(path, span)| {
            let message =
                format!("`{path}` was not looked at: what it is may differ where the other kernel runs");
            Diagnostic::new(&self.source, span, message, None)
        };
        programs.map(note).collect()
    }
}
