//! First-party plugins together, and with as much as they are made for. `--nocapture` shows what it took.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::fmt::Write;
use std::time::Instant;

use serin_event::{Event, EventKind, Finding};
use serin_pipeline::Pipeline;
use support::{Setup, counters, event, kprobe, plugin};

/// Passes events through a pipeline, prints what it took, gives what comes out.
fn process(what: &str, pipeline: &mut Pipeline, mut events: Vec<Event>) -> Vec<Event> {
    let (count, started) = (events.len(), Instant::now());
    pipeline.process(&mut events);
    let each = started.elapsed().as_nanos() / count.max(1) as u128;
    println!("{what}: {count} events, {each} ns each");
    events
}

fn findings(events: &[Event]) -> Vec<(&Finding, &Event)> {
    let finding = |event| match event {
        &Event { kind: EventKind::Alert(ref finding), .. } => Some((&**finding, event)),
        _ => None,
    };
    events.iter().filter_map(finding).collect()
}

#[test]
fn dedup_passes_one_alert_of_a_rule_in_a_window() {
    let entries = format!(
        "- name: rules\n  component: {}\n  config:\n    rules:\n      - id: links\n        title: a link to a password file\n        severity: high\n        \
         events: [process_kprobe]\n        when: {{ arg.0: {{ endswith: /passwd }} }}\n\
         - name: dedup\n  component: {}\n  config: {{ window: 10m }}",
        plugin("rules"),
        plugin("dedup")
    );
    let mut pipeline = Setup::new().load(&entries).unwrap();
    let paths = ["/etc/passwd", "/tmp/x"].into_iter().cycle();
    let events: Vec<Event> = paths.take(10_000).map(|path| kprobe("p", path)).collect();
    let passed = process("rules and dedup", &mut pipeline, events);
    assert_eq!(passed.iter().filter(|event| event.kind.name() == "process_kprobe").count(), 10_000);
    let [(finding, _)] = findings(&passed)[..] else { panic!("not one alert") };
    assert_eq!((&*finding.alert.rule, &*finding.alert.key), ("links", "rules/links//usr/bin/ln"));
    assert_eq!(counters(&pipeline, "rules").alerts, 5_000);
    assert_eq!(counters(&pipeline, "dedup").dropped["dedup"], 4_999);

    let mut later = kprobe("p", "/etc/passwd");
    later.time += 600_000_000_000;
    let passed = process("the next window", &mut pipeline, vec![later]);
    let [(_, event)] = findings(&passed)[..] else { panic!("not one alert") };
    let suppressed = event.annotations.iter().find(|a| &*a.key == "dedup.suppressed").unwrap();
    assert_eq!(&*suppressed.value, "4999");
}

/// 25,000 of each kind.
fn indicators() -> String {
    let mut text = String::new();
    let mut list = |name: &str, make: fn(u32) -> String| {
        let _ = writeln!(text, "{name}:");
        for number in 0..25_000 {
            let _ = writeln!(text, "  - '{}'", make(number));
        }
    };
    list("ips", |n| format!("10.{}.{}.7", n / 250, n % 250));
    list("domains", |n| format!("host-{n}.evil.example"));
    list("paths", |n| format!("/opt/bad/{n}"));
    list("hashes", |n| format!("{n:064x}"));
    text
}

#[test]
fn ioc_match_finds_one_of_a_hundred_thousand() {
    let setup = Setup::new().with("indicators.yaml", indicators().as_bytes());
    let entry = format!(
        "- name: ioc\n  component: {}\n  configFile: indicators.yaml\n  limits: {{ memory: 64MiB }}",
        plugin("ioc-match")
    );
    let started = Instant::now();
    let mut pipeline = setup.load(&entry).unwrap();
    println!("100,000 indicators: loaded in {} ms", started.elapsed().as_millis());
    let harmless: Vec<Event> = (0..20_000).map(|n| kprobe("p", &format!("/opt/good/{n}"))).collect();
    let passed = process("of which none is listed", &mut pipeline, harmless);
    assert_eq!(passed.len(), 20_000);
    for (text, key) in [
        ("10.99.249.7", "ioc-ip/10.99.249.7"),
        ("https://a.host-24999.evil.example/x", "ioc-domain/host-24999.evil.example"),
        ("/opt/bad/24999", "ioc-path//opt/bad/24999"),
    ] {
        let passed = process(text, &mut pipeline, vec![kprobe("p", text)]);
        let keys: Vec<_> = findings(&passed).iter().map(|(finding, _)| finding.alert.key.clone()).collect();
        assert_eq!(keys, [key]);
    }
    let mut hashed = event(EventKind::Exec);
    let (plugin, key, value) = ("hashes".into(), "process.sha256".into(), format!("{:064x}", 24_999).into());
    hashed.annotations.push(serin_event::Annotation { plugin, key, value });
    let passed = process("a hash", &mut pipeline, vec![hashed]);
    assert_eq!(findings(&passed)[0].0.alert.rule, "ioc-hash");
    assert_eq!(counters(&pipeline, "ioc").failures(), 0);
}
