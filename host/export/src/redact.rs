//! Secrets that a sink does not get: what regular expressions find in arguments becomes `*****`.
//!
//! What Tetragon's redaction filters do, for each sink by itself. Arguments of processes are looked at joined by spaces, so
//! that `--password (\S+)` finds a value that is an argument of its own; arguments of hooks each by themselves.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use regex::Regex;
use serde::{Deserialize, Deserializer};
use serin_config::{Glob, scalar};
use serin_event::argument::Argument;
use serin_event::{Event, EventKind, Process};

/// What stands in a secret's place.
const HIDDEN: &str = "*****";

/// An entry of `redact`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Redaction {
    /// What the groups of these find is hidden.
    #[serde(deserialize_with = "patterns")]
    patterns: Vec<Regex>,
    /// Only in processes whose program has one of these paths; in all if there are none.
    #[serde(default)]
    binaries: Vec<Glob>,
}

/// Equal if they are written alike.
impl PartialEq for Redaction {
    fn eq(&self, other: &Self) -> bool {
        self.patterns.iter().map(Regex::as_str).eq(other.patterns.iter().map(Regex::as_str))
            && self.binaries == other.binaries
    }
}

impl Eq for Redaction {}

/// The event without what these find.
pub(crate) fn redact<'e>(event: &'e Event, redactions: &[Redaction]) -> Cow<'e, Event> {
    let mut event = Cow::Borrowed(event);
    let process = event.process.as_ref().and_then(|process| of_process(process, redactions));
    if let Some(process) = process {
        event.to_mut().process = Some(Arc::new(process));
    }
    let parent = event.parent.as_ref().and_then(|parent| of_process(parent, redactions));
    if let Some(parent) = parent {
        event.to_mut().parent = Some(Arc::new(parent));
    }
    let binary = event.process.as_ref().map_or("", |process| &*process.binary);
    if let Some(kind) = of_kind(&event.kind, binary, redactions) {
        event.to_mut().kind = kind;
    }
    event
}

/// The process without secrets in its arguments, if there are any.
fn of_process(process: &Process, redactions: &[Redaction]) -> Option<Process> {
    let joined = process.arguments.join(" ");
    let found = find(&joined, &process.binary, redactions);
    if found.is_empty() {
        return None;
    }
    let mut start = 0;
    let hide_in = |argument: &String| {
        let place = start..start + argument.len();
        start = place.end + 1;
        let within = found.iter().filter_map(|range| intersection(range, &place));
        hide(argument, within.map(|range| range.start - place.start..range.end - place.start))
    };
    let arguments = process.arguments.iter().map(hide_in).collect();
    Some(Process { arguments, ..process.clone() })
}

/// What happened without secrets in the arguments of a hook, if there are any.
fn of_kind(kind: &EventKind, binary: &str, redactions: &[Redaction]) -> Option<EventKind> {
    let hook = kind.hook()?;
    let hidden = |argument: &Argument| match argument {
        Argument::String(text) => {
            let found = find(text, binary, redactions);
            (!found.is_empty()).then(|| Argument::String(hide(text, found.into_iter())))
        }
        _ => None,
    };
    let changes: Vec<_> =
        hook.arguments.iter().chain(&hook.data).map(|(argument, _)| hidden(argument)).collect();
    if changes.iter().all(Option::is_none) {
        return None;
    }
    let mut kind = kind.clone();
    let hook = match &mut kind {
        EventKind::Kprobe(hook) => Some(hook),
        EventKind::Alert(finding) => match &mut finding.trigger {
            EventKind::Kprobe(hook) => Some(hook),
            _ => None,
        },
        _ => None,
    }?;
    for ((argument, _), change) in hook.arguments.iter_mut().chain(&mut hook.data).zip(changes) {
        if let Some(change) = change {
            *argument = change;
        }
    }
    Some(kind)
}

/// Where the secrets of a text are: in order, and apart from each other.
fn find(text: &str, binary: &str, redactions: &[Redaction]) -> Vec<Range<usize>> {
    let applies = |redaction: &&Redaction| {
        redaction.binaries.is_empty() || redaction.binaries.iter().any(|glob| glob.matches(binary))
    };
    let patterns = redactions.iter().filter(applies).flat_map(|redaction| &redaction.patterns);
    let mut found: Vec<Range<usize>> = Vec::new();
    for captures in patterns.flat_map(|pattern| pattern.captures_iter(text)) {
        // The first is the whole match.
        found.extend(captures.iter().skip(1).flatten().map(|group| group.range()));
    }
    found.retain(|range| !range.is_empty());
    found.sort_by_key(|range| range.start);
    found.dedup_by(|next, before| {
        let overlaps = next.start < before.end;
        if overlaps {
            before.end = before.end.max(next.end);
        }
        overlaps
    });
    found
}

fn intersection(one: &Range<usize>, other: &Range<usize>) -> Option<Range<usize>> {
    let both = one.start.max(other.start)..one.end.min(other.end);
    (!both.is_empty()).then_some(both)
}

/// The text with something else at these places.
fn hide(text: &str, places: impl Iterator<Item = Range<usize>>) -> String {
    let mut hidden = String::with_capacity(text.len());
    let mut end = 0;
    for place in places {
        hidden.push_str(text.get(end..place.start).unwrap_or_default());
        hidden.push_str(HIDDEN);
        end = place.end;
    }
    hidden.push_str(text.get(end..).unwrap_or_default());
    hidden
}

fn patterns<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Regex>, D::Error> {
    struct Pattern(Regex);

    impl<'de> Deserialize<'de> for Pattern {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            scalar(deserializer, |text| {
                let regex = Regex::new(text)
                    .map_err(|error| format!("`{text}` is not a regular expression: {error}"))?;
                if regex.captures_len() < 2 {
                    return Err(format!(
                        "`{text}` hides nothing: put what is to be hidden in parentheses, like `--password (\\S+)`"
                    ));
                }
                Ok(Self(regex))
            })
        }
    }

    let patterns = Vec::<Pattern>::deserialize(deserializer)?;
    if patterns.is_empty() {
        return Err(serde::de::Error::custom("`patterns` is empty: write a regular expression"));
    }
    Ok(patterns.into_iter().map(|Pattern(regex)| regex).collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use serin_event::argument::File;

    use super::*;
    use crate::testing::{event, hit};

    fn redactions(yaml: &str) -> Vec<Redaction> {
        serde_yaml::from_str(yaml).unwrap()
    }

    fn process(binary: &str, arguments: &[&str]) -> Arc<Process> {
        let arguments = arguments.iter().map(ToString::to_string).collect();
        Arc::new(Process { binary: binary.into(), arguments, ..Process::default() })
    }

    #[test]
    fn what_groups_find_is_hidden_and_nothing_else() {
        for (patterns, arguments, expected) in [
            (
                r"['--password[ =](\S+)']",
                &["--password", "x1", "--user", "u"][..],
                &["--password", "*****", "--user", "u"][..],
            ),
            (r"['--password[ =](\S+)']", &["--password=x1"], &["--password=*****"]),
            (r"['--password[ =](\S+)']", &["--pass", "x1"], &["--pass", "x1"]),
            // Several groups, several matches, several patterns, one within the other.
            (r"['(\w+):(\w+)@']", &["a:b@h", "c:d@h"], &["*****:*****@h", "*****:*****@h"]),
            (r"['token=(\w+)', 'en=(\w)\w']", &["token=abc"], &["token=*****"]),
            // A group over several arguments hides its part of each.
            (r"['-k (.*) -z']", &["-k", "a", "b c", "-z"], &["-k", "*****", "*****", "-z"]),
            (r"['é(.)é']", &["éüé"], &["é*****é"]),
            (r"['x(y)?']", &["x"], &["x"]),
        ] {
            let redactions = redactions(&format!("[{{ patterns: {patterns} }}]"));
            let event = Event { process: Some(process("/bin/a", arguments)), ..event(EventKind::Exec) };
            let redacted = redact(&event, &redactions);
            assert_eq!(redacted.process.as_ref().unwrap().arguments, expected, "{patterns}");
            assert_eq!(matches!(redacted, Cow::Borrowed(_)), arguments == expected, "{patterns}");
        }
    }

    #[test]
    fn only_processes_of_these_programs() {
        let redactions = redactions("[{ patterns: ['-p(.*)'], binaries: ['*/mysql'] }]");
        let event = Event {
            process: Some(process("/usr/bin/mysql", &["-px"])),
            parent: Some(process("/bin/sh", &["-px"])),
            ..event(EventKind::Exec)
        };
        let redacted = redact(&event, &redactions);
        assert_eq!(redacted.process.as_ref().unwrap().arguments, ["-p*****"]);
        assert_eq!(redacted.parent.as_ref().unwrap().arguments, ["-px"]);
    }

    #[test]
    fn strings_of_hooks_are_hidden_also_within_alerts() {
        let redactions = redactions("[{ patterns: ['key=(.*)'] }]");
        let mut hit = hit("p");
        let EventKind::Kprobe(hook) = &mut hit.kind else { unreachable!() };
        let file = File { path: "key=1".into(), ..File::default() };
        hook.arguments = [Argument::String("key=1".into()), Argument::Int(1), Argument::File(file)]
            .map(|argument| (argument, "".into()))
            .into();
        hook.data = vec![(Argument::String("key=2".into()), "".into())];
        let first = |kind: &EventKind| kind.hook().unwrap().arguments[0].0.clone();
        let redacted = redact(&hit, &redactions);
        assert_eq!(first(&redacted.kind), Argument::String("key=*****".into()));
        assert_eq!(redacted.kind.hook().unwrap().data[0].0, Argument::String("key=*****".into()));
        assert_eq!(redacted.kind.hook().unwrap().arguments[1..], hit.kind.hook().unwrap().arguments[1..]);
    }

    #[test]
    fn refuses_patterns_that_hide_nothing() {
        for (yaml, message) in [
            ("[{ patterns: ['abc'] }]", "`abc` hides nothing: put what is to be hidden in parentheses"),
            ("[{ patterns: ['('] }]", "`(` is not a regular expression"),
            ("[{ patterns: [] }]", "`patterns` is empty"),
            ("[{ binaries: ['*'] }]", "missing field `patterns`"),
            ("[{ patterns: ['(a)'], match: [] }]", "unknown field `match`"),
        ] {
            let error = serde_yaml::from_str::<Vec<Redaction>>(yaml).unwrap_err().to_string();
            assert!(error.contains(message), "{yaml}: {error}");
        }
    }
}
