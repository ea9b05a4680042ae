//! The plugin on events.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

use canary::Canary;
use serin_plugin::testing::{self, Effects, RecordWriter};
use serin_plugin::{Action, Method};

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
fn asks_for_the_record_that_is_configured() {
    for record in ["A", "AAAA", "TXT"] {
        let config = format!(r#"{{"dns": "abc.def.o3n.io", "payload": "", "record": "{record}"}}"#);
        let mut plugin: Canary = testing::init(&config).unwrap();
        let effects = testing::on_event(&mut plugin, link("/bin/ln", 100));
        assert_eq!(requested(&effects).unwrap(), format!("{record} G01.abc.def.o3n.io"));
    }
    for (config, needle) in [
        (
            r#"{"dns": "abc.def.o3n.io", "record": "MX"}"#,
            "unknown variant `MX`, expected one of `A`, `AAAA`, `TXT`",
        ),
        (r#"{"http": "https://example.com/", "record": "A"}"#, "`record` is for `dns`"),
    ] {
        let error = testing::init::<Canary>(config).unwrap_err();
        assert!(error.contains(needle), "{error}");
    }
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
fn posts_json_in_which_nothing_can_break_out() {
    let config = r#"{"http": "https://hooks.example.com/x", "headers": {"authorization": "Bearer t", "x-host": "{node}"},
        "body": {"text": "*{policy}* by {binary}: \"{arguments}\"", "level": 3, "tags": ["{uid}", "a\\b"]}}"#;
    let mut plugin: Canary = testing::init(config).unwrap();
    let effects = testing::on_event(&mut plugin, |event| {
        event.new_node("wéb\n1");
        event.new_process().binary("/bin/\"ln\\\n").uid(7).arguments(&["{node}"]);
        event.new_kprobe("links");
    });
    let Some(Action::Http(request)) = effects.actions.first().map(|request| &request.action) else {
        panic!()
    };
    let body: serde_json::Value = serde_json::from_slice(&request.body).unwrap();
    let expected = serde_json::json!({
        "text": "*links* by /bin/\"ln\\\n: \"{node}\"", "level": 3, "tags": ["7", "a\\b"],
    });
    assert_eq!((body, request.method), (expected, Method::Post));
    let headers: Vec<_> =
        request.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(
        headers,
        [("content-type", "application/json"), ("authorization", "Bearer t"), ("x-host", "w?b?1")]
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
        (r#"{"dns": "a.b", "body": {}}"#, "`body` and `headers` are for `http`"),
        (r#"{"http": "https://a.b/", "headers": {"x": "y"}}"#, "`headers` needs a `body`"),
        (r#"{"http": "https://a.b/", "body": ["{host}"]}"#, "`{host}` in `{host}` is not a field"),
        (r#"{"token": "a.b"}"#, "unknown field `token`, expected one of `dns`"),
    ] {
        let error = testing::init::<Canary>(config).unwrap_err();
        assert!(error.starts_with(message), "{config}: {error}");
    }
}
