//! Events for the eye: one short line each, after the manner of `tetra getevents -o compact`.

use std::fmt::{self, Display};
use std::io::Write as _;
use std::net::{IpAddr, SocketAddr};

use serin_event::action::{Action, ActionResult, Outcome};
use serin_event::argument::Argument;
use serin_event::kernel_object::{self, BpfMap, BpfProgram, CAPABILITIES, Module, PerfEvent};
use serin_event::network::{Address, FAMILIES, PROTOCOLS, Tuple, name};
use serin_event::structure::Structure;
use serin_event::{Alert, Event, EventKind, Hook, Process, signal};

/// Appends an event and a newline.
pub(crate) fn write(event: &Event, out: &mut Vec<u8>) {
    // A Vec takes everything.
    let _ = writeln!(out, "{}", Line(event));
}

struct Line<'a>(&'a Event);

impl Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let event = self.0;
        let label = match &event.kind {
            EventKind::Exec => "🚀 process",
            EventKind::Exit { .. } => "💥 exit   ",
            EventKind::Kprobe(_) => "🎯 hook   ",
            EventKind::Loss { .. } => "🕳️ loss   ",
            EventKind::ActionResult(_) => "🐤 canary ",
            EventKind::Alert(_) => "🚨 alert  ",
            EventKind::PluginError(_) => "🧩 plugin ",
        };
        write!(f, "{label} {}", Text(&event.node_name))?;
        if let Some(process) = &event.process {
            write!(f, " {}", Text(&process.binary))?;
        }
        match &event.kind {
            EventKind::Exec => arguments(event.process.as_deref(), f)?,
            EventKind::Exit { status, signal: 0 } => {
                arguments(event.process.as_deref(), f)?;
                write!(f, " {status}")?;
            }
            EventKind::Exit { signal, .. } => {
                arguments(event.process.as_deref(), f)?;
                write!(f, " {}", signal::name(*signal))?;
            }
            EventKind::Kprobe(hook) => self.hook(hook, f)?,
            EventKind::Loss { cpu, count } => write!(f, " {count} records of CPU {cpu}")?,
            EventKind::ActionResult(result) => action_result(result, f)?,
            EventKind::Alert(finding) => {
                let Alert { severity, title, plugin, .. } = &finding.alert;
                write!(f, " {} {} [{plugin}]", severity.name(), Text(title))?;
            }
            EventKind::PluginError(error) => {
                write!(f, " {}: {}", error.plugin, Text(&error.reason))?;
            }
        }
        for alert in &event.alerts {
            write!(f, " 🚨 {} {}", alert.severity.name(), Text(&alert.title))?;
        }
        Ok(())
    }
}

impl Line<'_> {
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
                write!(f, " {action}")?;
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
            Ok(number) => f.write_str(&kernel_object::name(CAPABILITIES, number)),
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

fn arguments(process: Option<&Process>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let arguments = process.map(|process| process.arguments.as_slice()).unwrap_or_default();
    arguments.iter().try_for_each(|argument| write!(f, " {}", Text(argument)))
}

fn action_result(result: &ActionResult, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match &result.request.action {
        Action::Http { url, .. } => write!(f, " {}", Text(url))?,
        Action::Dns { name } => write!(f, " {}", Text(name))?,
    }
    match &result.outcome {
        Outcome::HttpStatus(status) => write!(f, ": {status}"),
        Outcome::Resolved(addresses) if addresses.is_empty() => write!(f, ": no address"),
        Outcome::Resolved(addresses) => {
            f.write_str(":")?;
            addresses.iter().try_for_each(|address| write!(f, " {address}"))
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
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::sync::Arc;

    use serin_event::action::{ActionRequest, Source};
    use serin_event::argument::File;
    use serin_event::network::{Packet, Sock, UnixAddress};
    use serin_event::{Finding, Place, PluginError, Severity};

    use super::*;

    fn event(kind: EventKind) -> Event {
        let process = Process {
            binary: "/usr/bin/ln".into(),
            arguments: vec!["-s".into(), "a b".into(), "\x1b[2J".into()],
            ..Process::default()
        };
        Event {
            time: 0,
            node_name: "gull".into(),
            kind,
            process: Some(Arc::new(process)),
            parent: None,
            tid: 0,
            annotations: Vec::new(),
            alerts: Vec::new(),
        }
    }

    fn hook() -> Hook {
        let file = File { path: "/etc/passwd".into(), ..File::default() };
        let arguments = [
            Argument::String("/etc/passwd".into()),
            Argument::Int(-100),
            Argument::File(file),
            Argument::Unreadable("Bad address"),
            Argument::String(String::new()),
        ];
        Hook {
            place: Place::Function,
            function_name: "__x64_sys_symlinkat".into(),
            policy_name: "symlink".into(),
            message: "".into(),
            tags: Arc::new([]),
            arguments: arguments.map(|argument| (argument, "".into())).into(),
            actions: Arc::new(["KPROBE_ACTION_POST", "KPROBE_ACTION_OVERRIDE", "KPROBE_ACTION_SIGKILL"]),
            returned: Some((Argument::Long(-1), "".into())),
            selector: 0,
            failed_closed: false,
            unenforced: false,
        }
    }

    fn result(outcome: Outcome) -> EventKind {
        let action = Action::Dns { name: "abc.o3n.io".into() };
        let request = ActionRequest { source: Source::Plugin("bait".into()), action, exec_id: String::new() };
        EventKind::ActionResult(ActionResult { request, outcome, duration: 0 })
    }

    #[test]
    fn structures_are_short() {
        let tuple = Tuple {
            family: 10,
            protocol: 6,
            saddr: "::1".parse().ok(),
            daddr: "fe80::1".parse().ok(),
            sport: 4000,
            dport: 80,
        };
        let unix = Tuple { family: 1, ..Tuple::default() };
        for (structure, expected) in [
            (Structure::Sock(Sock { tuple, ..Sock::default() }), "TCP [::1]:4000→[fe80::1]:80"),
            (Structure::Packet(Packet { tuple: unix, ..Packet::default() }), "AF_UNIX"),
            (
                Structure::Address(Address { family: 2, addr: "10.0.0.1".parse().ok(), port: 53 }),
                "10.0.0.1:53",
            ),
            (Structure::Address(Address { family: 16, ..Address::default() }), "AF_NETLINK"),
            (Structure::UnixAddress(UnixAddress { family: 1, path: "@a b".into() }), "\"@a b\""),
            (Structure::NetDevice("lo".into()), "lo"),
            (Structure::Credentials(Box::default()), "euid=0"),
            (Structure::Capability(21), "CAP_SYS_ADMIN"),
            (Structure::Capability(-1), "-1"),
        ] {
            let arguments = vec![(Argument::Structure(Box::new(structure)), "".into())];
            let event = event(EventKind::Kprobe(Hook { arguments, returned: None, ..hook() }));
            let line = Line(&event).to_string();
            assert!(line.contains(&format!("symlinkat {expected} [symlink]")), "{line}");
        }
    }

    #[test]
    fn one_line_an_event() {
        let alert = Alert {
            plugin: "bait".into(),
            severity: Severity::High,
            title: "passwd linked".into(),
            rule: String::new(),
            techniques: Vec::new(),
            key: String::new(),
            fields: Vec::new(),
        };
        let alone = |kind| Event { process: None, ..event(kind) };
        let finding = Finding { alert: alert.clone(), trigger: EventKind::Exec };
        let error = PluginError { plugin: "bait".into(), reason: "trapped: \x1b".into(), failures: 1 };
        for (event, expected) in [
            (
                event(EventKind::Alert(Box::new(finding))),
                r#"🚨 alert   gull /usr/bin/ln high "passwd linked" [bait]"#,
            ),
            (alone(EventKind::PluginError(Box::new(error))), r#"🧩 plugin  gull bait: "trapped: \u{1b}""#),
            (event(EventKind::Exec), r#"🚀 process gull /usr/bin/ln -s "a b" "\u{1b}[2J""#),
            (
                event(EventKind::Exit { status: 1, signal: 0 }),
                r#"💥 exit    gull /usr/bin/ln -s "a b" "\u{1b}[2J" 1"#,
            ),
            (
                event(EventKind::Exit { status: 0, signal: 9 }),
                r#"💥 exit    gull /usr/bin/ln -s "a b" "\u{1b}[2J" SIGKILL"#,
            ),
            (
                Event { alerts: vec![alert], ..event(EventKind::Kprobe(hook())) },
                r#"🎯 hook    gull /usr/bin/ln __x64_sys_symlinkat /etc/passwd -100 /etc/passwd ? "" = -1 [symlink] OVERRIDE SIGKILL 🚨 high "passwd linked""#,
            ),
            (alone(EventKind::Loss { cpu: 3, count: 12 }), "🕳️ loss    gull 12 records of CPU 3"),
            (
                alone(result(Outcome::Resolved(vec!["192.0.2.7".parse().unwrap()]))),
                "🐤 canary  gull abc.o3n.io: 192.0.2.7",
            ),
            (alone(result(Outcome::Resolved(Vec::new()))), "🐤 canary  gull abc.o3n.io: no address"),
            (
                alone(result(Outcome::Suppressed("rate limit"))),
                "🐤 canary  gull abc.o3n.io: suppressed, rate limit",
            ),
            (
                alone(result(Outcome::Failed("timed out".into()))),
                r#"🐤 canary  gull abc.o3n.io: failed, "timed out""#,
            ),
            (alone(result(Outcome::HttpStatus(204))), "🐤 canary  gull abc.o3n.io: 204"),
        ] {
            let mut out = Vec::new();
            write(&event, &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), format!("{expected}\n"));
        }
    }

    #[test]
    fn nothing_reaches_the_terminal_but_text() {
        for (text, expected) in [
            ("/bin/ls", "/bin/ls"),
            ("it's", "it's"),
            ("日本/é", "日本/é"),
            ("a\nb", r#""a\nb""#),
            ("\u{9b}2J", r#""\u{9b}2J""#),
            ("\u{202e}txt", r#""\u{202e}txt""#),
            ("\u{2028}", r#""\u{2028}""#),
            ("a b\"c", r#""a b\"c""#),
            ("", r#""""#),
        ] {
            assert_eq!(Text(text).to_string(), expected);
        }
    }
}
