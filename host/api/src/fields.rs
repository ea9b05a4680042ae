//! Which fields of its events a client wants: Tetragon's `field_filters`.
//!
//! Paths start below the event's own message (`process.binary`), pass through lists, and take what is below them along.
//! If any filter that applies includes fields, the others go; what is excluded goes in any case.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use prost_reflect::{DynamicMessage, FieldDescriptor, MessageDescriptor, ReflectMessage, Value};
use serin_message::reflect;

use crate::filter;
use crate::proto::{EventType, FieldFilter, FieldFilterAction, GetEventsResponse, descriptor};

/// The field filters of one client.
#[derive(Debug, Default)]
pub(crate) struct FieldFilters(Vec<Compiled>);

#[derive(Debug)]
struct Compiled {
    kinds: HashSet<i32>,
    inverted: bool,
    action: FieldFilterAction,
    paths: Paths,
}

/// Paths as a tree: by the name of a field, the paths below it; none below means all of it.
#[derive(Debug, Default, PartialEq, Eq)]
struct Paths(BTreeMap<String, Paths>);

/// Why field filters are refused.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FieldError {
    #[error("field_filters[{index}]: no kind of event has a field `{path}`")]
    Unknown { index: usize, path: String },
    #[error("field_filters[{index}].fields: there are no paths")]
    Empty { index: usize },
    #[error("field_filters[{index}].event_set: there is no kind of event with the number {number}")]
    Kind { index: usize, number: i32 },
    #[error("field_filters[{index}].action: there is no action with the number {number}")]
    Action { index: usize, number: i32 },
}

impl FieldFilters {
    pub(crate) fn compile(filters: &[FieldFilter]) -> Result<Self, FieldError> {
        filters
            .iter()
            .enumerate()
            .map(|(index, filter)| compile(index, filter))
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// The event with the fields that the client wants.
    pub(crate) fn apply(&self, event: Arc<GetEventsResponse>) -> GetEventsResponse {
        let kind = filter::kind(&event);
        let applying: Vec<_> = self.0.iter().filter(|filter| filter.applies(kind)).collect();
        let filtered = if applying.is_empty() { None } else { filtered(&event, &applying) };
        filtered.unwrap_or_else(|| Arc::unwrap_or_clone(event))
    }
}

/// `None` for a message that can't be looked at by names, which this crate does not make.
fn filtered(event: &GetEventsResponse, applying: &[&Compiled]) -> Option<GetEventsResponse> {
    let mut whole = reflect(event)?;
    let field = whole.descriptor().oneofs().next()?.fields().find(|field| whole.has_field(field))?;
    if let Value::Message(message) = whole.get_field_mut(&field) {
        filter_message(message, applying);
    }
    whole.transcode_to().ok()
}

fn filter_message(message: &mut DynamicMessage, applying: &[&Compiled]) {
    let with = |action| applying.iter().filter(move |filter| filter.action == action);
    let mut included = Paths::default();
    with(FieldFilterAction::Include).for_each(|filter| included.merge(&filter.paths));
    if with(FieldFilterAction::Include).next().is_some() {
        keep(message, &included);
    }
    with(FieldFilterAction::Exclude).for_each(|filter| clear(message, &filter.paths));
}

impl Compiled {
    fn applies(&self, kind: EventType) -> bool {
        self.kinds.is_empty() || self.kinds.contains(&kind.into()) != self.inverted
    }
}

impl Paths {
    fn add(&mut self, path: &str) {
        let mut at = self;
        for name in path.split('.') {
            at = at.0.entry(name.into()).or_default();
        }
        // What is added takes all below it along.
        at.0.clear();
    }

    fn merge(&mut self, other: &Paths) {
        for (name, below) in &other.0 {
            match self.0.get_mut(name) {
                None => {
                    self.0.insert(name.clone(), below.copy());
                }
                Some(mine) if mine.0.is_empty() || below.0.is_empty() => mine.0.clear(),
                Some(mine) => mine.merge(below),
            }
        }
    }

    fn copy(&self) -> Paths {
        Paths(self.0.iter().map(|(name, below)| (name.clone(), below.copy())).collect())
    }
}

fn compile(index: usize, filter: &FieldFilter) -> Result<Compiled, FieldError> {
    let written = filter.fields.as_ref().map(|mask| mask.paths.as_slice()).unwrap_or_default();
    if written.is_empty() {
        return Err(FieldError::Empty { index });
    }
    if let Some(&number) = filter.event_set.iter().find(|number| EventType::try_from(**number).is_err()) {
        return Err(FieldError::Kind { index, number });
    }
    let action = FieldFilterAction::try_from(filter.action)
        .map_err(|_| FieldError::Action { index, number: filter.action })?;
    let mut paths = Paths::default();
    for path in written {
        if !events().any(|event| resolves(&event, path)) {
            return Err(FieldError::Unknown { index, path: path.clone() });
        }
        paths.add(path);
    }
    Ok(Compiled {
        kinds: filter.event_set.iter().copied().collect(),
        inverted: filter.invert_event_set.unwrap_or(false),
        action,
        paths,
    })
}

/// The messages of all kinds of events.
fn events() -> impl Iterator<Item = MessageDescriptor> {
    let oneof = descriptor("GetEventsResponse").and_then(|response| response.oneofs().next());
    let fields: Vec<_> = oneof.iter().flat_map(|oneof| oneof.fields()).collect();
    fields.into_iter().filter_map(|field| field.kind().as_message().cloned())
}

fn resolves(message: &MessageDescriptor, path: &str) -> bool {
    let (name, below) = path.split_once('.').map_or((path, None), |(name, below)| (name, Some(below)));
    match (message.get_field_by_name(name), below) {
        (Some(_), None) => true,
        (Some(field), Some(below)) => {
            field.kind().as_message().is_some_and(|message| resolves(message, below))
        }
        (None, _) => false,
    }
}

/// Clears all but these paths.
fn keep(message: &mut DynamicMessage, paths: &Paths) {
    for field in set_fields(message) {
        match paths.0.get(field.name()) {
            None => message.clear_field(&field),
            Some(below) if below.0.is_empty() => {}
            Some(below) => each(message.get_field_mut(&field), |message| keep(message, below)),
        }
    }
}

/// Clears these paths.
fn clear(message: &mut DynamicMessage, paths: &Paths) {
    for field in set_fields(message) {
        match paths.0.get(field.name()) {
            None => {}
            Some(below) if below.0.is_empty() => message.clear_field(&field),
            Some(below) => each(message.get_field_mut(&field), |message| clear(message, below)),
        }
    }
}

fn set_fields(message: &DynamicMessage) -> Vec<FieldDescriptor> {
    message.fields().map(|(field, _)| field).collect()
}

/// The message in a field, or each of a list.
fn each(value: &mut Value, mut apply: impl FnMut(&mut DynamicMessage)) {
    match value {
        Value::Message(message) => apply(message),
        Value::List(values) => values.iter_mut().for_each(|value| {
            if let Value::Message(message) = value {
                apply(message);
            }
        }),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use prost_types::FieldMask;

    use serin_message::json;

    use super::*;
    use crate::proto::get_events_response::Event as Kind;
    use crate::proto::kprobe_argument::Arg;
    use crate::proto::{KprobeArgument, Process, ProcessExec, ProcessKprobe};

    fn process(binary: &str) -> Option<Process> {
        Some(Process { exec_id: "ID".into(), pid: Some(7), binary: binary.into(), ..Process::default() })
    }

    fn exec() -> GetEventsResponse {
        let exec = ProcessExec { process: process("/bin/ls"), parent: process("/bin/sh") };
        GetEventsResponse {
            event: Some(Kind::ProcessExec(exec)),
            node_name: "gull".into(),
            ..GetEventsResponse::default()
        }
    }

    fn kprobe() -> GetEventsResponse {
        let arg = |value| KprobeArgument { arg: Some(Arg::IntArg(value)), label: "fd".into() };
        let kprobe = ProcessKprobe {
            process: process("/bin/ls"),
            function_name: "fd_install".into(),
            args: vec![arg(1), arg(2)],
            ..ProcessKprobe::default()
        };
        GetEventsResponse { event: Some(Kind::ProcessKprobe(kprobe)), ..GetEventsResponse::default() }
    }

    fn filter(action: FieldFilterAction, paths: &[&str]) -> FieldFilter {
        let fields = Some(FieldMask { paths: paths.iter().map(ToString::to_string).collect() });
        FieldFilter { fields, action: action.into(), ..FieldFilter::default() }
    }

    fn applied(filters: &[FieldFilter], event: &GetEventsResponse) -> String {
        json(&FieldFilters::compile(filters).unwrap().apply(Arc::new(event.clone()))).unwrap()
    }

    #[test]
    fn fields_are_included_and_excluded() {
        use FieldFilterAction::{Exclude, Include};
        for (filters, expected) in [
            (
                vec![filter(Include, &["process.pid", "process.binary"])],
                r#"{"process_exec":{"process":{"pid":7,"binary":"/bin/ls"}},"node_name":"gull"}"#,
            ),
            (
                vec![filter(Include, &["process"]), filter(Exclude, &["process.exec_id", "process.pid"])],
                r#"{"process_exec":{"process":{"binary":"/bin/ls"}},"node_name":"gull"}"#,
            ),
            (
                vec![filter(Include, &["process.pid"]), filter(Include, &["parent.binary", "args"])],
                r#"{"process_exec":{"process":{"pid":7},"parent":{"binary":"/bin/sh"}},"node_name":"gull"}"#,
            ),
            (
                vec![filter(Exclude, &["process", "parent.exec_id"])],
                r#"{"process_exec":{"parent":{"pid":7,"binary":"/bin/sh"}},"node_name":"gull"}"#,
            ),
        ] {
            assert_eq!(applied(&filters, &exec()), expected);
        }
    }

    #[test]
    fn paths_pass_through_lists() {
        let expected = r#"{"process_kprobe":{"args":[{"int_arg":1},{"int_arg":2}]}}"#;
        assert_eq!(applied(&[filter(FieldFilterAction::Include, &["args.int_arg"])], &kprobe()), expected);
    }

    #[test]
    fn a_filter_applies_to_its_kinds() {
        let only = |invert| FieldFilter {
            event_set: vec![EventType::ProcessExec.into()],
            invert_event_set: Some(invert),
            ..filter(FieldFilterAction::Include, &["process.pid"])
        };
        let (all, cut) =
            (json(&exec()).unwrap(), r#"{"process_exec":{"process":{"pid":7}},"node_name":"gull"}"#);
        assert_eq!(applied(&[only(false)], &exec()), cut);
        assert_eq!(applied(&[only(true)], &exec()), all);
        assert_eq!(applied(&[only(false)], &kprobe()), json(&kprobe()).unwrap());
    }

    #[test]
    fn unknown_fields_are_refused() {
        for (paths, expected) in [
            (&["proces"][..], "field_filters[0]: no kind of event has a field `proces`"),
            (
                &["process.pid", "process.pid.x"],
                "field_filters[0]: no kind of event has a field `process.pid.x`",
            ),
            (&[], "field_filters[0].fields: there are no paths"),
        ] {
            let error = FieldFilters::compile(&[filter(FieldFilterAction::Include, paths)]).err().unwrap();
            assert_eq!(error.to_string(), expected);
        }
    }
}
