//! Which events a sink gets.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Deserializer};
use serin_config::{Glob, scalar};
use serin_event::{Event, EventKind, Severity};
use serin_message::cel::Expression;

/// `allow` and `deny` of a sink: events that one of `allow` matches, or all if there is none, less those that one of
/// `deny` matches.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// What passes; all if empty.
    pub allow: Vec<EventFilter>,
    /// What does not pass even so.
    pub deny: Vec<EventFilter>,
}

impl Filter {
    /// Whether an event passes.
    pub fn passes(&self, event: &Event) -> bool {
        let message = Message::default();
        let among = |filters: &[EventFilter]| filters.iter().any(|filter| filter.matches(event, &message));
        (self.allow.is_empty() || among(&self.allow)) && !among(&self.deny)
    }
}

/// An entry of `allow` or `deny`: all that it says must hold, and of each list one value.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Fields")]
pub struct EventFilter(Fields);

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct Fields {
    /// Kinds of events.
    #[serde(deserialize_with = "kinds")]
    kinds: Vec<&'static str>,
    /// Names of policies; events that are of no policy don't match.
    policies: Vec<Glob>,
    /// Paths of the process's program.
    binaries: Vec<Glob>,
    /// Values of annotations by their key; an event without the key does not match.
    annotations: BTreeMap<String, Vec<Glob>>,
    /// The least severity of an alert on the event.
    #[serde(deserialize_with = "severity")]
    severity: Option<Severity>,
    /// What must hold, in the Common Expression Language, as clients of the API write it.
    cel: Option<Cel>,
}

/// An expression, which is what it was written as.
#[derive(Debug, Clone)]
struct Cel {
    source: String,
    expression: Arc<Expression>,
}

impl PartialEq for Cel {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
    }
}

impl Eq for Cel {}

impl<'de> Deserialize<'de> for Cel {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        scalar(deserializer, |text| {
            let expression = Expression::compile(text)
                .map_err(|error| format!("the expression can't be used: {error}"))?;
            Ok::<_, String>(Self { source: text.to_owned(), expression: Arc::new(expression) })
        })
    }
}

/// An event as expressions see it, made once one asks.
#[derive(Default)]
struct Message(OnceCell<Option<serin_message::Reflected>>);

impl Message {
    fn of(&self, event: &Event) -> Option<&serin_message::Reflected> {
        self.0.get_or_init(|| serin_message::reflect(&serin_message::to_message(event))).as_ref()
    }
}

impl TryFrom<Fields> for EventFilter {
    type Error = &'static str;

    fn try_from(fields: Fields) -> Result<Self, Self::Error> {
        if fields == Fields::default() {
            return Err("an empty filter: name kinds, policies, binaries, annotations, a severity or cel");
        }
        Ok(Self(fields))
    }
}

impl EventFilter {
    fn matches(&self, event: &Event, message: &Message) -> bool {
        let Self(Fields { kinds, policies, binaries, annotations, severity, cel }) = self;
        (kinds.is_empty() || kinds.contains(&event.kind.name()))
            && (policies.is_empty() || policy(event).is_some_and(|name| any(policies, name)))
            && (binaries.is_empty() || binary(event).is_some_and(|path| any(binaries, path)))
            && annotations.iter().all(|(key, values)| annotated(event, key, values))
            && severity.is_none_or(|least| event.severity().is_some_and(|severity| severity >= least))
            && cel.as_ref().is_none_or(|cel| message.of(event).is_some_and(|it| cel.expression.matches(it)))
    }
}

fn any(globs: &[Glob], text: &str) -> bool {
    globs.iter().any(|glob| glob.matches(text))
}

fn policy(event: &Event) -> Option<&str> {
    match &event.kind {
        EventKind::Kprobe(_) | EventKind::Alert(_) => event.kind.hook().map(|hook| &*hook.policy_name),
        EventKind::ActionResult(result) => match &result.request.source {
            serin_event::action::Source::Policy(name) => Some(name),
            serin_event::action::Source::Plugin(_) => None,
        },
        EventKind::Exec
        | EventKind::Exit { .. }
        | EventKind::Loader(_)
        | EventKind::Loss { .. }
        | EventKind::PluginError(_) => None,
    }
}

fn binary(event: &Event) -> Option<&str> {
    event.process.as_ref().map(|process| process.binary.as_str())
}

fn annotated(event: &Event, key: &str, values: &[Glob]) -> bool {
    let mut found = event.annotations.iter().filter(|annotation| &*annotation.key == key);
    found.any(|annotation| any(values, &annotation.value))
}

fn kinds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<&'static str>, D::Error> {
    struct Kind(&'static str);

    impl<'de> Deserialize<'de> for Kind {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            scalar(deserializer, |text| {
                let known = EventKind::NAMES.iter().find(|name| **name == text).copied();
                known.map(Self).ok_or_else(|| {
                    let known = EventKind::NAMES.join(", ");
                    format!("`{text}` is not a kind of event: write one of {known}")
                })
            })
        }
    }

    Ok(Vec::<Kind>::deserialize(deserializer)?.into_iter().map(|Kind(name)| name).collect())
}

fn severity<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Severity>, D::Error> {
    scalar(deserializer, |text| {
        let known = Severity::ALL.into_iter().find(|severity| severity.name() == text);
        known.map(Some).ok_or_else(|| {
            let known = Severity::ALL.map(Severity::name).join(", ");
            format!("`{text}` is not a severity: write one of {known}")
        })
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::sync::Arc;

    use serin_event::{Alert, Annotation, Process};

    use super::*;
    use crate::testing::{hit, loss};

    fn filter(yaml: &str) -> Result<EventFilter, String> {
        serde_yaml::from_str(yaml).map_err(|error| error.to_string())
    }

    /// A hit of policy `sys-open` by /usr/bin/ln, annotated and alerted.
    fn rich() -> Event {
        let mut event = hit("sys-open");
        event.process = Some(Arc::new(Process { binary: "/usr/bin/ln".into(), ..Process::default() }));
        let plugin = Arc::<str>::from("p");
        event.annotations.push(Annotation {
            plugin: Arc::clone(&plugin),
            key: "container.runtime".into(),
            value: "docker".into(),
        });
        event.alerts.push(Alert {
            plugin,
            severity: Severity::Medium,
            title: String::new(),
            rule: String::new(),
            techniques: Vec::new(),
            key: String::new(),
            fields: Vec::new(),
        });
        event
    }

    #[test]
    fn every_field_restricts() {
        for (yaml, matches_hit, matches_loss) in [
            ("kinds: [process_kprobe]", true, false),
            ("kinds: [loss, process_exec]", false, true),
            ("policies: [sys-*]", true, false),
            ("policies: [net-*, sys-open]", true, false),
            ("policies: [sys-close]", false, false),
            ("binaries: [/usr/bin/*]", true, false),
            ("binaries: [/bin/*]", false, false),
            ("annotations: { container.runtime: [containerd, docker] }", true, false),
            ("annotations: { container.runtime: [podman] }", false, false),
            ("annotations: { kubernetes.namespace: ['*'] }", false, false),
            ("severity: medium", true, false),
            ("severity: high", false, false),
            ("cel: \"process_kprobe.policy_name == 'sys-open'\"", true, false),
            ("cel: process_kprobe.process.binary.startsWith('/usr/') || loss.count == 1u", true, true),
            ("{ kinds: [loss], cel: has(process_kprobe.process) || has(loss.count) }", false, true),
            ("{ policies: [sys-close], cel: has(process_kprobe.process) }", false, false),
            ("{ kinds: [process_kprobe], policies: [sys-close] }", false, false),
            ("{ kinds: [process_kprobe], severity: low }", true, false),
        ] {
            let filter = filter(yaml).unwrap();
            assert_eq!(
                [rich(), loss(1)].map(|event| filter.matches(&event, &Message::default())),
                [matches_hit, matches_loss],
                "{yaml}"
            );
        }
    }

    #[test]
    fn deny_goes_over_allow() {
        let [hits, sys] = ["kinds: [process_kprobe]", "policies: [sys-*]"].map(|yaml| filter(yaml).unwrap());
        for (allow, deny, expected) in [
            (vec![], vec![], [true, true, true]),
            (vec![hits.clone()], vec![], [true, true, false]),
            (vec![], vec![sys.clone()], [false, true, true]),
            (vec![hits.clone()], vec![sys.clone()], [false, true, false]),
            (vec![sys.clone(), hits], vec![], [true, true, false]),
            (vec![sys.clone()], vec![sys], [false, false, false]),
        ] {
            let filter = Filter { allow, deny };
            let passes = [hit("sys-open"), hit("net-send"), loss(1)].map(|event| filter.passes(&event));
            assert_eq!(passes, expected, "{filter:?}");
        }
    }

    #[test]
    fn refuses_what_matches_nothing_or_everything() {
        for (yaml, message) in [
            ("{}", "an empty filter: name kinds, policies"),
            ("kinds: [process_exce]", "`process_exce` is not a kind of event: write one of process_exec"),
            ("policies: ['']", "an empty pattern matches nothing"),
            ("severity: bad", "`bad` is not a severity: write one of info, low, medium, high, critical"),
            (
                "cel: process_exec.process.bad == 1",
                "can't be used: 1:1: `tetragon.Process` has no field `bad`",
            ),
            ("kind: [loss]", "unknown field `kind`, expected one of `kinds`"),
        ] {
            let error = filter(yaml).unwrap_err();
            assert!(error.contains(message), "{yaml}: {error}");
        }
    }
}
