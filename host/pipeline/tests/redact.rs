//! Masking: for all behind the plugin, if it is granted.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::sync::Arc;

use serin_event::argument::Argument;
use serin_event::{Event, EventKind, Process};
use support::{Setup, counters, event, kprobe, plugin};

fn entry(further: &str) -> String {
    format!("- name: redact\n  component: {}\n{further}", plugin("redact"))
}

fn exec(arguments: &[&str]) -> Event {
    let mut event = event(EventKind::Exec);
    let arguments = arguments.iter().map(|&text| text.to_owned()).collect();
    event.process = Some(Arc::new(Process { arguments, ..Process::clone(event.process.as_ref().unwrap()) }));
    event
}

fn arguments(event: &Event) -> &[String] {
    &event.process.as_ref().unwrap().arguments
}

fn mark(event: &Event) -> Option<&str> {
    event.annotations.iter().find(|annotation| &*annotation.key == "redacted").map(|found| &*found.value)
}

#[test]
fn without_the_grant_it_is_not_started() {
    let refusal = Setup::new().refusal(&entry("  grants: { log: true }"));
    let expected =
        "imports serin:plugin/redact@0.1.0, which is not granted: write `grants: { redact: true }`";
    assert!(refusal.contains(expected), "{refusal}");
}

#[test]
fn secrets_are_masked_marked_and_counted() {
    let mut pipeline = Setup::new().load(&entry("  grants: { redact: true }")).unwrap();
    let secret = exec(&["-u", "größe", "--password=größe", "--token", "hunter2"]);
    let mut events = vec![exec(&["plain"]), secret.clone(), kprobe("p", "token=abc")];
    pipeline.process(&mut events);
    assert_eq!((arguments(&events[0]), mark(&events[0])), (&["plain".to_owned()][..], None));
    let expected = ["-u", "größe", "--password=[redacted]", "--token", "[redacted]"];
    assert_eq!(arguments(&events[1]), expected);
    assert_eq!(mark(&events[1]), Some("process.arguments[2] process.arguments[4]"));
    let EventKind::Kprobe(hook) = &events[2].kind else { panic!("{:?}", events[2].kind) };
    assert_eq!(hook.arguments[0].0, Argument::String("token=[redacted]".to_owned()));
    assert_eq!(mark(&events[2]), Some("args[0]"));
    assert_eq!(arguments(&secret)[4], "hunter2", "the process that others hold");
    let counted = counters(&pipeline, "redact");
    assert_eq!((counted.redactions, counted.rejected), (3, 0));
}

#[test]
fn what_the_data_of_hooks_has_read_is_masked_too() {
    let mut pipeline = Setup::new().load(&entry("  grants: { redact: true }")).unwrap();
    let mut events = vec![kprobe("p", "plain")];
    let EventKind::Kprobe(hook) = &mut events[0].kind else { unreachable!() };
    hook.data = ["plain", "token=abc"].map(|text| (Argument::String(text.to_owned()), "".into())).into();
    pipeline.process(&mut events);
    let EventKind::Kprobe(hook) = &events[0].kind else { unreachable!() };
    assert_eq!(hook.data[1].0, Argument::String("token=[redacted]".to_owned()));
    assert_eq!(mark(&events[0]), Some("data[1]"));
    assert_eq!(counters(&pipeline, "redact").rejected, 0);
}

#[test]
fn plugins_behind_it_see_what_sinks_see() {
    // A plugin before and one behind it that say what they see.
    let tree = |name: &str| {
        format!(
            "- name: {name}\n  component: {}\n  config: {{ defaults: false, patterns: [hunter2] }}\n  grants: {{ redact: true }}\n",
            plugin("redact")
        )
    };
    let chain = format!("{}{}\n{}", tree("before"), entry("  grants: { redact: true }"), tree("behind"));
    let mut pipeline = Setup::new().load(&chain).unwrap();
    for count in [1, 300] {
        let mut events: Vec<Event> = (0..count).map(|_| exec(&["--password=hunter2 x"])).collect();
        pipeline.process(&mut events);
        assert!(events.iter().all(|event| arguments(event) == ["--password=[redacted]"]), "{:?}", events[0]);
    }
    assert_eq!(counters(&pipeline, "before").redactions, 301);
    assert_eq!(counters(&pipeline, "redact").redactions, 301);
    assert_eq!(counters(&pipeline, "behind").redactions, 0, "it finds nothing any more");
}
