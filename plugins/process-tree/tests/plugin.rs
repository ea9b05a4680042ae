//! The plugin on events.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

use process_tree::ProcessTree;
use serin_plugin::Kind;
use serin_plugin::testing::{self, Effects};

/// An execution; the parent is told with it, but not what is above that.
fn exec(plugin: &mut ProcessTree, (exec_id, binary): (&str, &str), parent: (&str, &str, &str)) -> Effects {
    let (parent_id, parent_binary, above) = parent;
    testing::on_event(plugin, |event| {
        event.kind_code(Kind::ProcessExec.code());
        event.new_parent().exec_id(parent_id).binary(parent_binary).parent_exec_id(above);
        event.new_process().exec_id(exec_id).binary(binary).parent_exec_id(parent_id);
    })
}

fn annotation<'e>(effects: &'e Effects, key: &str) -> Option<&'e str> {
    effects.annotations.iter().find(|a| a.key == key).map(|a| a.value.as_str())
}

#[test]
fn ancestors_are_told_as_far_as_events_told_of_them() {
    let mut plugin: ProcessTree = testing::init("{}").unwrap();
    let first = exec(&mut plugin, ("2", "/usr/sbin/sshd"), ("1", "/sbin/init", ""));
    assert_eq!(annotation(&first, "process.ancestors"), Some("/sbin/init"));
    let second = exec(&mut plugin, ("3", "/bin/bash"), ("2", "/usr/sbin/sshd", "1"));
    assert_eq!(annotation(&second, "process.ancestors"), Some("/usr/sbin/sshd < /sbin/init"));
    let third = exec(&mut plugin, ("4", "/bin/ln"), ("3", "/bin/bash", "2"));
    assert_eq!(annotation(&third, "process.ancestors"), Some("/bin/bash < /usr/sbin/sshd < /sbin/init"));
    let stranger = exec(&mut plugin, ("9", "/bin/ls"), ("8", "/bin/sh", "7"));
    assert_eq!(annotation(&stranger, "process.ancestors"), Some("/bin/sh"));
    exec(&mut plugin, ("7", "/usr/sbin/cron"), ("1", "/sbin/init", ""));
    let known = exec(&mut plugin, ("10", "/bin/ls"), ("8", "/bin/sh", "7"));
    assert_eq!(annotation(&known, "process.ancestors"), Some("/bin/sh < /usr/sbin/cron < /sbin/init"));
}

#[test]
fn no_more_are_told_than_asked_for() {
    let mut plugin: ProcessTree = testing::init(r#"{"depth": 2}"#).unwrap();
    for number in 1..10 {
        let (this, parent, above) = (number.to_string(), (number - 1).to_string(), (number - 2).to_string());
        let told =
            exec(&mut plugin, (&this, &format!("/bin/{this}")), (&parent, &format!("/bin/{parent}"), &above));
        if number > 2 {
            let expected = format!("/bin/{parent} < /bin/{above}");
            assert_eq!(annotation(&told, "process.ancestors"), Some(expected.as_str()));
        }
    }
}

#[test]
fn processes_that_claim_to_be_their_own_ancestors_end_the_search() {
    let mut plugin: ProcessTree = testing::init(r#"{"depth": 32}"#).unwrap();
    exec(&mut plugin, ("a", "/bin/a"), ("b", "/bin/b", "a"));
    let told = exec(&mut plugin, ("b", "/bin/b"), ("a", "/bin/a", "b"));
    assert_eq!(annotation(&told, "process.ancestors").unwrap().split(" < ").count(), 32);
    let told = exec(&mut plugin, ("c", "/bin/c"), ("c", "/bin/c", "c"));
    assert_eq!(annotation(&told, "process.ancestors"), None);
}

#[test]
fn programs_are_new_once() {
    let mut plugin: ProcessTree = testing::init(r#"{"first_seen": true}"#).unwrap();
    let mut is_new = |id: &str, binary: &str| {
        let told = exec(&mut plugin, (id, binary), ("1", "/sbin/init", ""));
        annotation(&told, "process.first_seen") == Some(binary)
    };
    let found = [("2", "/bin/ls"), ("3", "/bin/ls"), ("4", "/bin/ln"), ("5", "/bin/ls")]
        .map(|(id, name)| is_new(id, name));
    assert_eq!(found, [true, false, true, false]);
}

#[test]
fn depths_out_of_range_are_refused() {
    for depth in ["0", "33"] {
        let error = testing::init::<ProcessTree>(&format!(r#"{{"depth": {depth}}}"#)).unwrap_err();
        assert_eq!(error, format!("`depth` is {depth}: write a number from 1 to 32"));
    }
}
