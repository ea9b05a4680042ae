//! The plugins that come with serin, in the sandbox.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use serin_event::action::{Action, ActionRequest, Method, Source};
use serin_event::{Event, EventKind};
use support::{Setup, counters, event, kprobe, plugin};

fn annotations(event: &Event) -> Vec<(&str, &str, &str)> {
    event.annotations.iter().map(|a| (&*a.plugin, &*a.key, &*a.value)).collect()
}

#[test]
fn container_enrich_annotates() {
    let entry = format!("- name: containers\n  component: {}", plugin("container-enrich"));
    let mut pipeline = Setup::new().load(&entry).unwrap();
    let mut events = vec![event(EventKind::Exec), kprobe("p", "/etc/passwd"), event(EventKind::Exec)];
    events[2].process = None;
    assert_eq!(pipeline.process(&mut events), []);
    let id = "ab".repeat(32);
    for event in &events[..2] {
        let expected =
            [("containers", "container.id", id.as_str()), ("containers", "container.runtime", "docker")];
        assert_eq!(annotations(event), expected);
    }
    assert_eq!(events[2].annotations, []);
    let counters = counters(&pipeline, "containers");
    assert_eq!((counters.calls, counters.events, counters.annotations), (1, 3, 4));
}

#[test]
fn rate_limit_drops_and_tells() {
    let entry = format!(
        "- name: limit\n  component: {}\n  config: {{ per: 10s, burst: 2 }}\n\
         - name: containers\n  component: {}",
        plugin("rate-limit"),
        plugin("container-enrich")
    );
    let mut pipeline = Setup::new().load(&entry).unwrap();
    let mut events: Vec<Event> = (0..5).map(|_| kprobe("p", "/x")).collect();
    events.push(event(EventKind::Exec));
    pipeline.process(&mut events);
    assert_eq!(events.len(), 3);
    assert_eq!(counters(&pipeline, "limit").dropped["rate_limit"], 3);
    assert_eq!(counters(&pipeline, "containers").events, 3, "what is dropped, later plugins don't see");
    let mut later = vec![kprobe("p", "/x")];
    later[0].time += 20_000_000_000;
    pipeline.process(&mut later);
    assert_eq!(annotations(&later[0])[0], ("limit", "rate_limit.suppressed", "3"));
    assert_eq!(pipeline.tick(1_800_000_000_000_000_000), []);
}

fn canary(config: &str, grants: &str) -> String {
    format!(
        "- name: bait\n  component: {}\n  events: {{ policies: [links] }}\n  config: {config}\n  grants: {grants}",
        plugin("canary")
    )
}

#[test]
fn canary_requests_what_it_is_granted() {
    for (config, grants, action) in [
        (
            "{ dns: t.o3n.io, payload: '{binary}' }",
            "{ dns: ['*.t.o3n.io'] }",
            Action::Dns { name: "F52XG4RPMJUW4L3MNY.G01.t.o3n.io".to_owned(), record: None },
        ),
        (
            "{ http: 'https://example.com/t?b={binary}' }",
            "{ http: ['GET https://example.com/t'] }",
            Action::Http {
                method: Method::Get,
                url: "https://example.com/t?b=%2Fusr%2Fbin%2Fln".to_owned(),
                headers: Vec::new(),
                body: Vec::new(),
            },
        ),
    ] {
        let mut pipeline = Setup::new().load(&canary(config, grants)).unwrap();
        let mut events = vec![kprobe("other", "/x"), kprobe("links", "/x"), kprobe("links", "/x")];
        let requests = pipeline.process(&mut events);
        let source = Source::Plugin("bait".to_owned());
        assert_eq!(requests, [ActionRequest { source, action, exec_id: "exec-42".to_owned() }]);
        assert_eq!(events.iter().map(|event| event.annotations.len()).collect::<Vec<_>>(), [0, 1, 0]);
        assert_eq!(counters(&pipeline, "bait").actions, 1);
    }
}

#[test]
fn canary_without_a_grant_fires_nothing() {
    let mut pipeline = Setup::new().load(&canary("{ dns: t.o3n.io }", "{ dns: ['*.u.o3n.io'] }")).unwrap();
    assert_eq!(pipeline.process(&mut vec![kprobe("links", "/x")]), []);
    let counters = counters(&pipeline, "bait");
    assert_eq!((counters.refused, counters.actions), (1, 0));
}

#[test]
fn canary_within_its_rate() {
    let grants = "{ dns: ['*'], rate: { per: 1h, burst: 2 } }";
    let mut pipeline = Setup::new().load(&canary("{ dns: t.o3n.io, window: 0s }", grants)).unwrap();
    let mut events: Vec<Event> = (0..5).map(|_| kprobe("links", "/x")).collect();
    assert_eq!(pipeline.process(&mut events).len(), 2);
    assert_eq!(counters(&pipeline, "bait").over_rate, 3);
}

#[test]
fn later_plugins_see_what_earlier_ones_found() {
    let entries = format!(
        "- name: rule\n  component: {}\n  config: {{ binarySuffix: /ln, argumentPrefix: /etc/ }}\n\
         - name: bait\n  component: {}\n  config: {{ dns: t.o3n.io, minSeverity: low }}\n  grants: {{ dns: ['*'] }}",
        plugin("bench-rule"),
        plugin("canary")
    );
    let mut pipeline = Setup::new().load(&entries).unwrap();
    let mut events = vec![kprobe("p", "/tmp/x"), kprobe("p", "/etc/shadow")];
    assert_eq!(pipeline.process(&mut events).len(), 1);
    assert_eq!(events.iter().map(|event| event.alerts.len()).collect::<Vec<_>>(), [0, 1, 0]);
    assert_eq!(events[2].kind.name(), "alert");
    assert_eq!(&*events[1].annotations[0].key, "canary.requested");
}

#[test]
fn more_events_than_a_batch_go_in_several() {
    let entry = format!("- name: containers\n  component: {}", plugin("container-enrich"));
    let mut pipeline = Setup::new().load(&entry).unwrap();
    let mut events: Vec<Event> = (0..600).map(|_| event(EventKind::Exec)).collect();
    pipeline.process(&mut events);
    assert!(events.iter().all(|event| event.annotations.len() == 2));
    assert_eq!(counters(&pipeline, "containers").calls, 3);
}

#[test]
fn frames_stay_small_whatever_the_events_hold() {
    let entry = format!(
        "- name: containers\n  component: {}\n  limits: {{ memory: 4MiB }}",
        plugin("container-enrich")
    );
    let mut pipeline = Setup::new().load(&entry).unwrap();
    let mut events: Vec<Event> = (0..40).map(|_| kprobe("p", &"x".repeat(100_000))).collect();
    pipeline.process(&mut events);
    let counters = counters(&pipeline, "containers");
    assert_eq!((counters.calls, counters.events, counters.failures()), (4, 40, 0));
}
