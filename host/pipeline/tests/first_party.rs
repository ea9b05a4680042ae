//! The plugins that come with serin, in the sandbox.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use serin_event::EventKind;
use support::{Setup, counters, event, kprobe, plugin};

#[test]
fn container_enrich_annotates() {
    let setup = Setup::new();
    let mut pipeline =
        setup.load(&format!("- name: containers\n  component: {}", plugin("container-enrich"))).unwrap();
    let mut events = vec![event(EventKind::Exec), kprobe("p", "/etc/passwd"), event(EventKind::Exec)];
    events[2].process = None;
    let requests = pipeline.process(&mut events);
    assert_eq!(requests, []);
    for event in &events[..2] {
        let annotations: Vec<_> =
            event.annotations.iter().map(|a| (&*a.plugin, &*a.key, &*a.value)).collect();
        let id = "ab".repeat(32);
        let expected =
            [("containers", "container.id", id.as_str()), ("containers", "container.runtime", "docker")];
        assert_eq!(annotations, expected);
    }
    assert_eq!(events[2].annotations, []);
    let counters = counters(&pipeline, "containers");
    assert_eq!((counters.calls, counters.events, counters.annotations), (1, 3, 4));
}
