//! The plugin on events.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

use canary::Canary;
use serin_plugin::Action;
use serin_plugin::testing::{self, Effects, RecordWriter};

const SECOND: u64 = 1_000_000_000;

fn link(binary: &str, second: u64) -> impl FnOnce(&mut RecordWriter<'_>) {
    move |event| {
        event.new_node("web-1").time(second * SECOND);
        event.new_process().binary(binary).pid(42).uid(1000).arguments(&["-s", "/etc/passwd"]);
        event.new_kprobe("links");
    }
}

fn requested(effects: &Effects) -> Option<String> {
    match effects.actions.first().map(|request| &request.action)? {
        Action::Dns(name) => Some(name.clone()),
        Action::Http(request) => Some(request.url.clone()),
    }
}

#[test]
fn looks_up_what_happened() {
    let mut plugin: Canary =
        testing::init(r#"{"dns": "abc.def.o3n.io", "payload": "{policy} {binary}"}"#).unwrap();
    let effects = testing::on_event(&mut plugin, link("/bin/ln", 100));
    // base32 of `links /bin/ln`
    assert_eq!(requested(&effects).unwrap(), "NRUW423TEAXWE2LOF5WG4.G01.abc.def.o3n.io");
    let marks: Vec<_> = effects.annotations.iter().map(|a| (a.key.as_str(), a.value.as_str())).collect();
    assert_eq!(marks, [("canary.requested", "dns")]);
}

#[test]
fn requests_a_url() {
    let config =
        r#"{"http": "https://example.com/token/x?host={node}&cmd={binary}%20{arguments}&uid={uid}"}"#;
    let mut plugin: Canary = testing::init(config).unwrap();
    let effects = testing::on_event(&mut plugin, link("/bin/l n&", 100));
    assert_eq!(
        requested(&effects).unwrap(),
        "https://example.com/token/x?host=web-1&cmd=%2Fbin%2Fl%20n%26%20-s%20%2Fetc%2Fpasswd&uid=1000"
    );
}

#[test]
fn repeats_within_the_window_fire_nothing() {
    let mut plugin: Canary = testing::init(r#"{"dns": "abc.def.o3n.io", "window": "1m"}"#).unwrap();
    let fires = [("/a", 100), ("/a", 101), ("/b", 101), ("/a", 159), ("/a", 160), ("/a", 219)]
        .map(|(binary, second)| requested(&testing::on_event(&mut plugin, link(binary, second))).is_some());
    assert_eq!(fires, [true, false, true, false, true, false]);
}

#[test]
fn severity_decides_if_asked_to() {
    let mut plugin: Canary = testing::init(r#"{"dns": "abc.def.o3n.io", "minSeverity": "high"}"#).unwrap();
    for (severity, fires) in [(None, false), (Some(2), false), (Some(3), true)] {
        let effects = testing::on_event(&mut plugin, |event| {
            event.new_process().binary("/bin/x");
            if let Some(severity) = severity {
                event.new_alert(severity, "found");
            }
        });
        assert_eq!(requested(&effects).is_some(), fires, "severity {severity:?}");
    }
}

#[test]
fn configuration_is_checked() {
    for (config, message) in [
        ("null", "write either `dns: <host name of the token>` or `http: <its URL>`"),
        (r#"{"dns": "a.b", "http": "https://a.b/"}"#, "write either `dns:"),
        (r#"{"dns": "nodots"}"#, "dns: `nodots` is not a host name"),
        (r#"{"http": "https://a.b/", "payload": "x"}"#, "`payload` is for `dns`"),
        (r#"{"dns": "a.b", "minSeverity": "bad"}"#, "unknown variant `bad`, expected one of `info`, `low`"),
        (r#"{"token": "a.b"}"#, "unknown field `token`, expected one of `dns`"),
    ] {
        let error = testing::init::<Canary>(config).unwrap_err();
        assert!(error.starts_with(message), "{config}: {error}");
    }
}
