//! Another version of the plugins between two batches: no event lost, none twice, nothing forgotten that need not be.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use serin_event::{Event, EventKind};
use serin_pipeline::Pipeline;
use support::{Setup, counters, kprobe, plugin};

fn load(setup: &Setup, pipeline: &mut Pipeline, entries: &str) {
    let next = pipeline.loader().load(&setup.file(entries), None).unwrap();
    let before = std::mem::replace(pipeline, next);
    pipeline.succeed(before);
}

fn enrich(name: &str) -> String {
    format!("- name: {name}\n  component: {}\n", plugin("container-enrich"))
}

#[test]
fn every_event_goes_through_one_version() {
    let setup = Setup::new();
    let mut pipeline = setup.load(&enrich("one")).unwrap();
    let mut out = Vec::new();
    for round in 0..100_u64 {
        let mut events: Vec<Event> = (0..50).map(|_| kprobe("p", "/x")).collect();
        for (number, event) in events.iter_mut().enumerate() {
            event.time = round * 50 + number as u64;
        }
        pipeline.process(&mut events);
        out.append(&mut events);
        if round % 10 == 0 {
            let name = if round % 20 == 0 { "two" } else { "one" };
            load(&setup, &mut pipeline, &enrich(name));
        }
    }
    let times: Vec<u64> = out.iter().map(|event| event.time).collect();
    assert_eq!(times, (0..5000).collect::<Vec<_>>());
    assert!(out.iter().all(|event| event.annotations.len() == 2), "annotated by one version each");
}

#[test]
fn a_plugin_that_is_the_same_goes_on() {
    let setup = Setup::new();
    let limit =
        format!("- name: limit\n  component: {}\n  config: {{ per: 1h, burst: 2 }}\n", plugin("rate-limit"));
    let mut pipeline = setup.load(&limit).unwrap();
    let mut passed = 0;
    for _ in 0..3 {
        let mut events: Vec<Event> = (0..2).map(|_| kprobe("p", "/x")).collect();
        pipeline.process(&mut events);
        passed += events.len();
        load(&setup, &mut pipeline, &(limit.clone() + &enrich("more")));
    }
    assert_eq!(passed, 2, "its buckets are not filled anew");
    assert_eq!(counters(&pipeline, "limit").events, 6);
    load(&setup, &mut pipeline, &limit.replace("burst: 2", "burst: 3"));
    let mut events: Vec<Event> = (0..5).map(|_| kprobe("p", "/x")).collect();
    pipeline.process(&mut events);
    assert_eq!(events.len(), 3, "another configuration begins anew");
    assert_eq!(counters(&pipeline, "limit").events, 11, "its counters go on");
}

#[test]
fn what_the_host_keeps_is_there_for_the_next_version() {
    let setup = Setup::new();
    let hoard = |after| {
        let grants = "{ log: true, kv: { keys: 10 } }";
        let component = plugin("evil");
        format!(
            "- name: evil\n  component: {component}\n  grants: {grants}\n  config: {{ onFrame: hoard, after: {after} }}\n"
        )
    };
    let mut pipeline = setup.load(&hoard(0)).unwrap();
    let mut told = || {
        let mut events = vec![kprobe("p", "/x")];
        pipeline.process(&mut events);
        let told = events[0].annotations.first().map(|annotation| annotation.value.to_string());
        load(&setup, &mut pipeline, &hoard(1));
        told
    };
    assert!(told().unwrap().starts_with("found 0, taken 10"));
    assert_eq!(
        told(),
        None,
        "the new version is told to behave for one frame, and is then replaced by itself"
    );
    assert!(told().unwrap().starts_with("found 10, taken 10"));
}

#[test]
fn a_version_that_cannot_start_changes_nothing() {
    let setup = Setup::new();
    let mut pipeline = setup.load(&enrich("one")).unwrap();
    let wrong = format!(
        "- name: limit\n  component: {}\n  config: {{ per: soon, burst: 2 }}\n",
        plugin("rate-limit")
    );
    let error = pipeline.loader().load(&setup.file(&wrong), None).unwrap_err().to_string();
    assert!(error.contains("refuses its configuration"), "{error}");
    let mut events = vec![kprobe("p", "/x")];
    pipeline.process(&mut events);
    assert_eq!(events[0].annotations.len(), 2);
    assert!(matches!(events[0].kind, EventKind::Kprobe(_)));
}

/// Whichever way a plugin goes, it is told, and may ask for one more thing; one that goes on is not.
#[test]
fn plugins_finish_when_they_go() {
    let setup = Setup::new();
    let finishing = |name: &str, after: u32| {
        format!(
            "- name: {name}\n  component: {}\n  grants: {{ log: true, kv: {{ persist: true }}, dns: ['*'] }}\n  \
             config: {{ onFrame: nothing, onFlush: act, after: {after} }}\n",
            plugin("evil")
        )
    };
    let replace = |pipeline: &mut Pipeline, entries: &str| {
        let next = pipeline.loader().load(&setup.file(entries), None).unwrap();
        let before = std::mem::replace(pipeline, next);
        let requests = pipeline.succeed(before);
        let mut sources: Vec<_> =
            requests.into_iter().map(|request| format!("{:?}", request.source)).collect();
        sources.dedup();
        sources
    };
    let mut pipeline =
        setup.load(&(finishing("one", 0) + &finishing("two", 0) + &finishing("three", 0))).unwrap();
    // The first stays, the second changes, the third goes.
    let finished = replace(&mut pipeline, &(finishing("one", 0) + &finishing("two", 1)));
    assert_eq!(finished, [r#"Plugin("two")"#, r#"Plugin("three")"#]);
    let last: Vec<_> = pipeline.flush().into_iter().map(|request| format!("{:?}", request.source)).collect();
    assert!(
        last.iter().any(|source| source.contains("one")) && last.iter().any(|source| source.contains("two"))
    );
    let mut events = vec![kprobe("p", "/x")];
    pipeline.process(&mut events);
    assert_eq!(events.len(), 1, "the results of its last actions still come by");
}
