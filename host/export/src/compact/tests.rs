#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;

use serin_event::action::{ActionRequest, Answer, Source};
use serin_event::argument::File;
use serin_event::network::{Packet, Sock, UnixAddress};
use serin_event::{Finding, Mapping, Place, PluginError, Process};

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
        return_actions: Arc::new([]),
        data: Vec::new(),
        returned: Some((Argument::Long(-1), "".into())),
        selector: 0,
        kernel_stack: Vec::new(),
        user_stack: Vec::new(),
        ima_hash: None,
        failed_closed: false,
        unenforced: false,
    }
}

fn result(outcome: Outcome) -> EventKind {
    let action = Action::Dns { name: "abc.o3n.io".into(), record: None };
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
        (Structure::Address(Address { family: 2, addr: "10.0.0.1".parse().ok(), port: 53 }), "10.0.0.1:53"),
        (Structure::Address(Address { family: 16, ..Address::default() }), "AF_NETLINK"),
        (Structure::UnixAddress(UnixAddress { family: 1, path: "@a b".into() }), "\"@a b\""),
        (Structure::NetDevice("lo".into()), "lo"),
        (Structure::Credentials(Box::default()), "euid=0"),
        (Structure::Capability(21), "CAP_SYS_ADMIN"),
        (Structure::Capability(-1), "-1"),
    ] {
        let arguments = vec![(Argument::Structure(Box::new(structure)), "".into())];
        let event = event(EventKind::Kprobe(Hook { arguments, returned: None, ..hook() }));
        let line = compact(&event, false);
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
        (
            event(EventKind::Loader(Mapping { path: "/usr/lib/a b.so".into(), build_id: vec![0xa, 0xff] })),
            r#"🧬 loader  gull /usr/bin/ln 0aff "/usr/lib/a b.so""#,
        ),
        (alone(EventKind::Loss { cpu: 3, count: 12 }), "🕳️ loss    gull 12 records of CPU 3"),
        (
            alone(result(Outcome::Resolved(vec!["192.0.2.7".parse().unwrap()]))),
            "🐤 canary  gull abc.o3n.io: 192.0.2.7",
        ),
        (
            alone(result(Outcome::Resolved(vec![Answer::Text("v=1 \u{1b}".into())]))),
            r#"🐤 canary  gull abc.o3n.io: "v=1 \u{1b}""#,
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
        write(&event, false, &mut out);
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

#[test]
fn functions_have_labels() {
    for (function, place, expected) in [
        ("tcp_connect", Place::Function, "🔌 connect gull "),
        ("__x64_sys_openat", Place::Function, "📬 openat  gull "),
        ("__ia32_sys_openat", Place::Function, "📬 openat  gull "),
        ("security_file_permission", Place::Function, "🎯 hook    gull "),
        ("file_open", Place::Lsm, "🔒 LSM     gull "),
    ] {
        let hook = Hook { place, function_name: function.into(), ..hook() };
        let line = compact(&event(EventKind::Kprobe(hook)), false);
        assert!(line.starts_with(expected), "{line}");
    }
}

#[test]
fn colours_are_taken_back() {
    let alone = Event { process: None, ..event(EventKind::Loss { cpu: 0, count: 2 }) };
    assert_eq!(compact(&alone, true), "\x1b[34m🕳️ loss   \x1b[0m \x1b[32mgull\x1b[0m 2 records of CPU 0");
    for event in [event(EventKind::Exec), event(EventKind::Kprobe(hook()))] {
        let line = compact(&event, true);
        let plain = ["34", "32", "35", "36", "31", "0"]
            .iter()
            .fold(line, |line, code| line.replace(&format!("\x1b[{code}m"), ""));
        assert_eq!(plain, compact(&event, false));
    }
}
