//! Each event, as one line.

use std::sync::Arc;

use serin_event::action::{Action, ActionRequest, ActionResult, Method, Outcome, Source};
use serin_event::argument::{Argument, File, FileRole};
use serin_event::{
    Alert, Annotation, Event, EventKind, Finding, Hook, Place, Probe, Process, ProgramPlace, Severity, json,
};

use crate::{curl, event, golden, hook, line, pod};

/// Tetragon tells a pod between `auid` and `docker`, and what is empty not at all.
#[test]
fn a_process_in_a_pod_tells_it() {
    for (pod, expected) in [
        (
            pod(),
            r#""pod":{"namespace":"shop","name":"web-7d4b9","container":{"id":"551e161c47d8ff0eb665438a7bcd5b4ac8c0a1fd2e4f4f7b3c1d5e6f7a8b9c0d","name":"main","image":{"name":"docker.io/library/nginx"}},"pod_labels":{"app":"web","example.com/\"tier\"":""}},"docker""#,
        ),
        (Arc::default(), r#""pod":{"container":{}},"docker""#),
    ] {
        let process = Arc::new(Process { pod: Some(pod), ..curl() });
        let written = line(&Event { process: Some(process), ..event(EventKind::Exec) });
        assert!(written.contains(expected), "{written}");
    }
}

#[test]
fn exec() {
    assert_eq!(line(&event(EventKind::Exec)), golden(include_str!("../golden/process_exec.json")));
}

#[test]
fn exit() {
    let exited = Event { parent: None, ..event(EventKind::Exit { status: 22, signal: 0 }) };
    let killed = Event { parent: None, ..event(EventKind::Exit { status: 0, signal: 9 }) };
    let both = format!("{}{}", line(&exited), line(&killed));
    let (first, second) = include_str!("../golden/process_exit.json").split_once("\n\n").unwrap();
    assert_eq!(both, golden(first) + &golden(second));
}

#[test]
fn kprobe() {
    let file = File { path: "/etc/passwd".into(), incomplete: true, mode: 0o100_644, ..File::default() };
    let arguments = vec![
        (Argument::String("/etc/passwd".into()), "".into()),
        (Argument::Int(-100), "newdfd".into()),
        (Argument::Uint(0), "".into()),
        (Argument::Long(i64::MIN), "".into()),
        (Argument::Size(u64::MAX), "".into()),
        (Argument::File(file), "".into()),
        (Argument::File(File::default()), "".into()),
        (Argument::Bytes { bytes: b"a\0b".to_vec(), original: 3 }, "".into()),
        (Argument::Bytes { bytes: b"ab".to_vec(), original: 5000 }, "".into()),
        (Argument::Bytes { bytes: Vec::new(), original: 0 }, "".into()),
        (Argument::Word("bpf_cmd_arg", "BPF_PROG_LOAD".into()), "".into()),
        (Argument::Unreadable("Bad address for basic type"), "target".into()),
        (Argument::String(String::new()), "".into()),
    ];
    let returned = Some((Argument::Int(-22), "error".into()));
    let hook = Hook { returned, ..hook(arguments, &["KPROBE_ACTION_POST"]) };
    let event = Event { tid: 52_701, ..event(EventKind::Kprobe(hook)) };
    assert_eq!(line(&event), golden(include_str!("../golden/process_kprobe.json")));
}

#[test]
fn places_have_events_of_their_own() {
    for (place, key) in [(Place::Function, "process_kprobe"), (Place::Lsm, "process_lsm")] {
        let hook = Hook { place, ..hook(Vec::new(), &["KPROBE_ACTION_POST"]) };
        let line = line(&event(EventKind::Kprobe(hook)));
        assert!(line.starts_with(&format!(r#"{{"{key}":{{"process":{{"#)), "{key}: {line}");
    }
}

#[test]
fn hashes_are_told_with_their_algorithm() {
    for (ima_hash, expected) in [(Some("sha256:73ab".into()), true), (None, false)] {
        let hook = Hook { place: Place::Lsm, ima_hash, ..hook(Vec::new(), &["KPROBE_ACTION_POST"]) };
        let event = event(EventKind::Kprobe(hook));
        let line = line(&event);
        assert_eq!(line.contains(r#""ima_hash":"sha256:73ab""#), expected, "{line}");
        assert_eq!(line.contains("ima_hash"), expected, "{line}");
        assert_eq!(json::read(&line).unwrap().kind, event.kind);
    }
}

#[test]
fn tracepoints_are_told_by_subsystem_and_event() {
    let seen = Hook {
        place: Place::Tracepoint,
        function_name: "sched/sched_process_exec".into(),
        ..hook(vec![(Argument::Int(7), "pid".into())], &["KPROBE_ACTION_POST"])
    };
    let event = event(EventKind::Kprobe(seen));
    let line = line(&event);
    assert!(line.starts_with(r#"{"process_tracepoint":{"process":{"#), "{line}");
    let expected =
        r#""subsys":"sched","event":"sched_process_exec","args":[{"int_arg":7,"label":"pid"}],"action""#;
    assert!(line.contains(expected), "{line}");
    assert_eq!(json::read(&line).unwrap().kind, event.kind);
}

#[test]
fn uprobes_are_told_by_path_and_symbol_or_offset() {
    for (symbol, offset, name, expected) in [
        ("main", 0, "/bin/sh:main", r#""path":"/bin/sh","symbol":"main","args""#),
        ("", 0x10, "/bin/sh:0x10", r#""path":"/bin/sh","offset":"16","ref_ctr_offset":"1","args""#),
    ] {
        let place =
            ProgramPlace { path: "/bin/sh".into(), symbol: symbol.into(), offset, counter: offset >> 4 };
        let seen = Hook {
            place: Place::Program(place.into()),
            function_name: name.into(),
            ..hook(vec![(Argument::Int(7), "".into())], &["KPROBE_ACTION_POST"])
        };
        let event = event(EventKind::Kprobe(seen));
        let line = line(&event);
        assert!(line.starts_with(r#"{"process_uprobe":{"process":{"#) && line.contains(expected), "{line}");
        assert_eq!(json::read(&line).unwrap().kind, event.kind);
    }
}

#[test]
fn probes_are_told_by_their_names() {
    let (path, provider, name) = ("/bin/sh".into(), "one".into(), "begin".into());
    let seen = Hook {
        place: Place::Probe(Probe { path, provider, name }.into()),
        function_name: "/bin/sh:one:begin".into(),
        ..hook(vec![(Argument::Int(7), "".into())], &["KPROBE_ACTION_POST"])
    };
    let event = event(EventKind::Kprobe(seen));
    let line = line(&event);
    let expected = r#""path":"/bin/sh","provider":"one","name":"begin","args""#;
    assert!(line.starts_with(r#"{"process_usdt":{"process":{"#) && line.contains(expected), "{line}");
    assert_eq!(json::read(&line).unwrap().kind, event.kind);
}

#[test]
fn files_are_told_by_their_role() {
    for (role, expected) in [
        (FileRole::Open, r#""args":[{"file_arg":{"path":"/a"}}]"#),
        (FileRole::Path, r#""args":[{"path_arg":{"path":"/a"}}]"#),
        (FileRole::Program, r#""args":[{"linux_binprm_arg":{"path":"/a"}}]"#),
    ] {
        let file = File { role, path: "/a".into(), ..File::default() };
        let hook = hook(vec![(Argument::File(file), "".into())], &["KPROBE_ACTION_POST"]);
        let line = line(&event(EventKind::Kprobe(hook)));
        assert!(line.contains(expected), "{role:?}: {line}");
    }
}

#[test]
fn additions_of_serin_stand_under_their_own_key() {
    let hook = Hook {
        message: "symlink to passwd".into(),
        tags: Arc::new(["observability.filesystem".into()]),
        selector: 2,
        kernel_stack: Vec::new(),
        user_stack: Vec::new(),
        ima_hash: None,
        failed_closed: true,
        unenforced: true,
        ..hook(Vec::new(), &["KPROBE_ACTION_OVERRIDE", "KPROBE_ACTION_SIGKILL"])
    };
    let event = Event {
        annotations: vec![Annotation {
            plugin: "enrich".into(),
            key: "container.id".into(),
            value: "551e".into(),
        }],
        alerts: vec![Alert {
            plugin: "bait".into(),
            severity: Severity::Critical,
            title: "passwd linked".into(),
            rule: String::new(),
            techniques: vec!["T1036.005".into()],
            key: String::new(),
            fields: vec![("path".into(), "/tmp/x".into())],
        }],
        process: None,
        parent: None,
        ..event(EventKind::Kprobe(hook))
    };
    assert_eq!(line(&event), golden(include_str!("../golden/additions.json")));
}

#[test]
fn alerts_are_events_of_their_own() {
    let alert = Alert {
        plugin: "bait".into(),
        severity: Severity::High,
        title: "passwd linked".into(),
        rule: "link-passwd".into(),
        techniques: vec!["T1036.005".into()],
        key: "bait/link-passwd/usr/bin/ln".into(),
        fields: vec![("path".into(), "/tmp/x".into())],
    };
    let hook = hook(vec![(Argument::String("/etc/passwd".into()), "".into())], &["KPROBE_ACTION_POST"]);
    let finding = Finding { alert, trigger: EventKind::Kprobe(hook) };
    let event = Event { process: None, parent: None, ..event(EventKind::Alert(Box::new(finding))) };
    assert_eq!(line(&event), golden(include_str!("../golden/alert.json")));
}

#[test]
fn action_results() {
    let http = Action::Http {
        method: Method::Post,
        url: "https://o3n.io/a?b".into(),
        headers: vec![],
        body: b"secret".to_vec(),
    };
    let get =
        Action::Http { method: Method::Get, url: "http://o3n.io/".into(), headers: vec![], body: Vec::new() };
    let dns = Action::Dns { name: "abc.o3n.io".into(), record: None };
    let cases = [
        (Source::Plugin("bait".into()), http, Outcome::HttpStatus(204)),
        (
            Source::Policy("sys-symlink-passwd".into()),
            dns.clone(),
            Outcome::Resolved(vec!["192.0.2.7".parse().unwrap()]),
        ),
        (Source::Plugin("bait".into()), dns.clone(), Outcome::Resolved(Vec::new())),
        (Source::Plugin("bait".into()), dns, Outcome::Suppressed("rate limit")),
        (Source::Plugin("bait".into()), get, Outcome::Failed("no route to host".into())),
    ];
    let expected = include_str!("../golden/action_result.json").split("\n\n");
    for ((source, action, outcome), expected) in cases.into_iter().zip(expected) {
        let request = ActionRequest { source, action, exec_id: curl().exec_id };
        let result = ActionResult { request, outcome, duration: 1_500_000 };
        let event = Event { process: None, parent: None, ..event(EventKind::ActionResult(result)) };
        assert_eq!(line(&event), golden(expected));
    }
}

#[test]
fn numbers_of_a_process_are_there_even_if_zero() {
    let event = Event { process: Some(Arc::default()), parent: None, tid: 0, ..event(EventKind::Exec) };
    let expected = r#"{"process_exec":{"process":{"pid":0,"uid":0,"auid":0,"tid":0}},"#;
    assert!(line(&event).starts_with(expected), "{}", line(&event));
}
