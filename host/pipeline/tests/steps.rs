//! What is measured of a batch's way through the plugins.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::sync::Arc;

use serin_event::{Event, EventKind, Process};
use serin_pipeline::{MAX_BATCH, Pipeline, Step};
use support::{Setup, event, plugin, process};

/// A plugin that traps at the argument `fail`, before one that does not.
fn chain() -> Pipeline {
    let entries = format!(
        "- name: first\n  component: {}\n  grants: {{ log: true }}\n  config: {{ fault: trap, argument: fail }}\n\
         - name: second\n  component: {}\n",
        plugin("faulty"),
        plugin("container-enrich"),
    );
    Setup::new().load(&entries).unwrap()
}

/// Programs that are started with this argument.
fn events(count: usize, argument: &str) -> Vec<Event> {
    let process = process("/usr/bin/ln", 42);
    let process = Arc::new(Process { arguments: vec![argument.to_owned()], ..(*process).clone() });
    let exec = Event { process: Some(process), ..event(EventKind::Exec) };
    vec![exec; count]
}

fn steps(pipeline: &mut Pipeline, mut events: Vec<Event>) -> Vec<Step> {
    let mut steps = Vec::new();
    pipeline.process_measured(&mut events, &mut steps);
    steps
}

#[test]
fn each_plugin_has_a_step_with_what_it_did() {
    let mut pipeline = chain();
    // What came before does not count.
    pipeline.process(&mut events(3, "fine"));
    let steps = steps(&mut pipeline, events(5, "fine"));
    let names: Vec<_> = steps.iter().map(|step| &*step.plugin).collect();
    assert_eq!(names, ["first", "second"]);
    for step in &steps {
        assert_eq!((step.calls, step.events, step.failures, step.passed_by), (1, 5, 0, 0), "{step:?}");
        assert!(step.began <= step.ended);
    }
    assert!(steps[0].ended <= steps[1].began);
}

#[test]
fn failures_are_those_of_the_batch() {
    let mut pipeline = chain();
    let failed = steps(&mut pipeline, events(4, "fail"));
    assert_eq!((failed[0].failures, failed[0].timeouts, failed[0].passed_by), (1, 0, 4));
    assert_eq!((failed[1].failures, failed[1].passed_by), (0, 0));
    pipeline.set_behind(true);
    let after = steps(&mut pipeline, events(4, "fine"));
    assert_eq!(after[0].failures, 0);
}

#[test]
fn more_than_a_batch_passes_several_times() {
    let steps = steps(&mut chain(), events(MAX_BATCH + 1, "fine"));
    let seen: Vec<_> = steps.iter().map(|step| (&*step.plugin, step.events)).collect();
    let full = MAX_BATCH as u64;
    assert_eq!(seen, [("first", full), ("second", full), ("first", 1), ("second", 1)]);
}
