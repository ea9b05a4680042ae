//! Tests of filters.

#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;
use crate::proto::{Container, Loss, Pod, ProcessExec, ProcessExit, ProcessKprobe};

fn process(pid: u32, binary: &str, arguments: &str) -> Option<Process> {
    Some(Process {
        pid: Some(pid),
        binary: binary.into(),
        arguments: arguments.into(),
        docker: "551e161c47d8ff0eb665438a7bcd5b4".into(),
        ..Process::default()
    })
}

fn response(event: Kind) -> GetEventsResponse {
    GetEventsResponse { event: Some(event), ..GetEventsResponse::default() }
}

fn exec(pid: u32, parent: u32) -> GetEventsResponse {
    response(Kind::ProcessExec(ProcessExec {
        process: process(pid, "/usr/bin/curl", "https://ebpf.io/"),
        parent: process(parent, "/bin/bash", "-c curl"),
    }))
}

fn exit(pid: u32, parent: u32) -> GetEventsResponse {
    response(Kind::ProcessExit(ProcessExit {
        process: process(pid, "/usr/bin/curl", ""),
        parent: process(parent, "/bin/bash", ""),
        ..ProcessExit::default()
    }))
}

fn kprobe(policy: &str) -> GetEventsResponse {
    let process = process(7, "/usr/bin/ln", "-s");
    let policy_name = policy.into();
    response(Kind::ProcessKprobe(ProcessKprobe { process, policy_name, ..ProcessKprobe::default() }))
}

fn loss() -> GetEventsResponse {
    response(Kind::Loss(Loss { at: None, count: 3 }))
}

/// Of an exec, an exit, a kprobe and a loss, which pass.
fn passing(allow: &[Filter], deny: &[Filter]) -> String {
    let mut filters = Filters::compile(allow, deny).unwrap();
    let events = [('x', exec(3, 2)), ('e', exit(3, 2)), ('k', kprobe("p")), ('l', loss())];
    events.iter().filter(|(_, event)| filters.pass(event)).map(|(name, _)| *name).collect()
}

fn filter(change: impl FnOnce(&mut Filter)) -> Filter {
    let mut filter = Filter::default();
    change(&mut filter);
    filter
}

#[test]
fn fields_are_anded_and_filters_ored() {
    let kinds = |kinds: &[EventType]| filter(|f| f.event_set = kinds.iter().map(|k| (*k).into()).collect());
    let curl = || filter(|f| f.binary_regex = vec!["curl$".into()]);
    let curl_exec = Filter { event_set: vec![EventType::ProcessExec.into()], ..curl() };
    let cel = |source: &str| filter(|f| f.cel_expression = vec![source.into()]);
    let cases: [(Vec<Filter>, Vec<Filter>, &str); 19] = [
        (vec![], vec![], "xek"),
        (vec![Filter::default()], vec![], "xek"),
        (vec![curl()], vec![], "xe"),
        (vec![curl_exec.clone()], vec![], "x"),
        (vec![curl_exec.clone(), kinds(&[EventType::ProcessKprobe])], vec![], "xk"),
        (vec![], vec![curl()], "k"),
        (vec![curl()], vec![curl_exec], "e"),
        (vec![filter(|f| f.pid = vec![1, 7])], vec![], "k"),
        (vec![filter(|f| f.policy_names = vec!["p".into()])], vec![], "k"),
        (vec![filter(|f| f.policy_names = vec!["q".into()])], vec![], ""),
        (vec![filter(|f| f.arguments_regex = vec!["^https://".into(), "^-s$".into()])], vec![], "xk"),
        (vec![filter(|f| f.parent_binary_regex = vec!["bash".into()])], vec![], "xe"),
        (vec![filter(|f| f.parent_arguments_regex = vec!["curl".into()])], vec![], "x"),
        (vec![filter(|f| f.container_id = vec!["^551e".into()])], vec![], "xek"),
        (vec![filter(|f| f.namespace = vec![String::new()])], vec![], "xek"),
        (vec![filter(|f| f.namespace = vec!["default".into()])], vec![], ""),
        (vec![kinds(&[EventType::Loss]), Filter::default()], vec![], "xekl"),
        (vec![cel("process_exec.process.pid == 3u")], vec![], "x"),
        (vec![], vec![cel("process_kprobe.policy_name == 'p'")], "xe"),
    ];
    for (allow, deny, expected) in cases {
        assert_eq!(passing(&allow, &deny), expected, "allow {allow:?}, deny {deny:?}");
    }
}

#[test]
fn pods_are_asked_about() {
    let pod = Pod {
        namespace: "shop".into(),
        name: "web-7d4b9".into(),
        container: Some(Container { name: "main".into(), ..Container::default() }),
        pod_labels: [("app".to_owned(), "web".to_owned())].into(),
    };
    let inside = Process { pod: Some(pod), ..process(8, "/bin/sh", "").unwrap() };
    let events = [("in", Some(inside)), ("out", process(9, "/bin/sh", ""))].map(|(name, process)| {
        (name, response(Kind::ProcessExec(ProcessExec { process, ..ProcessExec::default() })))
    });
    for (filter, expected) in [
        (filter(|f| f.namespace = vec!["shop".into()]), "in"),
        (filter(|f| f.namespace = vec![String::new()]), "out"),
        (filter(|f| f.namespace_regex = vec!["^s".into()]), "in"),
        (filter(|f| f.pod_regex = vec!["^web-".into()]), "in"),
        (filter(|f| f.container_name_regex = vec!["^main$".into()]), "in"),
        (filter(|f| f.labels = vec!["app=db".into(), "app in (web)".into()]), "in"),
        (filter(|f| f.labels = vec!["app!=web".into()]), ""),
        (filter(|f| f.labels = vec!["!tier".into()]), "in"),
    ] {
        let mut filters = Filters::compile(std::slice::from_ref(&filter), &[]).unwrap();
        let passing: String =
            events.iter().filter(|(_, event)| filters.pass(event)).map(|(name, _)| *name).collect();
        assert_eq!(passing, expected, "{filter:?}");
    }
}

#[test]
fn a_pid_set_grows_with_what_its_processes_start() {
    let mut filters = Filters::compile(&[filter(|f| f.pid_set = vec![2])], &[]).unwrap();
    let seen = [exec(3, 2), exec(4, 3), exec(9, 8), exit(3, 2), exec(3, 8), exec(5, 4)];
    let passed: Vec<bool> = seen.iter().map(|event| filters.pass(event)).collect();
    assert_eq!(passed, [true, true, false, true, false, true]);
}

#[test]
fn what_events_have_no_facts_for_is_refused() {
    for (filter, expected) in [
        (
            filter(|f| f.labels = vec!["a b".into()]),
            "allow_list[1].labels: `a b` is not a selector of labels: `a b` is no key",
        ),
        (
            filter(|f| f.cel_expression = vec!["exec.pid == 1".into()]),
            "allow_list[1].cel_expression[0]:1:1: there is no variable `exec`",
        ),
        (filter(|f| f.cel_expression = vec!["true".into(); 33]), "33 CEL expressions; there may be 32"),
        (filter(|f| f.in_init_tree = Some(true)), "allow_list[1].in_init_tree"),
        (filter(|f| f.binary_regex = vec!["(".into()]), "allow_list[1].binary_regex: `(` is not a regular"),
        (
            filter(|f| f.event_set = vec![77]),
            "allow_list[1].event_set: there is no kind of event with the number 77",
        ),
    ] {
        let error = Filters::compile(&[Filter::default(), filter], &[]).err().unwrap().to_string();
        assert!(error.starts_with(expected), "{error}");
    }
}
