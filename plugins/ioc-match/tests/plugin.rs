//! The plugin on events.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

use ioc_match::IocMatch;
use serin_plugin::testing::{self, Effects};
use serin_plugin::{Kind, Severity};

const CONFIG: &str = r#"{
    "ips": ["192.0.2.7", "198.51.100.0/24"], "domains": ["Evil.Example."], "paths": ["/tmp/x", "/etc/shadow"],
    "hashes": ["D41D8CD98F00B204E9800998ECF8427E"], "severity": "critical"
}"#;

fn exec(binary: &str, arguments: &[&str]) -> Effects {
    let mut plugin: IocMatch = testing::init(CONFIG).unwrap();
    testing::on_event(&mut plugin, |event| {
        event.kind_code(Kind::ProcessExec.code());
        event.new_process().binary(binary).arguments(arguments);
    })
}

fn keys(effects: &Effects) -> Vec<&str> {
    effects.alerts.iter().map(|alert| alert.key.as_str()).collect()
}

#[test]
fn programs_and_arguments_are_looked_up() {
    for (binary, arguments, expected) in [
        ("/usr/bin/curl", &["-s", "https://a.EVIL.example:8443/x"][..], &["ioc-domain/evil.example"][..]),
        ("/usr/bin/curl", &["https://notevil.example/"], &[]),
        ("/usr/bin/ssh", &["root@198.51.100.9"], &["ioc-ip/198.51.100.9"]),
        ("/usr/bin/nc", &["192.0.2.7", "22"], &["ioc-ip/192.0.2.7"]),
        ("/usr/bin/nc", &["192.0.2.8", "22"], &[]),
        ("/tmp/x", &["/etc/shadow"], &["ioc-path//tmp/x", "ioc-path//etc/shadow"]),
    ] {
        assert_eq!(keys(&exec(binary, arguments)), expected, "{binary} {arguments:?}");
    }
    let effects = exec("/tmp/x", &[]);
    assert_eq!(
        (effects.alerts[0].severity, effects.alerts[0].rule.as_str()),
        (Severity::Critical, "ioc-path")
    );
}

#[test]
fn arguments_of_hooks_are_looked_up() {
    let mut plugin: IocMatch = testing::init(CONFIG).unwrap();
    let effects = testing::on_event(&mut plugin, |event| {
        event.kind_code(Kind::ProcessKprobe.code());
        event.new_process().binary("/tmp/x");
        event.new_kprobe("p").arguments(&["/etc/shadow"], |path, argument| {
            argument.type_code(6).text(path);
        });
    });
    assert_eq!(keys(&effects), ["ioc-path//etc/shadow"], "the program was looked at when it started");
}

#[test]
fn addresses_of_sockets_are_looked_up() {
    let mut plugin: IocMatch = testing::init(CONFIG).unwrap();
    for kind in Kind::HOOKS {
        let effects = testing::on_event(&mut plugin, |event| {
            event.kind_code(kind.code());
            event.new_kprobe("p").arguments(&["sock_arg"], |name, argument| {
                let fields = [("saddr", "127.0.0.1"), ("daddr", "198.51.100.7"), ("dport", "443")];
                argument.type_code(10).text(name).fields(&fields, |(key, value), field| {
                    field.key(key).value(value);
                });
            });
        });
        assert_eq!(keys(&effects), ["ioc-ip/198.51.100.7"], "{}", kind.name());
    }
}

#[test]
fn a_hundred_thousand_of_each() {
    let list = |make: fn(u32) -> String| {
        (0..100_000).map(|n| format!("\"{}\"", make(n))).collect::<Vec<_>>().join(",")
    };
    let config = format!(
        r#"{{"ips": [{}], "domains": [{}], "paths": [{}]}}"#,
        list(|n| std::net::Ipv4Addr::from_bits(0x0100_0000 + n).to_string()),
        list(|n| format!("host-{n}.example")),
        list(|n| format!("/opt/{n}"))
    );
    let mut plugin: IocMatch = testing::init(&config).unwrap();
    let effects = testing::on_event(&mut plugin, |event| {
        event.kind_code(Kind::ProcessExec.code());
        event.new_process().binary("/opt/99999").arguments(&[
            "1.1.134.159",
            "x.host-77.example",
            "/opt/100000",
        ]);
    });
    assert_eq!(keys(&effects), ["ioc-path//opt/99999", "ioc-ip/1.1.134.159", "ioc-domain/host-77.example"]);
}

#[test]
fn mistakes_are_named() {
    for (config, message) in [
        ("{}", "nothing to look for"),
        (r#"{"ips": ["1.1.1.1", "x"]}"#, "ips[1]: `x` is neither"),
        (r#"{"domains": ["a b"]}"#, "domains[0]: `a b` is not a domain name"),
        (r#"{"paths": ["x"]}"#, "paths[0]: `x` is not an absolute path"),
        (r#"{"hashes": ["12"]}"#, "hashes[0]: `12` is not an MD5"),
        (r#"{"severity": "bad"}"#, "unknown variant `bad`"),
    ] {
        let error = testing::init::<IocMatch>(config).unwrap_err();
        assert!(error.starts_with(message), "{config}: {error}");
    }
}
