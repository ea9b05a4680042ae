//! Which events a plugin gets, decided natively.

mod argument;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Deserializer};
use serin_config::{Glob, scalar};
use serin_event::{Event, EventKind, Place, Process};
use serin_frame::Kind;

pub use self::argument::ArgumentPredicate;
use crate::bindings::serin::plugin::types::Subscription;
use crate::error::Reason;
use crate::printable::printable;
use crate::{MAX_PATTERN, MAX_PATTERNS};

/// What events must be; what is left out doesn't restrict.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct EventFilter {
    /// Kinds; empty: all that have what the other fields ask about.
    #[serde(deserialize_with = "kinds")]
    pub kinds: Vec<Kind>,
    /// Policies; empty: all. Restricts the events of policies' hooks only.
    pub policies: Vec<Glob>,
    /// Paths of the programs that processes run; empty: all. Restricts the events that have a process only.
    pub binaries: Vec<Glob>,
    /// Namespaces of the pods that processes run in; empty: all processes, those outside of pods included. Restricts the
    /// events that have a process only.
    pub namespaces: Vec<Glob>,
    /// What arguments must be, each of these. Restricts the events of policies' hooks only.
    pub arguments: Vec<ArgumentPredicate>,
}

impl EventFilter {
    /// What a plugin subscribes to.
    ///
    /// # Errors
    /// If it makes no sense.
    pub(crate) fn of(wanted: &Subscription) -> Result<Self, Reason> {
        let filter = Self::lowered(wanted).map_err(Reason::Subscription)?;
        filter.check().map_err(Reason::Subscription)?;
        Ok(filter)
    }

    fn lowered(wanted: &Subscription) -> Result<Self, String> {
        let globs = |patterns: &[String]| patterns.iter().map(Glob::new).collect();
        let kinds = wanted.kinds.iter().map(|kind| parse_kind(&printable(kind))).collect::<Result<_, _>>()?;
        let arguments = wanted.arguments.iter().map(|argument| ArgumentPredicate {
            index: argument.index as usize,
            field: argument.field.clone(),
            values: globs(&argument.values),
        });
        let mut filter = Self {
            kinds,
            policies: globs(&wanted.policies),
            binaries: globs(&wanted.binaries),
            namespaces: globs(&wanted.namespaces),
            arguments: arguments.collect(),
        };
        if filter.kinds.is_empty() && !filter.asks_about_hooks() {
            // A rule that doesn't expect them would raise alerts on alerts.
            let all = Kind::ALL.iter().filter(|kind| !matches!(kind, Kind::Alert | Kind::PluginError));
            filter.kinds =
                all.filter(|kind| !filter.asks_about_processes() || has_process(**kind)).copied().collect();
        }
        Ok(filter)
    }

    /// Whether what it says makes sense.
    pub(crate) fn check(&self) -> Result<(), String> {
        let named = |kind: &Kind| self.kinds.is_empty() || self.kinds.contains(kind);
        if self.asks_about_hooks() && !Kind::HOOKS.iter().any(named) {
            return Err(
                "policies and arguments restrict the events of policies' hooks, but kinds leaves those out: \
                        add process_kprobe to kinds or remove them"
                    .to_owned(),
            );
        }
        if self.asks_about_processes()
            && !self.kinds.is_empty()
            && !self.kinds.iter().any(|kind| has_process(*kind))
        {
            return Err("binaries and namespaces restrict the events that have a process, but kinds leaves those out: \
                        add process_exec to kinds or remove them"
                .to_owned());
        }
        if self.arguments.iter().any(|argument| argument.values.is_empty()) {
            return Err("an argument without values is never met: write at least one, `*` for all".to_owned());
        }
        self.check_size()
    }

    /// Each event is compared with each pattern, at the host's expense.
    fn check_size(&self) -> Result<(), String> {
        let arguments = self.arguments.iter().flat_map(|argument| &argument.values);
        let lists = [&self.policies, &self.binaries, &self.namespaces];
        let patterns = lists.into_iter().flatten().chain(arguments);
        let count = patterns.clone().count();
        if count > MAX_PATTERNS {
            return Err(format!(
                "{count} patterns: at most {MAX_PATTERNS} are compared before a plugin gets an event; compare more in the plugin"
            ));
        }
        let fields = self.arguments.iter().map(|argument| argument.field.len());
        match patterns.map(|pattern| pattern.pattern().len()).chain(fields).max() {
            Some(length) if length > MAX_PATTERN => {
                Err(format!("a pattern of {length} bytes: write one of at most {MAX_PATTERN}"))
            }
            _ => Ok(()),
        }
    }

    /// Whether an event passes.
    pub fn matches(&self, event: &Event) -> bool {
        self.kind_matches(kind_of(&event.kind))
            && (!self.asks_about_hooks() || self.hook_matches(&event.kind))
            && (!self.asks_about_processes() || self.process_matches(event.process.as_deref()))
    }

    fn kind_matches(&self, kind: Kind) -> bool {
        if self.kinds.is_empty() {
            (!self.asks_about_hooks() || Kind::HOOKS.contains(&kind))
                && (!self.asks_about_processes() || has_process(kind))
        } else {
            self.kinds.contains(&kind)
        }
    }

    fn hook_matches(&self, kind: &EventKind) -> bool {
        let EventKind::Kprobe(hook) = kind else { return true };
        let is_wanted =
            self.policies.is_empty() || self.policies.iter().any(|policy| policy.matches(&hook.policy_name));
        is_wanted && self.arguments.iter().all(|argument| argument.holds(&hook.arguments))
    }

    fn process_matches(&self, process: Option<&Process>) -> bool {
        let Some(process) = process else { return true };
        let namespace = process.pod.as_ref().map(|pod| pod.namespace.as_str());
        (self.binaries.is_empty() || self.binaries.iter().any(|binary| binary.matches(&process.binary)))
            && (self.namespaces.is_empty()
                || namespace
                    .is_some_and(|name| self.namespaces.iter().any(|namespace| namespace.matches(name))))
    }

    fn asks_about_hooks(&self) -> bool {
        !self.policies.is_empty() || !self.arguments.is_empty()
    }

    fn asks_about_processes(&self) -> bool {
        !self.binaries.is_empty() || !self.namespaces.is_empty()
    }
}

/// Whether events of a kind say which process they are about.
fn has_process(kind: Kind) -> bool {
    !matches!(kind, Kind::Loss | Kind::ActionResult | Kind::PluginError)
}

/// The kind of an event, as plugins name it.
pub(crate) fn kind_of(kind: &EventKind) -> Kind {
    match kind {
        EventKind::Exec => Kind::ProcessExec,
        EventKind::Exit { .. } => Kind::ProcessExit,
        EventKind::Kprobe(hook) => match &hook.place {
            Place::Function => Kind::ProcessKprobe,
            Place::Lsm => Kind::ProcessLsm,
            Place::Tracepoint => Kind::ProcessTracepoint,
            Place::Program(_) => Kind::ProcessUprobe,
            Place::Probe(_) => Kind::ProcessUsdt,
        },
        EventKind::Loader(_) => Kind::ProcessLoader,
        EventKind::Loss { .. } => Kind::Loss,
        EventKind::ActionResult(_) => Kind::ActionResult,
        EventKind::Alert(_) => Kind::Alert,
        EventKind::PluginError(_) => Kind::PluginError,
    }
}

/// A kind by its name.
fn parse_kind(name: &str) -> Result<Kind, String> {
    Kind::from_name(name).ok_or_else(|| {
        let known = Kind::ALL.map(Kind::name).join(", ");
        format!("`{name}` is not a kind of event: write one of {known}")
    })
}

fn kinds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Kind>, D::Error> {
    struct Named(Kind);

    impl<'de> Deserialize<'de> for Named {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            scalar(deserializer, parse_kind).map(Self)
        }
    }

    let named = Vec::<Named>::deserialize(deserializer)?;
    Ok(named.into_iter().map(|Named(kind)| kind).collect())
}
