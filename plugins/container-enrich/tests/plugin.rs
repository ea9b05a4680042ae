//! The plugin on events.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

use container_enrich::ContainerEnrich;
use serin_plugin::testing;

#[test]
fn annotates_events_of_containers_only() {
    let id = "ab".repeat(32);
    let mut plugin: ContainerEnrich = testing::init("null").unwrap();
    let outcome = testing::on_event(&mut plugin, |event| {
        event.new_process().cgroup(&format!("/system.slice/docker-{id}.scope"));
    });
    let annotations: Vec<_> =
        outcome.annotations.iter().map(|a| (a.key.as_str(), a.value.as_str())).collect();
    assert_eq!(annotations, [("container.id", id.as_str()), ("container.runtime", "docker")]);

    let outcome = testing::on_event(&mut plugin, |event| {
        event.new_process().cgroup("/system.slice/ssh.service");
    });
    assert_eq!(outcome.annotations, []);
}

#[test]
fn takes_no_configuration() {
    let error = testing::init::<ContainerEnrich>(r#"{"runtime": "docker"}"#).unwrap_err();
    assert_eq!(error, "unknown field `runtime`, there are no fields");
}
