//! Another version on some of the hosts, and back to the old one where it fails.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::time::Duration;

use serin_event::{Event, EventKind};
use serin_pipeline::{Cache, HostId, Loader, Pipeline, Rollbacks, Stage};
use support::{Setup, counters, event, kprobe, plugin};

/// An entry whose new version fails at every exec, as all of `support` have the argument `-s`.
fn faulty(further: &str, rollout: &str) -> String {
    let component = plugin("faulty");
    format!(
        "- name: faulty\n  component: {component}\n  grants: {{ log: true }}\n  \
         config: {{ fault: trap, argument: never }}\n{further}  \
         rollout: {{ component: {component}, config: {{ fault: trap, argument: '-s' }}, {rollout} }}\n"
    )
}

fn load(setup: &Setup, host: &str, entries: &str) -> Pipeline {
    Loader::new(HostId::new(host)).unwrap().load(&setup.file(entries), Some(&cache(setup))).unwrap()
}

fn cache(setup: &Setup) -> Cache {
    Cache::open(&setup.path("cache")).unwrap()
}

fn reload(setup: &Setup, pipeline: &mut Pipeline, entries: &str) {
    let next = pipeline.loader().load(&setup.file(entries), Some(&cache(setup))).unwrap();
    let before = std::mem::replace(pipeline, next);
    pipeline.succeed(before);
}

fn stage(pipeline: &Pipeline) -> Stage {
    pipeline.rollouts().next().unwrap().1.stage.clone()
}

fn reason(pipeline: &Pipeline) -> String {
    match stage(pipeline) {
        Stage::RolledBack { reason } => reason,
        other => panic!("not rolled back: {other:?}"),
    }
}

fn seen(event: &Event) -> bool {
    event.annotations.iter().any(|annotation| &*annotation.key == "faulty.seen")
}

/// Passes execs through until the version is another; gives what came out meanwhile, and how many went in.
fn until_rolled_back(pipeline: &mut Pipeline) -> (Vec<Event>, usize) {
    let mut out = Vec::new();
    for count in 1..1000 {
        let mut events = vec![event(EventKind::Exec)];
        pipeline.process(&mut events);
        out.append(&mut events);
        if stage(pipeline) != Stage::New {
            return (out, count);
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    panic!("still {:?}", stage(pipeline));
}

fn told(events: &[Event]) -> Vec<String> {
    let reasons = events.iter().filter_map(|event| match &event.kind {
        EventKind::PluginError(error) => Some(error.reason.clone()),
        _ => None,
    });
    reasons.filter(|reason| reason.starts_with("rolled back to sha256:")).collect()
}

#[test]
fn a_host_has_the_new_version_if_its_place_is_below_the_percentage() {
    let setup = Setup::new();
    for host in ["a", "b", "c", "d"] {
        let place = HostId::new(host).place("faulty");
        for (percent, stage_of_it) in
            [(0, Stage::Old), (place, Stage::Old), (place + 1, Stage::New), (100, Stage::New)]
        {
            let pipeline = load(&setup, host, &faulty("", &format!("percent: {percent}")));
            assert_eq!(stage(&pipeline), stage_of_it, "{host} at {percent}, place {place}");
            let status = pipeline.rollouts().next().unwrap().1;
            assert_eq!((status.percent, status.place), (percent, place));
        }
    }
}

#[test]
fn the_old_version_is_untouched_where_the_host_is_not_chosen() {
    let setup = Setup::new();
    let missing =
        faulty("", "percent: 0").replacen("rollout: { component: /", "rollout: { component: /no/", 1);
    let mut pipeline = load(&setup, "a", &missing);
    let mut events = vec![event(EventKind::Exec)];
    pipeline.process(&mut events);
    assert!(seen(&events[0]));
    assert_eq!((stage(&pipeline), counters(&pipeline, "faulty").rollbacks), (Stage::Old, 0));
}

#[test]
fn failures_bring_the_old_version_back() {
    let setup = Setup::new();
    let entries = faulty("", "percent: 100, rollback: { failures: 3, per: 1h }");
    let mut pipeline = load(&setup, "a", &entries);
    let (out, count) = until_rolled_back(&mut pipeline);
    assert_eq!(out.iter().filter(|event| matches!(event.kind, EventKind::Exec)).count(), count, "none lost");
    assert!(!out.iter().any(seen), "the new version passed one");
    let [told] = told(&out).try_into().unwrap();
    assert_eq!(reason(&pipeline), told);
    assert!(told.contains(": 3 failures within 3600s, the last: trapped: "), "{told}");
    let counted = counters(&pipeline, "faulty");
    assert_eq!((counted.traps, counted.rollbacks), (3, 1));

    let mut events = vec![event(EventKind::Exec), event(EventKind::Exec)];
    pipeline.process(&mut events);
    assert!(events.len() == 2 && events.iter().all(seen), "the old version: {events:?}");
}

#[test]
fn what_was_rolled_back_stays_so_until_a_version_changes() {
    let setup = Setup::new();
    let entries = faulty("", "percent: 100, rollback: { failures: 1, per: 1h }");
    let mut pipeline = load(&setup, "a", &entries);
    until_rolled_back(&mut pipeline);
    let why = reason(&pipeline);
    reload(&setup, &mut pipeline, &entries);
    assert_eq!(reason(&pipeline), why, "another reload");
    reload(&setup, &mut pipeline, &entries.replace("percent: 100", "percent: 99"));
    assert_eq!(reason(&pipeline), why, "another percentage");
    assert_eq!(pipeline.rollouts().next().unwrap().1.percent, 99);
    reload(&setup, &mut pipeline, &entries.replace("argument: '-s'", "argument: other"));
    assert_eq!(stage(&pipeline), Stage::New, "another configuration");
    let mut events = vec![event(EventKind::Exec)];
    pipeline.process(&mut events);
    assert!(seen(&events[0]));
    assert_eq!(counters(&pipeline, "faulty").rollbacks, 1, "its counters go on");
}

#[test]
fn what_was_rolled_back_stays_so_over_restarts_until_the_new_version_changes() {
    let setup = Setup::new();
    let start = |entries: &str| {
        let rollbacks = Rollbacks::open(&setup.path("state")).unwrap();
        let loader = Loader::new(HostId::new("a")).unwrap().with_rollbacks(Some(rollbacks));
        loader.load(&setup.file(entries), Some(&cache(&setup))).unwrap()
    };
    let entries = faulty("", "percent: 100, rollback: { failures: 1, per: 1h }");
    let mut pipeline = start(&entries);
    until_rolled_back(&mut pipeline);
    let why = reason(&pipeline);
    let mut pipeline = start(&entries);
    let mut events = vec![event(EventKind::Exec)];
    pipeline.process(&mut events);
    assert!(seen(&events[0]) && events.len() == 1, "the old version, and nothing to tell: {events:?}");
    assert_eq!((reason(&pipeline), counters(&pipeline, "faulty").rollbacks), (why.clone(), 0));
    reload(&setup, &mut pipeline, &entries);
    assert_eq!(reason(&pipeline), why, "a reload");
    assert_eq!(counters(&pipeline, "faulty").events, 1, "the instance goes on");
    for (from, to) in [("argument: never", "argument: nobody"), ("failures: 1", "failures: 2")] {
        assert_eq!(reason(&start(&entries.replace(from, to))), why, "{to}");
    }
    for (from, to) in [("argument: '-s'", "argument: other"), ("grants:", "limits: { time: 1s }\n  grants:")]
    {
        assert_eq!(stage(&start(&entries.replace(from, to))), Stage::New, "{to}");
    }
    std::fs::remove_file(setup.path("state/rollbacks.json")).unwrap();
    assert_eq!(stage(&start(&entries)), Stage::New, "forgotten");
}

#[test]
fn a_version_that_does_not_start_is_not_waited_for() {
    let setup = Setup::new();
    for (from, to, why) in [
        ("rollout: { component: /", "rollout: { component: /no/", "the new version: cannot be read"),
        ("fault: trap, argument: '-s'", "fault: sing", "the new version: refuses its configuration"),
    ] {
        let mut pipeline = load(&setup, "a", &faulty("", "percent: 100").replacen(from, to, 1));
        let mut events = vec![event(EventKind::Exec)];
        pipeline.process(&mut events);
        assert!(seen(&events[0]), "the old version does not run");
        let [told] = told(&events).try_into().unwrap();
        assert!(told.contains(why) && reason(&pipeline) == told, "{told}");
        assert_eq!(counters(&pipeline, "faulty").rollbacks, 1);
    }
}

#[test]
fn rather_the_old_version_than_none() {
    let setup = Setup::new();
    let entries = faulty("  onFailure: disable\n", "percent: 100, rollback: { failures: 1000, per: 1h }");
    let mut pipeline = load(&setup, "a", &entries);
    let (_, count) = until_rolled_back(&mut pipeline);
    assert_eq!(count, 1, "at the first failure");
    let mut events = vec![event(EventKind::Exec)];
    pipeline.process(&mut events);
    assert!(seen(&events[0]));
}

#[test]
fn the_old_version_gets_the_events_that_it_subscribes_to() {
    let setup = Setup::new();
    let entry = format!(
        "- name: plugin\n  component: {}\n  grants: {{ log: true }}\n  rollout: {{ component: {}, \
         config: {{ fault: trap, argument: '-s' }}, percent: 100, rollback: {{ failures: 1, per: 1h }} }}\n",
        plugin("container-enrich"),
        plugin("faulty")
    );
    let mut pipeline = load(&setup, "a", &entry);
    until_rolled_back(&mut pipeline);
    // The new one was for execs alone.
    let mut events = vec![kprobe("p", "/x")];
    pipeline.process(&mut events);
    assert_eq!(events[0].annotations.len(), 2, "{events:?}");
}
