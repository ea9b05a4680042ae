//! Which events a plugin gets, decided natively.

use serde::{Deserialize, Deserializer};
use serin_config::{Glob, scalar};
use serin_event::{Event, EventKind, Place};
use serin_frame::Kind;

/// Kinds and policies of events; what is left out doesn't restrict.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct EventFilter {
    /// Kinds; empty: all, or those of policies' hooks alone if policies are named.
    #[serde(deserialize_with = "kinds")]
    pub kinds: Vec<Kind>,
    /// Policies; empty: all. Restricts the events of policies' hooks only.
    pub policies: Vec<Glob>,
}

impl EventFilter {
    /// Whether what it says makes sense.
    pub(crate) fn check(&self) -> Result<(), String> {
        let has_hooks = self.kinds.iter().any(|kind| Kind::HOOKS.contains(kind));
        if !self.policies.is_empty() && !self.kinds.is_empty() && !has_hooks {
            return Err("policies restrict the events of policies' hooks, but kinds leaves those out: \
                        add process_kprobe to kinds or remove policies"
                .to_owned());
        }
        Ok(())
    }

    /// Whether an event passes.
    pub fn matches(&self, event: &Event) -> bool {
        let kind = kind_of(&event.kind);
        let wanted = match (self.kinds.as_slice(), self.policies.as_slice()) {
            ([], []) => return true,
            ([], _) => Kind::HOOKS.contains(&kind),
            (kinds, _) => kinds.contains(&kind),
        };
        wanted && self.policy_matches(event)
    }

    fn policy_matches(&self, event: &Event) -> bool {
        match &event.kind {
            EventKind::Kprobe(hook) if !self.policies.is_empty() => {
                self.policies.iter().any(|policy| policy.matches(&hook.policy_name))
            }
            _ => true,
        }
    }
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
pub(crate) fn parse_kind(name: &str) -> Result<Kind, String> {
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
