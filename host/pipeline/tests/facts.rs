//! What plugins keep beyond the end of the agent.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::path::Path;

use serin_pipeline::{Facts, HostId, Loader, Pipeline};
use support::{Setup, kprobe, plugin};

fn entry(name: &str, fields: &str) -> String {
    format!(
        "- name: {name}\n  component: {}\n  grants: {{ log: true, kv: {{ keys: 100{fields} }} }}\n  \
         config: {{ onFrame: hoard }}\n  limits: {{ time: 10s }}\n",
        plugin("evil")
    )
}

fn loader(state: &Path) -> Loader {
    Loader::new(HostId::of_this_host()).unwrap().with_facts(Some(Facts::open(state).unwrap()))
}

fn load(loader: &Loader, entries: &str) -> Pipeline {
    loader.load(&Setup::new().file(entries), None).unwrap()
}

/// How many facts each plugin has found.
fn found(pipeline: &mut Pipeline) -> Vec<String> {
    let mut events = vec![kprobe("p", "/a")];
    pipeline.process(&mut events);
    let told = events[0].annotations.iter().map(|annotation| annotation.value.split_once(',').unwrap().0);
    told.map(str::to_owned).collect()
}

#[test]
fn they_are_there_when_it_starts_again_for_those_that_may() {
    let state = tempfile::tempdir().unwrap();
    let entries = entry("keeps", ", persist: true") + &entry("forgets", "");
    for expected in [["found 0", "found 0"], ["found 100", "found 0"]] {
        let mut pipeline = load(&loader(state.path()), &entries);
        assert_eq!(found(&mut pipeline), expected);
    }
    // Without a folder, nothing outlives the pipeline.
    let mut pipeline = load(&Loader::new(HostId::of_this_host()).unwrap(), &entries);
    assert_eq!(found(&mut pipeline), ["found 0", "found 0"]);
}

#[test]
fn they_pass_from_one_version_to_the_next_and_those_of_plugins_that_went_stay() {
    let state = tempfile::tempdir().unwrap();
    let loader = loader(state.path());
    let mut pipeline = load(&loader, &entry("evil", ", persist: true"));
    assert_eq!(found(&mut pipeline), ["found 0"]);
    let mut next = load(&loader, &entry("evil", ", bytes: 2MiB, persist: true"));
    next.succeed(pipeline);
    assert_eq!(found(&mut next), ["found 100"]);
    // It goes, and comes back.
    let mut without = load(&loader, &entry("other", ", persist: true"));
    without.succeed(next);
    let mut again = load(&loader, &entry("evil", ", persist: true"));
    again.succeed(without);
    assert_eq!(found(&mut again), ["found 100"]);
    again.keep_facts();
    assert!(state.path().join("kv/evil.json").exists());
}
