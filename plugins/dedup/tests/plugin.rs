//! The plugin on alerts.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

use dedup::Dedup;
use serin_plugin::testing::{self, Effects};

fn alert(plugin: &mut Dedup, key: &str, second: u64) -> Effects {
    testing::on_event(plugin, |event| {
        event.time(second * 1_000_000_000);
        event.new_finding("title", key);
    })
}

fn annotations(effects: &Effects) -> Vec<(&str, &str)> {
    effects.annotations.iter().map(|a| (a.key.as_str(), a.value.as_str())).collect()
}

#[test]
fn one_of_a_key_passes_in_a_window() {
    let mut plugin: Dedup = testing::init(r#"{"window": "10s"}"#).unwrap();
    let dropped = [("a", 100), ("a", 101), ("b", 101), ("a", 109), ("a", 110), ("a", 111)]
        .map(|(key, at)| !alert(&mut plugin, key, at).drops.is_empty());
    assert_eq!(dropped, [false, true, false, true, false, true]);
    assert_eq!(annotations(&alert(&mut plugin, "a", 130)), [("dedup.suppressed", "1")]);
}

#[test]
fn no_drop_is_left_untold() {
    let mut plugin: Dedup = testing::init(r#"{"window": "1h"}"#).unwrap();
    let (mut dropped, mut told) = (0, 0);
    for number in 0..20_000 {
        for _ in 0..2 {
            let effects = alert(&mut plugin, &format!("key-{number}"), 100);
            dropped += effects.drops.len();
            told += effects.annotations.iter().map(|a| a.value.parse::<usize>().unwrap()).sum::<usize>();
        }
    }
    assert_eq!(dropped, 20_000);
    assert!(told <= dropped && dropped - told <= 4096, "{told}: what is not told yet is in the table");
}

#[test]
fn a_window_of_nothing_is_refused() {
    let error = testing::init::<Dedup>(r#"{"window": "0s"}"#).unwrap_err();
    assert!(error.contains("nothing would be held back"), "{error}");
}
