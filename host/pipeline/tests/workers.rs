//! Plugins with several workers: each process goes to one of them, and what comes out is what one worker would make of it.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::collections::HashMap;

use serin_event::{Event, EventKind};
use serin_pipeline::Pipeline;
use support::{Setup, annotation, counters, event, kprobe, plugin, process};

/// Two plugins with these numbers of workers: the first says how many events of the process it has seen, and drops
/// nothing; the second annotates those of containers.
fn chain(fault: &str, fields: &str, workers: usize) -> Pipeline {
    let entries = format!(
        "- name: faulty\n  component: {}\n  workers: {workers}\n  grants: {{ log: true, kv: {{}} }}\n  limits: {{ time: 50ms, memory: 8MiB }}\n  \
         config: {{ fault: {fault}, argument: fail }}\n{fields}\
         - name: containers\n  component: {}\n  workers: {}",
        plugin("faulty"),
        plugin("container-enrich"),
        workers.div_ceil(2)
    );
    Setup::new().load(&entries).unwrap()
}

/// An exec of a process, with this argument.
fn exec(pid: u32, argument: &str) -> Event {
    let mut of = (*process("/usr/bin/ln", pid)).clone();
    of.arguments = vec![argument.to_owned()];
    Event { process: Some(of.into()), time: u64::from(pid), ..event(EventKind::Exec) }
}

/// Many events of 13 processes, some of which have much more of them than others.
fn events(count: u32) -> Vec<Event> {
    (0..count).map(|number| exec(100 + number * number % 13, &number.to_string())).collect()
}

#[test]
fn what_comes_out_does_not_depend_on_the_number_of_workers() {
    let expected = {
        let mut events = events(3_000);
        chain("trap", "", 1).process(&mut events);
        events
    };
    assert_eq!(expected.len(), 3_000);
    for workers in [2, 3, 16] {
        let mut pipeline = chain("trap", "", workers);
        let mut events = events(3_000);
        pipeline.process(&mut events);
        assert_eq!(events, expected, "{workers} workers");
        assert_eq!(counters(&pipeline, "faulty").events, 3_000, "{workers} workers");
        assert_eq!(counters(&pipeline, "containers").annotations, 6_000, "{workers} workers");
    }
}

/// Each process is counted from one to the number of its events, in their order, over all batches.
#[test]
fn a_worker_sees_all_of_a_process_in_order() {
    let mut pipeline = chain("trap", "", 4);
    let mut seen: HashMap<u32, u64> = HashMap::new();
    for size in [1, 300, 2, 1_000] {
        let mut events = events(size);
        pipeline.process(&mut events);
        assert_eq!(events.len(), size as usize);
        for event in &events {
            let count = seen.entry(event.process.as_ref().unwrap().pid).or_default();
            *count += 1;
            assert_eq!(annotation(event, "faulty.seen"), Some(&*count.to_string()));
        }
    }
}

#[test]
fn the_others_go_on_when_one_fails() {
    for fault in ["trap", "loop", "allocate"] {
        let mut pipeline = chain(fault, "", 2);
        // Of odd processes, which one worker has, the first fails.
        let mut events: Vec<_> = (0..20).map(|number| exec(101 + number, "fine")).collect();
        events.insert(0, exec(99, "fail"));
        pipeline.process(&mut events);
        let error = events.pop().unwrap();
        assert!(matches!(error.kind, EventKind::PluginError(_)), "{fault}: {error:?}");
        assert_eq!(events.len(), 21, "{fault}");
        for event in &events {
            let even = event.process.as_ref().unwrap().pid.is_multiple_of(2);
            assert_eq!(annotation(event, "faulty.seen"), even.then_some("1"), "{fault}");
            assert!(annotation(event, "container.id").is_some(), "{fault}");
        }
        let status = pipeline.statuses().next().unwrap();
        assert_eq!((status.workers, status.running_workers), (2, 1), "{fault}");
        let counters = counters(&pipeline, "faulty");
        assert_eq!((counters.failures(), counters.passed_by, counters.calls), (1, 11, 2), "{fault}");
    }
}

#[test]
fn one_that_is_disabled_is_so_as_a_whole() {
    let mut pipeline = chain("trap", "  onFailure: disable\n", 2);
    pipeline.process(&mut vec![exec(1, "fail")]);
    let mut events = vec![exec(1, "fine"), exec(2, "fine")];
    pipeline.process(&mut events);
    assert!(events.iter().all(|event| annotation(event, "faulty.seen").is_none()), "{events:?}");
    assert_eq!(counters(&pipeline, "faulty").passed_by, 3);
}

/// Whichever worker fails: the version before takes over from all.
#[test]
fn a_roll_back_is_of_all_workers() {
    let rollout = format!(
        "  rollout:\n    percent: 100\n    component: {}\n    config: {{ onFrame: panic }}\n    \
         rollback: {{ failures: 1, per: 1h }}\n",
        plugin("evil")
    );
    let mut pipeline = chain("trap", &rollout, 2);
    pipeline.process(&mut vec![exec(1, "x")]);
    assert_eq!(counters(&pipeline, "faulty").rollbacks, 1);
    let mut events = vec![exec(1, "x"), exec(2, "x")];
    pipeline.process(&mut events);
    assert_eq!(events.len(), 2);
    assert!(events.iter().all(|event| annotation(event, "faulty.seen") == Some("1")), "{events:?}");
    assert_eq!(counters(&pipeline, "faulty").traps, 1);
}

/// Kept facts are of the plugin, not of a worker; so are its rates.
#[test]
fn what_the_host_keeps_is_shared() {
    let entry = format!(
        "- name: evil\n  component: {}\n  workers: 2\n  grants: {{ log: true, kv: {{ keys: 100, bytes: 64KiB }} }}\n  \
         limits: {{ time: 10s, memory: 32MiB }}\n  config: {{ onFrame: hoard }}",
        plugin("evil")
    );
    let mut pipeline = Setup::new().load(&entry).unwrap();
    let of = |pid: u32| Event { process: Some(process("/usr/bin/ln", pid)), ..kprobe("p", "/x") };
    for (pid, found) in [(1, "found 0,"), (2, "found 100,")] {
        let mut events = vec![of(pid)];
        pipeline.process(&mut events);
        let told = annotation(&events[0], "evil.kv").unwrap();
        assert!(told.starts_with(found), "{told}");
    }
}
