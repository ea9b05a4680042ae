//! Fields of events, by the names that rules give them.

use std::fmt;

use serin_plugin::{ArgumentValue, ArgumentView, EventView, ProcessView};

/// A value of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Value<'a> {
    Text(&'a str),
    Number(i128),
}

impl fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Number(number) => number.fmt(f),
        }
    }
}

/// A field. Some have several values, or none.
#[derive(Debug)]
pub(crate) enum Field {
    Kind,
    Node,
    Process(OfProcess),
    Parent(OfProcess),
    Policy,
    Function,
    Message,
    Tag,
    Action,
    /// Any argument of the hook.
    Arg,
    /// The argument at this index.
    ArgAt(usize),
    /// The argument with this label.
    ArgNamed(String),
    ExitStatus,
    ExitSignal,
    /// The annotation with this key.
    Annotation(String),
    AlertRule,
    AlertTitle,
    AlertPlugin,
    /// 0 info to 4 critical.
    AlertSeverity,
}

/// A field of a process.
#[derive(Debug, Clone, Copy)]
pub(crate) enum OfProcess {
    Binary,
    /// The last part of the binary's path.
    Name,
    /// Each of `argv[1..]`.
    Argument,
    Cwd,
    Cgroup,
    Uid,
    Auid,
    Pid,
}

const KNOWN: &str = "kind, node, process.{binary,name,argument,cwd,cgroup,uid,auid,pid}, parent.{the same}, policy, \
                     function, message, tag, action, arg, arg.N, arg.LABEL, exit.status, exit.signal, \
                     annotation.KEY, alert.{rule,title,plugin,severity}";

impl Field {
    /// # Errors
    /// If there is no such field; the message names all.
    pub(crate) fn parse(name: &str) -> Result<Self, String> {
        let unknown = || format!("`{name}` is no field: write one of {KNOWN}");
        Ok(match name.split_once('.') {
            None => match name {
                "kind" => Self::Kind,
                "node" => Self::Node,
                "policy" => Self::Policy,
                "function" => Self::Function,
                "message" => Self::Message,
                "tag" => Self::Tag,
                "action" => Self::Action,
                "arg" => Self::Arg,
                _ => return Err(unknown()),
            },
            Some(("process", field)) => Self::Process(OfProcess::parse(field).ok_or_else(unknown)?),
            Some(("parent", field)) => Self::Parent(OfProcess::parse(field).ok_or_else(unknown)?),
            Some((_, "")) => return Err(unknown()),
            Some(("arg", which)) => match which.parse() {
                Ok(index) => Self::ArgAt(index),
                Err(_) => Self::ArgNamed(which.to_owned()),
            },
            Some(("annotation", key)) => Self::Annotation(key.to_owned()),
            Some(("exit", "status")) => Self::ExitStatus,
            Some(("exit", "signal")) => Self::ExitSignal,
            Some(("alert", "rule")) => Self::AlertRule,
            Some(("alert", "title")) => Self::AlertTitle,
            Some(("alert", "plugin")) => Self::AlertPlugin,
            Some(("alert", "severity")) => Self::AlertSeverity,
            _ => return Err(unknown()),
        })
    }

    /// Whether its values are always numbers; an argument of a hook can be either, and counts as a text.
    pub(crate) fn is_number(&self) -> bool {
        match self {
            Self::Process(field) | Self::Parent(field) => {
                matches!(field, OfProcess::Uid | OfProcess::Auid | OfProcess::Pid)
            }
            Self::ExitStatus | Self::ExitSignal | Self::AlertSeverity => true,
            _ => false,
        }
    }

    /// Whether any of the field's values passes the test.
    pub(crate) fn any<'a>(&self, event: &EventView<'a>, mut test: impl FnMut(Value<'a>) -> bool) -> bool {
        let text = Value::Text;
        match self {
            Self::Kind => test(text(event.kind().name())),
            Self::Node => test(text(event.node_name())),
            Self::Process(field) => event.process().is_some_and(|process| field.any(&process, test)),
            Self::Parent(field) => event.parent().is_some_and(|parent| field.any(&parent, test)),
            Self::Policy => event.kprobe().is_some_and(|hook| test(text(hook.policy_name()))),
            Self::Function => event.kprobe().is_some_and(|hook| test(text(hook.function_name()))),
            Self::Message => hook(event).is_some_and(|hook| test(text(hook.message()))),
            Self::Tag => hook(event).is_some_and(|hook| hook.tags().map(text).any(test)),
            Self::Action => hook(event).is_some_and(|hook| hook.actions().map(text).any(test)),
            Self::Arg => arguments(event).filter_map(|argument| value(&argument)).any(test),
            Self::ArgAt(index) => {
                arguments(event).nth(*index).and_then(|argument| value(&argument)).is_some_and(test)
            }
            Self::ArgNamed(label) => arguments(event)
                .filter(|argument| argument.label() == label)
                .filter_map(|argument| value(&argument))
                .any(test),
            Self::ExitStatus => event.exit().is_some_and(|exit| test(Value::Number(exit.status().into()))),
            Self::ExitSignal => event.exit().is_some_and(|exit| test(Value::Number(exit.signal().into()))),
            Self::Annotation(key) => event
                .annotations()
                .filter(|annotation| annotation.key() == key)
                .any(|annotation| test(text(annotation.value()))),
            Self::AlertRule => event.alert().is_some_and(|alert| test(text(alert.rule()))),
            Self::AlertTitle => event.alert().is_some_and(|alert| test(text(alert.title()))),
            Self::AlertPlugin => event.alert().is_some_and(|alert| test(text(alert.plugin()))),
            Self::AlertSeverity => {
                event.alert().is_some_and(|alert| test(Value::Number(alert.severity_code().into())))
            }
        }
    }
}

impl OfProcess {
    fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "binary" => Self::Binary,
            "name" => Self::Name,
            "argument" => Self::Argument,
            "cwd" => Self::Cwd,
            "cgroup" => Self::Cgroup,
            "uid" => Self::Uid,
            "auid" => Self::Auid,
            "pid" => Self::Pid,
            _ => return None,
        })
    }

    fn any<'a>(self, process: &ProcessView<'a>, mut test: impl FnMut(Value<'a>) -> bool) -> bool {
        match self {
            Self::Binary => test(Value::Text(process.binary())),
            Self::Name => {
                let binary = process.binary();
                test(Value::Text(binary.rsplit_once('/').map_or(binary, |(_, name)| name)))
            }
            Self::Argument => process.arguments().map(Value::Text).any(test),
            Self::Cwd => test(Value::Text(process.cwd())),
            Self::Cgroup => test(Value::Text(process.cgroup())),
            Self::Uid => test(Value::Number(process.uid().into())),
            Self::Auid => test(Value::Number(process.auid().into())),
            Self::Pid => test(Value::Number(process.pid().into())),
        }
    }
}

fn hook<'a>(event: &EventView<'a>) -> Option<serin_plugin::HookView<'a>> {
    event.kprobe().and_then(|kprobe| kprobe.hook())
}

fn arguments<'a>(event: &EventView<'a>) -> impl Iterator<Item = ArgumentView<'a>> + use<'a> {
    event.kprobe().map(|kprobe| kprobe.arguments()).into_iter().flatten()
}

fn value<'a>(argument: &ArgumentView<'a>) -> Option<Value<'a>> {
    match argument.value() {
        ArgumentValue::Int(number) => Some(Value::Number(number.into())),
        ArgumentValue::Uint(number) => Some(Value::Number(number.into())),
        ArgumentValue::Long(number) => Some(Value::Number(number.into())),
        ArgumentValue::Size(number) => Some(Value::Number(number.into())),
        _ => argument.as_str().map(Value::Text),
    }
}
