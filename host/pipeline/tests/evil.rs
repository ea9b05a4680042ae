//! Hostile and broken plugins: contained, counted, started anew; the events come out.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::time::{Duration, Instant};

use serin_event::{Event, EventKind, PluginError};
use serin_pipeline::{Counters, MAX_FINDINGS, MAX_TITLE, MAX_VALUE, Pipeline};
use support::{Setup, counters, event, kprobe, plugin};

/// A pipeline of one evil plugin with this configuration and these further fields of its entry.
fn evil(config: &str, fields: &str) -> Pipeline {
    // Time enough for everything that ends by itself, however busy the machine is.
    let time = if config.contains("loop") { "30ms" } else { "10s" };
    let entry = format!(
        "- name: evil\n  component: {}\n  grants: {{ log: true, kv: {{ keys: 100, bytes: 64KiB }} }}\n  limits: {{ time: {time}, memory: 32MiB }}\n  \
         config: {config}\n{fields}",
        plugin("evil")
    );
    Setup::new().load(&entry).unwrap()
}

fn batch() -> Vec<Event> {
    (0..10).map(|number| kprobe("p", &format!("/{number}"))).collect()
}

fn counts(pipeline: &Pipeline) -> &Counters {
    counters(pipeline, "evil")
}

fn error_of(event: &Event) -> &PluginError {
    let EventKind::PluginError(error) = &event.kind else { panic!("no plugin_error: {event:?}") };
    error
}

type Count = fn(&Counters) -> u64;

/// What each failure is counted as.
const FAILURES: [(&str, Count); 7] = [
    ("loop", |counters| counters.timeouts),
    ("allocate", |counters| counters.out_of_memory),
    ("panic", |counters| counters.traps),
    ("recurse", |counters| counters.traps),
    ("bad-text", |counters| counters.bad_outcomes),
    ("many-effects", |counters| counters.bad_outcomes),
    ("huge-texts", |counters| counters.bad_outcomes),
];

#[test]
fn failures_are_counted_and_the_events_come_out() {
    for (deed, count) in FAILURES {
        let mut pipeline = evil(&format!("{{ onFrame: {deed}, after: 1 }}"), "");
        for round in 0..2 {
            let mut events = batch();
            assert_eq!(pipeline.process(&mut events), [], "{deed}");
            let told = events.split_off(10);
            assert_eq!(events, batch(), "{deed}");
            let told: Vec<_> = told.iter().map(|event| error_of(event).failures).collect();
            assert_eq!(told, if round == 0 { vec![] } else { vec![1] }, "{deed}");
            assert_eq!((count(counts(&pipeline)), counts(&pipeline).failures()), (round, round), "{deed}");
        }
        assert_eq!(counts(&pipeline).passed_by, 10, "{deed}");
    }
}

#[test]
fn what_lies_about_its_memory_harms_only_itself() {
    for deed in ["area", "outside", "endless", "odd", "text-outside", "text-too-long"] {
        let mut pipeline = evil_beside_good(&format!("{{ onFrame: forge-{deed} }}"), "10s");
        assert_all_come_out(&mut pipeline);
        assert_eq!(counts(&pipeline).failures(), 1, "{deed}");
    }
    // Which is no lie: each text is there, and what they say makes no sense.
    let mut pipeline = evil_beside_good("{ onFrame: forge-overlapping }", "10s");
    assert_all_come_out(&mut pipeline);
    assert_eq!((counts(&pipeline).failures(), counts(&pipeline).annotations), (0, 0));
    assert!(counts(&pipeline).rejected > 0);
}

#[test]
fn a_call_of_the_host_from_within_its_own_fails() {
    let mut pipeline = evil_beside_good("{ onFrame: reenter }", "10s");
    // The first call has it call whenever the host wants memory, which the second does.
    assert_all_come_out(&mut pipeline);
    assert_eq!(counts(&pipeline).failures(), 0);
    assert_all_come_out(&mut pipeline);
    assert_eq!((counts(&pipeline).failures(), counts(&pipeline).log_lines_lost), (1, 0));
}

#[test]
fn one_that_takes_long_over_each_event_holds_up_no_batch() {
    let mut pipeline = evil_beside_good("{ onFrame: dawdle }", "30ms");
    assert_all_come_out(&mut pipeline);
    assert_eq!((counts(&pipeline).timeouts, counts(&pipeline).failures()), (1, 1));
}

fn evil_beside_good(config: &str, time: &str) -> Pipeline {
    let entries = format!(
        "- name: evil\n  component: {}\n  grants: {{ log: true, kv: {{}} }}\n  limits: {{ time: {time} }}\n  config: {config}\n\
         - name: containers\n  component: {}",
        plugin("evil"),
        plugin("container-enrich")
    );
    Setup::new().load(&entries).unwrap()
}

/// A batch, which the good plugin has seen all of.
fn assert_all_come_out(pipeline: &mut Pipeline) {
    let mut events = batch();
    assert_eq!(pipeline.process(&mut events), []);
    events.retain(|event| !matches!(event.kind, EventKind::PluginError(_)));
    assert_eq!(events.len(), batch().len());
    assert!(events.iter().all(|event| event.annotations.iter().any(|a| &*a.key == "container.id")));
}

#[test]
fn on_failure_drop_drops_the_events_but_no_losses() {
    for (deed, count) in FAILURES {
        let mut pipeline = evil(&format!("{{ onFrame: {deed} }}"), "  onFailure: drop");
        let loss = event(EventKind::Loss { cpu: 1, count: 5 });
        let mut events = batch();
        events.insert(3, loss.clone());
        pipeline.process(&mut events);
        assert_eq!(error_of(&events.pop().unwrap()).failures, 1, "{deed}");
        assert_eq!(events, [loss], "{deed}");
        assert_eq!((count(counts(&pipeline)), counts(&pipeline).dropped_by_failure), (1, 10), "{deed}");
    }
}

#[test]
fn on_failure_disable_stops_for_good() {
    let mut pipeline = evil("{ onFrame: panic }", "  onFailure: disable");
    for round in 0..3 {
        let mut events = batch();
        pipeline.process(&mut events);
        assert_eq!(events.len(), if round == 0 { 11 } else { 10 }, "and one that tells of the failure");
        std::thread::sleep(Duration::from_millis(30));
    }
    assert_eq!(
        (counts(&pipeline).traps, counts(&pipeline).restarts, counts(&pipeline).passed_by),
        (1, 0, 30)
    );
}

#[test]
fn a_failed_plugin_is_started_again_less_and_less_often() {
    let mut pipeline = evil("{ onFrame: panic }", "");
    let start = Instant::now();
    let mut batches = 0;
    while counts(&pipeline).restarts < 5 && start.elapsed() < Duration::from_secs(20) {
        let mut events = batch();
        pipeline.process(&mut events);
        events.retain(|event| !matches!(event.kind, EventKind::PluginError(_)));
        assert_eq!(events.len(), 10);
        batches += 1;
        std::thread::sleep(Duration::from_millis(1));
    }
    // Waits of 10, 20, 40, 80 and 160 ms at least.
    assert!(start.elapsed() >= Duration::from_millis(310), "{:?}", start.elapsed());
    let counts = counts(&pipeline);
    assert_eq!((counts.restarts, counts.traps, counts.passed_by), (5, 6, batches * 10));
}

#[test]
fn a_plugin_that_recovers_sees_events_again() {
    let mut pipeline = evil("{ onFrame: panic, after: 1 }", "");
    let mut calls = 0;
    let end = Instant::now() + Duration::from_secs(20);
    // One good frame, one panic; then, after a restart, one good frame again.
    while counts(&pipeline).restarts == 0 && Instant::now() < end {
        pipeline.process(&mut batch());
        calls = counts(&pipeline).calls;
        std::thread::sleep(Duration::from_millis(1));
    }
    assert_eq!((calls, counts(&pipeline).traps), (3, 1));
}

#[test]
fn effects_that_make_no_sense_are_rejected_and_the_rest_applied() {
    let mut pipeline = evil("{ onFrame: bad-indices }", "");
    let mut events = batch();
    assert_eq!(pipeline.process(&mut events), []);
    assert_eq!(events.len(), 10);
    let annotations: Vec<_> = events.iter().flat_map(|e| &e.annotations).map(|a| &*a.key).collect();
    assert_eq!(annotations, ["good.key"]);
    assert_eq!(counts(&pipeline).rejected, 7);
    assert_eq!(counts(&pipeline).failures(), 0);
}

#[test]
fn texts_are_cut_and_findings_bounded() {
    let mut pipeline = evil("{ onFrame: long-texts }", "");
    let mut events = batch();
    pipeline.process(&mut events);
    let alert = &events[0].alerts[0];
    assert_eq!((alert.title.len(), alert.fields.len()), (MAX_TITLE, 32));
    assert_eq!(alert.fields[0].1.len(), MAX_VALUE);
    assert_eq!(events[0].annotations.len(), MAX_FINDINGS);
    assert!(events[0].annotations.iter().all(|annotation| annotation.value.len() == MAX_VALUE));
    // Annotations beyond the most of an event, fields beyond the most of an alert.
    assert_eq!(counts(&pipeline).rejected, 36 + 8);
    // Every annotation's and field's value, and the title.
    assert_eq!(counts(&pipeline).cut, 100 + 40 + 1);
}

#[test]
fn losses_cannot_be_dropped() {
    let mut pipeline = evil("{ onFrame: drop-all }", "");
    let loss = event(EventKind::Loss { cpu: 1, count: 5 });
    let mut events = vec![kprobe("p", "/a"), loss.clone(), event(EventKind::Exec)];
    pipeline.process(&mut events);
    assert_eq!(events, [loss]);
    assert_eq!((counts(&pipeline).dropped["evil"], counts(&pipeline).rejected), (2, 1));
}

/// They are compared at the host's expense, before any time of the plugin's counts.
#[test]
fn patterns_of_a_subscription_are_bounded() {
    let load = |policies: usize| {
        let config = format!("{{ onFrame: nothing, policies: {policies} }}");
        let entry = format!(
            "- name: evil\n  component: {}\n  grants: {{ log: true, kv: {{}} }}\n  config: {config}",
            plugin("evil")
        );
        Setup::new().load(&entry)
    };
    assert!(load(256).is_ok());
    let refusal = load(257).unwrap_err().to_string();
    assert!(refusal.contains("257 patterns: at most 256"), "{refusal}");
}

#[test]
fn log_lines_are_bounded() {
    let mut pipeline = evil("{ onFrame: log }", "");
    pipeline.process(&mut batch());
    assert_eq!(counts(&pipeline).log_lines_lost, 1000 - 16);
}

/// Over calls, beside what bounds each.
#[test]
fn log_lines_and_alerts_have_rates() {
    let limits = "{ alerts: { burst: 15, per: 1h }, logLines: { burst: 20, per: 1h } }";
    let entry = |deed: &str| {
        let (component, config) = (plugin("evil"), format!("{{ onFrame: {deed} }}"));
        format!(
            "- name: evil\n  component: {component}\n  grants: {{ log: true, kv: {{}} }}\n  limits: {limits}\n  config: {config}"
        )
    };
    let mut pipeline = Setup::new().load(&entry("log")).unwrap();
    (0..3).for_each(|_| _ = pipeline.process(&mut batch()));
    assert_eq!(counts(&pipeline).log_lines_lost, 3 * 1000 - 20);

    let mut pipeline = Setup::new().load(&entry("alert")).unwrap();
    let mut raised = 0;
    for _ in 0..3 {
        let mut events = batch();
        pipeline.process(&mut events);
        raised += events.iter().filter(|event| matches!(event.kind, EventKind::Alert(_))).count();
    }
    assert_eq!((raised, counts(&pipeline).alerts, counts(&pipeline).alerts_over_rate), (15, 15, 15));
    assert_eq!(counts(&pipeline).rejected, 0);
}

#[test]
fn hundreds_of_actions_are_bounded() {
    let entry = format!(
        "- name: evil\n  component: {}\n  config: {{ onFrame: act }}\n  grants: {{ log: true, kv: {{}}, dns: ['*.evil.example'], \
         http: ['GET https://evil.example/*'], rate: {{ per: 1h, burst: 5 }} }}\n",
        plugin("evil")
    );
    let mut pipeline = Setup::new().load(&entry).unwrap();
    let mut events: Vec<Event> = (0..256).map(|number| kprobe("p", &format!("/{number}"))).collect();
    // Three for each event, the third of which is none; what is behind the first 64 is not looked at.
    assert_eq!(pipeline.process(&mut events).len(), 5);
    let counts = counts(&pipeline);
    assert_eq!((counts.rejected, counts.refused, counts.over_rate), (3 * 256 - 64 + 21, 0, 64 - 21 - 5));
}

#[test]
fn ticks_are_contained_too() {
    let mut pipeline = evil("{ onFrame: nothing, onTick: loop }", "");
    assert_eq!(pipeline.tick(1), []);
    assert_eq!((counts(&pipeline).timeouts, counts(&pipeline).failures()), (1, 1));
}

#[test]
fn and_so_is_the_end() {
    let mut pipeline = evil("{ onFrame: nothing, onFlush: loop }", "");
    assert_eq!(pipeline.flush(), []);
    assert_eq!((counts(&pipeline).timeouts, counts(&pipeline).failures()), (1, 1));
    let mut pipeline = evil("{ onFrame: nothing, onFlush: act }", "");
    assert_eq!(pipeline.flush(), []);
    assert!(counts(&pipeline).refused > 0, "nothing is granted: {:?}", counts(&pipeline));
}

#[test]
fn evil_beside_good_harms_only_itself() {
    let entries = format!(
        "- name: evil\n  component: {}\n  grants: {{ log: true, kv: {{}} }}\n  config: {{ onFrame: panic }}\n\
         - name: containers\n  component: {}",
        plugin("evil"),
        plugin("container-enrich")
    );
    let mut pipeline = Setup::new().load(&entries).unwrap();
    let mut events = batch();
    pipeline.process(&mut events);
    assert_eq!(counts(&pipeline).traps, 1);
    let error = error_of(&events.pop().unwrap()).clone();
    assert_eq!((&*error.plugin, error.failures), ("evil", 1));
    assert!(error.reason.starts_with("trapped: "), "{}", error.reason);
    assert!(events.iter().all(|event| event.annotations.iter().any(|a| &*a.key == "container.id")));
}

#[test]
fn alerts_on_alerts_are_rejected() {
    let entry = |name: &str, kind: &str| {
        let grants = "{ log: true, kv: {} }";
        let component = plugin("evil");
        format!(
            "- name: {name}\n  component: {component}\n  grants: {grants}\n  config: {{ onFrame: alert, kind: {kind} }}\n"
        )
    };
    let entries =
        entry("first", "process_kprobe") + &entry("second", "process_kprobe") + &entry("third", "alert");
    let mut pipeline = Setup::new().load(&entries).unwrap();
    let mut events = batch();
    pipeline.process(&mut events);
    // Each of the first two raises one on each event; the third, which gets these, may not.
    assert_eq!(events.iter().filter(|event| matches!(event.kind, EventKind::Alert(_))).count(), 20);
    assert_eq!(events.len(), 30);
    let third = counters(&pipeline, "third");
    assert_eq!((third.events, third.alerts, third.rejected), (20, 0, 20));
}

#[test]
fn alerts_outlive_the_event_that_is_dropped() {
    let evil = plugin("evil");
    let entry = |name: &str, deed: &str| {
        format!(
            "- name: {name}\n  component: {evil}\n  grants: {{ log: true, kv: {{}} }}\n  config: {{ onFrame: {deed} }}\n"
        )
    };
    let mut pipeline =
        Setup::new().load(&(entry("finder", "alert") + &entry("dropper", "drop-all"))).unwrap();
    let mut events = batch();
    pipeline.process(&mut events);
    assert_eq!(events.len(), 10);
    for (event, before) in events.iter().zip(batch()) {
        let EventKind::Alert(finding) = &event.kind else { panic!("{event:?}") };
        assert_eq!(
            (&finding.trigger, &event.process, event.time),
            (&before.kind, &before.process, before.time)
        );
        assert_eq!((&*finding.alert.plugin, &*finding.alert.key), ("finder", "finder/evil//usr/bin/ln"));
    }
}

#[test]
fn what_is_kept_is_bounded_and_outlives_the_instance() {
    let mut pipeline = evil("{ onFrame: hoard, onTick: panic }", "");
    let mut told = Vec::new();
    let end = Instant::now() + Duration::from_secs(20);
    while counts(&pipeline).restarts == 0 && Instant::now() < end {
        let mut events = batch();
        pipeline.process(&mut events);
        told.extend(events[0].annotations.iter().map(|annotation| annotation.value.to_string()));
        pipeline.tick(1);
        std::thread::sleep(Duration::from_millis(5));
    }
    // The second of them is from after the restart: it overwrites what it finds.
    let bounded = "taken 100, refused [true, true]";
    assert_eq!(told[..2], [format!("found 0, {bounded}"), format!("found 100, {bounded}")]);
    assert_eq!(counts(&pipeline).kv_refused, 2 * 3);
}

#[test]
fn many_alerts_of_one_batch_go_through_the_chain_in_several_frames() {
    let evil = plugin("evil");
    let finders: String = (0..3)
        .map(|n| format!("- name: finder-{n}\n  component: {evil}\n  grants: {{ log: true, kv: {{}} }}\n  config: {{ onFrame: alert }}\n"))
        .collect();
    let watcher = format!(
        "- name: watcher\n  component: {evil}\n  grants: {{ log: true, kv: {{}} }}\n  config: {{ onFrame: nothing, kind: alert }}\n"
    );
    let mut pipeline = Setup::new().load(&(finders + &watcher)).unwrap();
    let mut events: Vec<Event> = (0..256).map(|number| kprobe("p", &format!("/{number}"))).collect();
    pipeline.process(&mut events);
    assert_eq!(events.len(), 4 * 256);
    let watcher = counters(&pipeline, "watcher");
    assert_eq!((watcher.calls, watcher.events, watcher.failures()), (3, 768, 0));
}
