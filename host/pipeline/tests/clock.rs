//! The time and the random bytes that plugins are given.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::time::{SystemTime, UNIX_EPOCH};

use serin_event::{Event, EventKind};
use serin_pipeline::{HostId, Loader, Pipeline};
use support::{Setup, annotation, counters, event, plugin};

const GRANTS: &str = "{ clock: true, random: true }";

fn entry(bytes: u32, grants: &str) -> String {
    format!(
        "- name: chance\n  component: {}\n  config: {{ bytes: {bytes} }}\n  grants: {grants}\n",
        plugin("chance")
    )
}

fn at(time: u64) -> Event {
    Event { time, ..event(EventKind::Exec) }
}

/// What the plugin was told at an event of this time: bytes, wall clock, monotonic clock.
fn told(pipeline: &mut Pipeline, time: u64) -> (String, u64, u64) {
    let mut events = vec![at(time)];
    pipeline.process(&mut events);
    let told = |key: &str| annotation(&events[0], key).unwrap();
    let number = |key: &str| told(key).parse().unwrap();
    (told("chance.bytes").to_owned(), number("chance.wall"), number("chance.monotonic"))
}

#[test]
fn a_plugin_is_told_the_hosts_time_and_bytes_that_never_come_again() {
    let mut pipeline = Setup::new().load(&entry(16, GRANTS)).unwrap();
    let (first, second) = (told(&mut pipeline, 7), told(&mut pipeline, 5));
    assert_ne!(first.0, second.0);
    assert_eq!((first.0.len(), second.0.len()), (32, 32));
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos();
    assert!(now.abs_diff(second.1.into()) < 60_000_000_000, "{} at {now}", second.1);
    assert!(first.2 <= second.2);
    assert!([first.1, first.2, second.1, second.2].iter().all(|time| time.is_multiple_of(1_000_000)));
}

#[test]
fn with_recorded_events_all_is_the_same_again() {
    let load = || {
        let file = Setup::new().file(&entry(4, GRANTS));
        Loader::new(HostId::of_this_host()).unwrap().for_recorded_events().load(&file, None).unwrap()
    };
    let run = |mut pipeline: Pipeline| {
        [4_000_000_001, 9_000_000_000, 3_000_000_000].map(|tick| {
            let of_event = told(&mut pipeline, 4_000_000_001);
            pipeline.tick(tick);
            of_event
        })
    };
    let (first, second) = (run(load()), run(load()));
    assert_eq!(first, second);
    let times = first.map(|(_, wall, monotonic)| (wall, monotonic));
    assert_eq!(
        times,
        [(4_000_000_000, 4_000_000_000), (4_000_000_000, 4_000_000_000), (9_000_000_000, 9_000_000_000)]
    );
}

#[test]
fn who_asks_for_too_many_bytes_has_failed() {
    let mut pipeline = Setup::new().load(&entry(4097, GRANTS)).unwrap();
    let mut events = vec![at(1)];
    pipeline.process(&mut events);
    let EventKind::PluginError(error) = &events[1].kind else { panic!("{events:?}") };
    assert!(
        error.reason.contains("asked for 4097 random bytes; one call gives at most 4096"),
        "{}",
        error.reason
    );
    assert_eq!(counters(&pipeline, "chance").bad_outcomes, 1);
}

#[test]
fn neither_is_given_without_a_grant() {
    for (grants, missing) in [("{ random: true }", "clock"), ("{ clock: true }", "random")] {
        let refusal = Setup::new().load(&entry(4, grants)).unwrap_err().to_string();
        let expected = format!(
            "imports serin:plugin/{missing}@0.1.0, which is not granted: write `grants: {{ {missing}: true }}`"
        );
        assert!(refusal.contains(&expected), "{refusal}");
    }
}
