//! The plugin on events.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

use redact::Redact;
use serin_plugin::redact::Place;
use serin_plugin::{Kind, testing};

/// The arguments with what was masked in them replaced by `*`, one for each byte.
fn masked(config: &str, arguments: &[&str]) -> Vec<String> {
    let mut plugin: Redact = testing::init(config).unwrap();
    testing::masked();
    testing::on_event(&mut plugin, |event| {
        event.kind_code(Kind::ProcessExec.code());
        event.new_process().binary("/bin/x").arguments(arguments);
    });
    let mut texts: Vec<Vec<u8>> = arguments.iter().map(|text| text.as_bytes().to_vec()).collect();
    for (place, range) in testing::masked() {
        let Place::ProcessArgument(index) = place else { panic!("{place:?}") };
        texts[index as usize][range].fill(b'*');
    }
    texts.into_iter().map(|text| String::from_utf8(text).unwrap()).collect()
}

#[test]
fn what_is_secret_everywhere_is_masked() {
    for (arguments, expected) in [
        (&["-u", "root", "--password=hunter2"][..], &["-u", "root", "--password=*******"][..]),
        (&["--password", "hunter2", "x"], &["--password", "*******", "x"]),
        (&["--password", "--password", "x"], &["--password", "**********", "x"]),
        (&["DB_PASSWORD=a b c"], &["DB_PASSWORD=*****"]),
        (&["X-Api-Key: abc"], &["X-Api-Key: ***"]),
        (&["Authorization: Bearer abcdefgh.1"], &["Authorization: Bearer **********"]),
        (&["https://user:geheim@example.com/x"], &["https://user:******@example.com/x"]),
        (&["AKIAIOSFODNN7EXAMPLE"], &["********************"]),
        (&["-c", "curl -H 'token: abc'"], &["-c", "curl -H 'token: ****"]),
        (&["--passwörter", "ls", "/etc/passwd"], &["--passwörter", "ls", "/etc/passwd"]),
    ] {
        assert_eq!(masked("{}", arguments), expected);
    }
}

#[test]
fn patterns_name_more() {
    let config = r#"{"defaults": false, "patterns": ["PIN-[0-9]+", "id=([a-z]+)"], "options": ["-P"]}"#;
    let arguments = ["PIN-1234 PIN-5", "id=abc;id=de", "-P", "x", "--password=y"];
    let expected = ["******** *****", "id=***;id=**", "-P", "*", "--password=y"];
    assert_eq!(masked(config, &arguments), expected);
}

#[test]
fn parents_and_hooks_are_looked_at() {
    let mut plugin: Redact = testing::init("null").unwrap();
    testing::masked();
    testing::on_event(&mut plugin, |event| {
        event.kind_code(Kind::ProcessKprobe.code());
        event.new_parent().arguments(&["x", "token=abc"]);
        event.new_kprobe("p").arguments(&["/x", "secret=1"], |text, argument| {
            argument.type_code(5).text(text);
        });
    });
    assert_eq!(testing::masked(), [(Place::ParentArgument(1), 6..9), (Place::HookArgument(1), 7..8)]);
}

#[test]
fn what_is_wrong_is_said() {
    for (config, message) in [
        (r#"{"patterns": ["("]}"#, "`patterns`: `(`: "),
        (r#"{"patterns": ["x*"]}"#, "`patterns`: `x*` matches nothing at all, too"),
        (r#"{"options": [""]}"#, "`options`: `` is empty"),
        (r#"{"defaults": false}"#, "must name what is secret"),
        (r#"{"pattern": []}"#, "unknown field `pattern`"),
    ] {
        let error = testing::init::<Redact>(config).unwrap_err();
        assert!(error.contains(message), "{config}: {error}");
    }
}
