//! Tests of which events a plugin gets.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;

use serin_event::argument::{Argument, File};
use serin_event::network::{Sock, Tuple};
use serin_event::structure::Structure;
use serin_event::{Event, EventKind, Hook, Pod, Process};

use super::*;

fn event(kind: EventKind, process: Option<Process>) -> Event {
    Event {
        time: 1,
        node_name: "gull".into(),
        kind,
        process: process.map(Arc::new),
        parent: None,
        tid: 0,
        annotations: vec![],
        alerts: vec![],
    }
}

/// A hook at a write to a socket or file, of a policy.
fn hook(policy: &str, arguments: Vec<Argument>) -> EventKind {
    let arguments = arguments.into_iter().map(|argument| (argument, "".into())).collect();
    EventKind::Kprobe(Hook { policy_name: policy.into(), arguments, ..Hook::default() })
}

fn in_pod(binary: &str, namespace: &str) -> Process {
    let pod = Pod { namespace: namespace.into(), ..Pod::default() };
    Process { pod: Some(pod.into()), ..outside(binary) }
}

fn outside(binary: &str) -> Process {
    Process { binary: binary.into(), ..Process::default() }
}

/// One letter for each event that passes.
fn passing(filter: &str) -> String {
    let filter: EventFilter = serde_yaml::from_str(filter).unwrap();
    filter.check().unwrap();
    let file = |path: &str| Argument::File(File { path: path.into(), ..File::default() });
    let sock = Argument::Structure(Box::new(Structure::Sock(Sock {
        tuple: Tuple { family: 2, daddr: Some([10, 1, 2, 3].into()), ..Tuple::default() },
        ..Sock::default()
    })));
    let events = [
        ('x', event(EventKind::Exec, Some(outside("/usr/bin/curl")))),
        ('y', event(EventKind::Exec, Some(in_pod("/tmp/curl", "shop")))),
        (
            'f',
            event(hook("file-write", vec![file("/etc/shadow"), Argument::Int(-7)]), Some(outside("/tmp/a"))),
        ),
        (
            'g',
            event(
                hook("file-write", vec![file("/etc/hosts"), Argument::Size(12)]),
                Some(in_pod("/bin/b", "db")),
            ),
        ),
        ('u', event(hook("file-write", vec![Argument::Unreadable("fault")]), Some(outside("/bin/c")))),
        (
            's',
            event(
                hook("connect", vec![sock, Argument::String("web".into())]),
                Some(in_pod("/bin/b", "shop")),
            ),
        ),
        ('l', event(EventKind::Loss { cpu: 0, count: 1 }, None)),
    ];
    events.iter().filter(|(_, event)| filter.matches(event)).map(|(letter, _)| *letter).collect()
}

#[test]
fn each_field_restricts_the_events_that_have_what_it_asks_about() {
    for (filter, expected) in [
        ("{}", "xyfgusl"),
        ("kinds: [process_exec, loss]", "xyl"),
        ("policies: ['file-*']", "fgu"),
        ("binaries: ['/tmp/*']", "yf"),
        ("{kinds: [process_exec, loss], binaries: ['/tmp/*']}", "yl"),
        ("namespaces: [shop]", "ys"),
        ("namespaces: ['*']", "ygs"),
        ("{namespaces: [shop, db], policies: ['*']}", "gs"),
        ("arguments: [{index: 0, values: [/etc/shadow]}]", "fu"),
        ("arguments: [{index: 0, values: ['/etc/*', x]}]", "fgu"),
        ("arguments: [{index: 1, values: ['-7', web]}]", "fs"),
        ("arguments: [{index: 1, values: ['12']}, {index: 0, values: ['*hosts']}]", "g"),
        ("arguments: [{index: 7, values: ['*']}]", ""),
        ("arguments: [{index: 0, field: daddr, values: ['10.*']}]", "us"),
        ("arguments: [{index: 0, field: daddr, values: ['11.*']}]", "u"),
        ("{kinds: [process_exec, process_kprobe], arguments: [{index: 1, values: [web]}]}", "xys"),
    ] {
        assert_eq!(passing(filter), expected, "{filter}");
    }
}

#[test]
fn what_can_never_be_met_or_costs_too_much_is_refused() {
    let many = vec!["a"; 257].join(",");
    let long = "a".repeat(4097);
    for (filter, expected) in [
        ("{kinds: [loss], policies: [a]}".to_owned(), "policies and arguments restrict"),
        (
            "{kinds: [loss], arguments: [{index: 0, values: [a]}]}".to_owned(),
            "policies and arguments restrict",
        ),
        ("{kinds: [loss], binaries: [a]}".to_owned(), "binaries and namespaces restrict"),
        ("arguments: [{index: 0, values: []}]".to_owned(), "an argument without values"),
        (format!("binaries: [{many}]"), "257 patterns: at most 256"),
        (format!("binaries: [{long}]"), "a pattern of 4097 bytes"),
        (format!("arguments: [{{index: 0, field: {long}, values: [a]}}]"), "a pattern of 4097 bytes"),
    ] {
        let parsed: EventFilter = serde_yaml::from_str(&filter).unwrap();
        let refusal = parsed.check().err().unwrap_or_default();
        assert!(refusal.starts_with(expected), "{filter:.60}: {refusal}");
    }
}

#[test]
fn a_plugin_that_names_no_kinds_gets_all_that_its_predicates_are_about() {
    let nothing = Subscription {
        kinds: vec![],
        policies: vec![],
        binaries: vec![],
        namespaces: vec![],
        arguments: vec![],
    };
    let kinds = |wanted: &Subscription| EventFilter::of(wanted).unwrap().kinds;
    assert!(kinds(&nothing).contains(&Kind::Loss) && !kinds(&nothing).contains(&Kind::Alert));
    let of_binaries = kinds(&Subscription { binaries: vec!["/tmp/*".into()], ..nothing.clone() });
    assert!(of_binaries.contains(&Kind::ProcessExit) && of_binaries.contains(&Kind::ProcessLsm));
    assert!(!of_binaries.iter().any(|kind| matches!(kind, Kind::Loss | Kind::Alert | Kind::ActionResult)));
    assert_eq!(kinds(&Subscription { policies: vec!["a".into()], ..nothing }), []);
}
