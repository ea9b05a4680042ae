//! The plugin on events.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

use std::path::PathBuf;

use serin_plugin::testing::{self, Effects};
use serin_plugin::{Kind, Plugin};
use user_enrich::UserEnrich;

const SECOND: u64 = 1_000_000_000;

fn exec(plugin: &mut UserEnrich, uid: u32, auid: u32) -> Effects {
    testing::on_event(plugin, |event| {
        event.kind_code(Kind::ProcessExec.code());
        event.new_process().binary("/bin/ls").uid(uid).auid(auid);
    })
}

fn annotations(effects: &Effects) -> Vec<(&str, &str)> {
    effects.annotations.iter().map(|a| (a.key.as_str(), a.value.as_str())).collect()
}

/// A file of this name, and the plugin that reads it.
fn plugin(name: &str, content: &str) -> (PathBuf, UserEnrich) {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&path, content).unwrap();
    let config = format!(r#"{{"passwd": {:?}, "refresh": "5s"}}"#, path.display().to_string());
    let plugin = testing::init(&config).unwrap();
    (path, plugin)
}

#[test]
fn users_have_names() {
    let (_, mut plugin) = plugin("passwd", "root:x:0:0::/root:\ncanary:x:1000:1000::/:\n");
    for (uid, auid, expected) in [
        (0, u32::MAX, vec![("user.name", "root")]),
        (0, 1000, vec![("user.name", "root"), ("user.login", "canary")]),
        (7, 1000, vec![("user.login", "canary")]),
        (7, 8, vec![]),
    ] {
        assert_eq!(annotations(&exec(&mut plugin, uid, auid)), expected, "{uid} {auid}");
    }
}

#[test]
fn names_are_read_again_and_outlive_their_file() {
    let (file, mut plugin) = plugin("changing-passwd", "before:x:1000:");
    let name = |plugin: &mut UserEnrich, now: u64| {
        plugin.on_tick(now * SECOND);
        exec(plugin, 1000, u32::MAX).annotations.first().map(|a| a.value.clone())
    };
    assert_eq!(name(&mut plugin, 100).as_deref(), Some("before"));
    std::fs::write(&file, "after:x:1000:").unwrap();
    assert_eq!(name(&mut plugin, 104).as_deref(), Some("before"));
    assert_eq!(name(&mut plugin, 105).as_deref(), Some("after"));
    std::fs::remove_file(&file).unwrap();
    assert_eq!(name(&mut plugin, 115).as_deref(), Some("after"));
}

#[test]
fn what_cannot_be_read_is_refused() {
    for (config, message) in [
        (r#"{"passwd": "/none"}"#, "`passwd`: /none is not there"),
        (
            r#"{"passwd": "/"}"#,
            "`passwd`: / is no regular file, or behind a symbolic link: write the real path",
        ),
        (r#"{"refresh": "10ms"}"#, "`refresh` is less than `1s`"),
    ] {
        assert_eq!(testing::init::<UserEnrich>(config).unwrap_err(), message);
    }
}
