//! What becomes of a plugin's events when too many wait.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::sync::Arc;

use serin_event::{Event, EventKind, Process};
use serin_pipeline::Pipeline;
use support::{Setup, annotation, counters, event, plugin};

fn exec(pid: u32) -> Event {
    let process = Process { pid, cgroup: format!("/docker/{}", "ab".repeat(32)), ..Process::default() };
    Event { process: Some(Arc::new(process)), tid: pid, ..event(EventKind::Exec) }
}

/// A plugin that may be skipped, if `on_overload` says so, before one that may not.
fn chain(on_overload: &str) -> Pipeline {
    let entries = format!(
        "- name: seen\n  component: {}\n  grants: {{ log: true }}\n  config: {{ fault: trap, argument: fail }}\n  \
         onOverload: {on_overload}\n- name: containers\n  component: {}\n",
        plugin("faulty"),
        plugin("container-enrich"),
    );
    Setup::new().load(&entries).unwrap()
}

/// Which of the two have seen each event.
fn seen_by(pipeline: &mut Pipeline, pids: std::ops::Range<u32>) -> Vec<(bool, bool)> {
    let mut events: Vec<_> = pids.map(exec).collect();
    let count = events.len();
    pipeline.process(&mut events);
    assert_eq!(events.len(), count, "none is lost");
    let seen = |event: &Event| {
        (annotation(event, "faulty.seen").is_some(), annotation(event, "container.id").is_some())
    };
    events.iter().map(seen).collect()
}

#[test]
fn events_go_on_without_a_plugin_that_may_be_skipped() {
    let mut pipeline = chain("skip");
    assert_eq!(seen_by(&mut pipeline, 0..3), [(true, true); 3]);
    pipeline.set_behind(true);
    assert_eq!(seen_by(&mut pipeline, 3..7), [(false, true); 4]);
    // What it does not subscribe to, it does not miss.
    pipeline.process(&mut vec![event(EventKind::Loss { cpu: 0, count: 1 })]);
    pipeline.set_behind(false);
    assert_eq!(seen_by(&mut pipeline, 7..8), [(true, true)]);
    let counters = counters(&pipeline, "seen");
    assert_eq!((counters.skipped, counters.events, counters.passed_by), (4, 4, 0));
}

#[test]
fn they_wait_for_all_others() {
    let mut pipeline = chain("wait");
    pipeline.set_behind(true);
    assert_eq!(seen_by(&mut pipeline, 0..3), [(true, true); 3]);
    assert_eq!(counters(&pipeline, "seen").skipped, 0);
}
