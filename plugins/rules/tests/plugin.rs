//! Rules on events.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

use rules::Rules;
use serin_plugin::testing::{self, Effects, RecordWriter};
use serin_plugin::{Kind, Plugin};

fn rules(when: &str) -> Result<Rules, String> {
    testing::init(&format!(
        r#"{{"rules": [{{"id": "r", "title": "t", "severity": "high", "techniques": ["T1"],
            "events": ["process_exec", "process_exit", "process_kprobe"], "when": {when},
            "fields": ["process.binary", "arg", "annotation.x"]}}]}}"#
    ))
}

fn symlink(event: &mut RecordWriter<'_>) {
    event.kind_code(Kind::ProcessKprobe.code());
    event.new_node("gull");
    event.new_process().binary("/usr/bin/ln").uid(1000).cwd("/root").arguments(&["-s", "/etc/passwd"]);
    event.new_parent().binary("/bin/bash").uid(0);
    let mut kprobe = event.new_kprobe("links");
    kprobe.arguments(&[0, 1], |which, argument| {
        match which {
            0 => argument.type_code(5).text("/etc/passwd").label("target"),
            _ => argument.type_code(1).integer(-100_i64 as u64),
        };
    });
}

fn alerts(when: &str) -> Effects {
    testing::on_event(&mut rules(when).unwrap(), symlink)
}

#[test]
fn conditions() {
    for (when, holds) in [
        (r#"{"process.binary": "/usr/bin/ln"}"#, true),
        (r#"{"process.binary": ["/bin/cp", "/usr/bin/ln"]}"#, true),
        (r#"{"process.binary": "/usr/bin/l"}"#, false),
        (r#"{"process.binary": {"startswith": "/usr/"}}"#, true),
        (r#"{"process.binary": {"startswith": ["/tmp/", "/usr/"], "endswith": "/ln"}}"#, true),
        (r#"{"process.binary": {"startswith": "/usr/", "endswith": "/cp"}}"#, false),
        (r#"{"process.binary": {"contains": "bin"}}"#, true),
        (r#"{"process.binary": {"glob": "/usr/*/l?"}}"#, true),
        (r#"{"process.name": "ln"}"#, true),
        (r#"{"process.argument": "/etc/passwd"}"#, true),
        (r#"{"process.argument": {"glob": "*shadow"}}"#, false),
        (r#"{"process.uid": 1000, "parent.uid": 0}"#, true),
        (r#"{"process.uid": {"above": 999, "below": 1001}}"#, true),
        (r#"{"process.uid": {"above": 1000}}"#, false),
        (r#"{"process.uid": [0, 1]}"#, false),
        (r#"{"policy": {"glob": "l*"}, "kind": "process_kprobe", "node": "gull"}"#, true),
        (r#"{"arg": "/etc/passwd"}"#, true),
        (r#"{"arg": -100}"#, true),
        (r#"{"arg.0": {"startswith": "/etc/"}}"#, true),
        (r#"{"arg.1": {"startswith": "/etc/"}}"#, false),
        (r#"{"arg.7": {"exists": true}}"#, false),
        (r#"{"arg.target": {"endswith": "passwd"}}"#, true),
        (r#"{"arg.source": {"exists": false}}"#, true),
        (r#"{"annotation.x": {"exists": false}}"#, true),
        (r#"{"exit.status": 0}"#, false),
        (r#"{"not": {"process.uid": 0}}"#, true),
        (r#"{"any": [{"process.uid": 0}, {"parent.uid": 0}]}"#, true),
        (r#"{"all": [{"process.uid": 0}, {"parent.uid": 0}]}"#, false),
        (r#"{"parent.uid": 0, "not": {"any": [{"process.uid": 5}, {"process.name": "cp"}]}}"#, true),
    ] {
        assert_eq!(alerts(when).alerts.len(), usize::from(holds), "{when}");
    }
}

#[test]
fn an_alert_says_what_the_rule_says() {
    let effects = alerts(r#"{"process.name": "ln"}"#);
    let alert = &effects.alerts[0];
    assert_eq!(
        (alert.rule.as_str(), alert.title.as_str(), alert.techniques.as_slice()),
        ("r", "t", &["T1".to_owned()][..])
    );
    let fields: Vec<_> = alert.fields.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    assert_eq!(fields, [("process.binary", "/usr/bin/ln"), ("arg", "/etc/passwd -100")]);
}

#[test]
fn a_rule_looks_at_its_kinds_only() {
    let config = r#"{"rules": [{"id": "r", "title": "t", "severity": "low", "events": ["process_exec"],
        "when": {"process.name": "ln"}}]}"#;
    let mut plugin: Rules = testing::init(config).unwrap();
    assert_eq!(plugin.subscription(), serin_plugin::Subscription::kinds([Kind::ProcessExec]));
    assert!(testing::on_event(&mut plugin, symlink).alerts.is_empty());
}

#[test]
fn mistakes_are_named() {
    for (when, message) in [
        ("{}", "rules[0].when: an empty condition would hold for everything"),
        (
            "[]",
            "rules[0].when: a condition is a mapping of fields to what they must be, or `all`, `any`, `not`",
        ),
        (
            r#"{"process.binry": "x"}"#,
            "rules[0].when.process.binry: `process.binry` is no field: write one of kind, node,",
        ),
        (r#"{"any": [{"process.uid": 0}, {"uid": 0}]}"#, "rules[0].when.any[1].uid: `uid` is no field"),
        (r#"{"any": []}"#, "rules[0].when.any: an empty list of conditions"),
        (r#"{"process.uid": "root"}"#, "rules[0].when.process.uid: \"root\" is not a whole number"),
        (
            r#"{"process.uid": {"startswith": "1"}}"#,
            "rules[0].when.process.uid.startswith: no such operator for a number: write one of equals, above",
        ),
        (
            r#"{"process.binary": {"regex": "."}}"#,
            "rules[0].when.process.binary.regex: no such operator for a text: write one of equals",
        ),
        (
            r#"{"process.binary": {"contains": ""}}"#,
            "rules[0].when.process.binary.contains: an empty text matches everything",
        ),
        (r#"{"process.binary": []}"#, "rules[0].when.process.binary: an empty list matches nothing"),
        (
            r#"{"process.binary": {"exists": "yes"}}"#,
            "rules[0].when.process.binary.exists: write true or false",
        ),
    ] {
        let error = rules(when).unwrap_err();
        assert!(error.starts_with(message), "{when}: {error}");
    }
    for (config, message) in [
        (r#"{"rules": []}"#, "`rules` is empty"),
        (r#"{"rules": [1]}"#, "rules[0]: a rule is a mapping"),
        (r#"{"rules": [{"when": {"kind": "x"}}]}"#, "rules[0].id: missing"),
        (r#"{"rules": [{"titel": "x"}]}"#, "rules[0].titel: no such key: a rule has id, title,"),
        (
            r#"{"rules": [{"id": "r", "title": "t", "severity": "bad", "when": {"kind": "x"}}]}"#,
            "rules[0].severity: `bad`: write info, low",
        ),
        (
            r#"{"rules": [{"id": "r", "title": "t", "severity": "low", "when": {"kind": "x"}}]}"#,
            "rules[0].events: missing",
        ),
    ] {
        let error = testing::init::<Rules>(config).unwrap_err();
        assert!(error.starts_with(message), "{config}: {error}");
    }
    let deep = r#"{"not": "#.repeat(40) + r#"{"kind": "x"}"# + &"}".repeat(40);
    assert!(rules(&deep).unwrap_err().ends_with("nested deeper than 32"));
}
