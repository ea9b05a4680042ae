//! Events for the eye: one short line each, after the manner of `tetra getevents -o compact`.

mod colour;
mod label;

use std::fmt::{self, Display};
use std::io::Write as _;
use std::net::{IpAddr, SocketAddr};

use serin_event::action::{Action, ActionResult, Answer, Outcome};
use serin_event::argument::Argument;
use serin_event::kernel_object::{BpfMap, BpfProgram, Module, PerfEvent};
use serin_event::names::{self, CAPABILITIES};
use serin_event::network::{Address, FAMILIES, PROTOCOLS, Tuple, name};
use serin_event::structure::Structure;
use serin_event::{Alert, Event, EventKind, Hook, Severity, signal};

use self::colour::{Colour, Painted};

/// An event on one line, without a newline.
pub fn compact(event: &Event, colours: bool) -> String {
    Line { event, colours }.to_string()
}

/// Appends an event and a newline.
pub(crate) fn write(event: &Event, colours: bool, out: &mut Vec<u8>) {
    // A Vec takes everything.
    let _ = writeln!(out, "{}", Line { event, colours });
}

struct Line<'a> {
    event: &'a Event,
    colours: bool,
}

impl Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let event = self.event;
        write!(f, "{} ", self.paint(Colour::Blue, label::of(&event.kind)))?;
        write!(f, "{}", self.paint(Colour::Green, Text(&event.node_name)))?;
        if let Some(process) = &event.process {
            write!(f, " {}", self.paint(Colour::Magenta, Text(&process.binary)))?;
        }
        match &event.kind {
            EventKind::Exec => self.arguments(f)?,
            EventKind::Exit { status, signal: 0 } => {
                self.arguments(f)?;
                write!(f, " {}", self.paint(Colour::Yellow, status))?;
            }
            EventKind::Exit { signal, .. } => {
                self.arguments(f)?;
                write!(f, " {}", self.paint(Colour::Red, signal::name(*signal)))?;
            }
            EventKind::Kprobe(hook) => self.hook(hook, f)?,
            EventKind::Loader(mapping) => {
                write!(f, " {} {}", mapping.build_id_text(), Text(&mapping.path))?;
            }
            EventKind::Loss { cpu, count } => write!(f, " {count} records of CPU {cpu}")?,
            EventKind::ActionResult(result) => action_result(result, f)?,
            EventKind::Alert(finding) => {
                let Alert { severity, title, plugin, .. } = &finding.alert;
                write!(f, " {} {} [{plugin}]", self.severity(*severity), Text(title))?;
            }
            EventKind::PluginError(error) => {
                write!(f, " {}: {}", error.plugin, Text(&error.reason))?;
            }
        }
        for alert in &event.alerts {
            write!(f, " 🚨 {} {}", self.severity(alert.severity), Text(&alert.title))?;
        }
        Ok(())
    }
}

impl Line<'_> {
    fn paint<T: Display>(&self, colour: Colour, text: T) -> Painted<T> {
        Painted { text, colour: self.colours.then_some(colour) }
    }

    fn severity(&self, severity: Severity) -> Painted<&'static str> {
        let colour = if severity >= Severity::High { Colour::Red } else { Colour::Yellow };
        self.paint(colour, severity.name())
    }

    fn arguments(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let process = self.event.process.as_deref();
        let arguments = process.map(|process| process.arguments.as_slice()).unwrap_or_default();
        let mut each = arguments.iter();
        each.try_for_each(|argument| write!(f, " {}", self.paint(Colour::Cyan, Text(argument))))
    }

    fn hook(&self, hook: &Hook, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, " {}", Text(&hook.function_name))?;
        for (argument, _) in &hook.arguments {
            f.write_str(" ")?;
            value(argument, f)?;
        }
        if let Some((argument, _)) = &hook.returned {
            f.write_str(" = ")?;
            value(argument, f)?;
        }
        write!(f, " [{}]", Text(&hook.policy_name))?;
        for action in hook.actions.iter() {
            let action = action.strip_prefix("KPROBE_ACTION_").unwrap_or(action);
            if action != "POST" {
                write!(f, " {}", self.paint(Colour::Red, action))?;
            }
        }
        Ok(())
    }
}

fn structure(structure: &Structure, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match structure {
        Structure::Sock(sock) => sides(&sock.tuple, f),
        Structure::Packet(packet) => sides(&packet.tuple, f),
        Structure::Address(Address { addr: Some(addr), port, .. }) => side(*addr, *port, f),
        Structure::Address(address) => f.write_str(&name(FAMILIES, address.family)),
        Structure::UnixAddress(address) => Text(&address.path).fmt(f),
        Structure::Module(Module { name, .. })
        | Structure::BpfProgram(BpfProgram { name, .. })
        | Structure::BpfMap(BpfMap { name, .. })
        | Structure::PerfEvent(PerfEvent { function: name, .. })
        | Structure::NetDevice(name) => Text(name).fmt(f),
        Structure::Credentials(credentials) => write!(f, "euid={}", credentials.effective.0),
        Structure::UserNamespace(namespace) => write!(f, "user:[{}]", namespace.inum),
        Structure::Capability(number) => match u32::try_from(*number) {
            Ok(number) => f.write_str(&names::name(CAPABILITIES, number)),
            Err(_) => number.fmt(f),
        },
        Structure::Syscall { number, is_compat } => {
            write!(f, "{}{number}", if *is_compat { "i386/" } else { "" })
        }
    }
}

/// `TCP 10.0.0.1:80→10.0.0.2:1234`, or only the family if there are no addresses.
fn sides(tuple: &Tuple, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let (Some(from), Some(to)) = (tuple.saddr, tuple.daddr) else {
        return f.write_str(&name(FAMILIES, tuple.family));
    };
    let protocol = name(PROTOCOLS, tuple.protocol);
    write!(f, "{} ", protocol.strip_prefix("IPPROTO_").unwrap_or(&protocol))?;
    side(from, tuple.sport, f)?;
    f.write_str("→")?;
    side(to, tuple.dport, f)
}

fn side(address: IpAddr, port: u16, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    SocketAddr::new(address, port).fmt(f)
}

fn value(argument: &Argument, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match argument {
        Argument::Int(value) => value.fmt(f),
        Argument::Uint(value) => value.fmt(f),
        Argument::Long(value) => value.fmt(f),
        Argument::Size(value) => value.fmt(f),
        Argument::String(value) => Text(value).fmt(f),
        Argument::File(file) => Text(&file.path).fmt(f),
        Argument::Bytes { bytes, .. } => Text(&String::from_utf8_lossy(bytes)).fmt(f),
        Argument::Word(_, word) => f.write_str(word),
        Argument::Structure(value) => structure(value, f),
        Argument::Unreadable(_) => f.write_str("?"),
    }
}

fn action_result(result: &ActionResult, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match &result.request.action {
        Action::Http { url, .. } => write!(f, " {}", Text(url))?,
        Action::Dns { name, record: None } => write!(f, " {}", Text(name))?,
        Action::Dns { name, record: Some(record) } => write!(f, " {} {}", record.name(), Text(name))?,
    }
    match &result.outcome {
        Outcome::HttpStatus(status) => write!(f, ": {status}"),
        Outcome::Resolved(answers) if answers.is_empty() => write!(f, ": no address"),
        Outcome::Resolved(answers) => {
            f.write_str(":")?;
            answers.iter().try_for_each(|answer| match answer {
                Answer::Address(address) => write!(f, " {address}"),
                Answer::Text(text) => write!(f, " {text:?}"),
            })
        }
        Outcome::Suppressed(reason) => write!(f, ": suppressed, {reason}"),
        Outcome::Failed(reason) => write!(f, ": failed, {}", Text(reason)),
    }
}

/// A string for a terminal: quoted and escaped if it holds anything that is not plain text, or a space.
struct Text<'a>(&'a str);

impl Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plain = |c: char| matches!(c, '\'' | '"' | '\\') || (c != ' ' && c.escape_debug().len() == 1);
        if !self.0.is_empty() && self.0.chars().all(plain) {
            f.write_str(self.0)
        } else {
            write!(f, "{:?}", self.0)
        }
    }
}

#[cfg(test)]
mod tests;
