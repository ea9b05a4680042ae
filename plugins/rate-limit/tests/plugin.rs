//! The plugin on events.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

use rate_limit::RateLimit;
use serin_plugin::Plugin;
use serin_plugin::testing::{self, Effects};

const SECOND: u64 = 1_000_000_000;

fn limit(config: &str) -> RateLimit {
    testing::init(config).unwrap()
}

fn kprobe(plugin: &mut RateLimit, policy: &str, binary: &str, second: u64) -> Effects {
    testing::on_event(plugin, |event| {
        event.time(second * SECOND);
        event.new_process().binary(binary);
        event.new_kprobe(policy);
    })
}

fn dropped(effects: &Effects) -> bool {
    !effects.drops.is_empty()
}

fn annotations(effects: &Effects) -> Vec<(&str, &str)> {
    effects.annotations.iter().map(|a| (a.key.as_str(), a.value.as_str())).collect()
}

#[test]
fn drops_above_the_rate_and_says_how_many() {
    let mut plugin = limit(r#"{"per": "10s", "burst": 2}"#);
    let outcomes = [100, 100, 100, 101].map(|at| dropped(&kprobe(&mut plugin, "p", "/a", at)));
    assert_eq!(outcomes, [false, false, true, true]);
    assert!(!dropped(&kprobe(&mut plugin, "p", "/b", 101)), "another binary has a bucket of its own");
    assert!(!dropped(&kprobe(&mut plugin, "q", "/a", 101)), "another policy has a bucket of its own");
    let next = kprobe(&mut plugin, "p", "/a", 105);
    assert_eq!(annotations(&next), [("rate_limit.suppressed", "2")]);
    assert_eq!(annotations(&kprobe(&mut plugin, "p", "/a", 110)), []);
}

#[test]
fn drops_of_what_fell_silent_are_told_by_others() {
    let mut plugin = limit(r#"{"per": "10s", "burst": 1}"#);
    for _ in 0..4 {
        kprobe(&mut plugin, "p", "/a", 100);
    }
    plugin.on_tick(105 * SECOND);
    assert_eq!(annotations(&kprobe(&mut plugin, "p", "/b", 106)), []);
    plugin.on_tick(111 * SECOND);
    assert_eq!(annotations(&kprobe(&mut plugin, "p", "/c", 112)), [("rate_limit.suppressed_others", "3")]);
    assert_eq!(annotations(&kprobe(&mut plugin, "p", "/a", 130)), []);
}

#[test]
fn many_binaries_take_bounded_memory_and_no_count_is_lost() {
    let mut plugin = limit(r#"{"per": "1h", "burst": 1}"#);
    let mut dropped_in_all = 0;
    let mut told = 0;
    for number in 0..20_000 {
        for _ in 0..2 {
            let effects = kprobe(&mut plugin, "p", &format!("/{number}"), 100);
            dropped_in_all += u64::from(dropped(&effects));
            told += effects.annotations.iter().map(|a| a.value.parse::<u64>().unwrap()).sum::<u64>();
        }
    }
    plugin.on_tick(10_000 * SECOND);
    let last = kprobe(&mut plugin, "p", "/last", 10_000);
    told += last.annotations.iter().map(|a| a.value.parse::<u64>().unwrap()).sum::<u64>();
    assert_eq!((dropped_in_all, told), (20_000, 20_000));
}

#[test]
fn configuration_is_checked() {
    for (config, message) in [
        (r#"{"per": "1m", "burst": 0}"#, "`burst` is 0, so no event would pass: write 1 or more"),
        (
            r#"{"per": "soon", "burst": 1}"#,
            "`soon` is not a duration: write a whole number with ms, s, m or h, like `5s`",
        ),
        (r#"{"per": "1m"}"#, "missing field `burst`"),
        (r#"{"per": "1m", "burts": 1}"#, "unknown field `burts`, expected `per` or `burst`"),
        ("null", "missing field `per`"),
    ] {
        assert_eq!(testing::init::<RateLimit>(config).unwrap_err(), message, "{config}");
    }
}
