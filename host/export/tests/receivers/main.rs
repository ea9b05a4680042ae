//! Sinks against receivers that others wrote, where there are any.
#![allow(clippy::unwrap_used, reason = "tests")]

mod http;
mod http_server;
mod otlp;
mod spool;
mod syslog;
mod traces;

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use serin_event::{Event, EventKind, Process};
use serin_export::{Counters, Exporter, SinkConfig};

/// Far longer than anything takes.
const LONG: Duration = Duration::from_secs(60);

/// Losses of `from`, `from + 1`, …, on the host `gull`, in a process.
fn events(from: u64, count: u64) -> Vec<Event> {
    let process = Arc::new(Process { pid: 7, binary: "/usr/bin/ln".into(), ..Process::default() });
    let event = |count| Event {
        time: 1_700_000_000_123_456_789,
        node_name: "gull".into(),
        kind: EventKind::Loss { cpu: 0, count },
        process: Some(Arc::clone(&process)),
        parent: None,
        tid: 0,
        annotations: Vec::new(),
        alerts: Vec::new(),
    };
    (from..from + count).map(event).collect()
}

/// The `count` of a loss in JSON.
fn count(json: &str) -> u64 {
    let event: Value = serde_json::from_str(json).unwrap_or_else(|error| panic!("{error}: {json}"));
    event["loss"]["count"].as_str().unwrap().parse().unwrap()
}

/// An exporter with the sinks of this YAML.
fn exporter(yaml: &str) -> Exporter {
    let sinks: Vec<SinkConfig> = serde_yaml::from_str(yaml).unwrap();
    Exporter::open(&sinks).unwrap()
}

fn counters(exporter: &Exporter) -> Counters {
    let monitor = exporter.monitor();
    let (_, _, counters) = monitor.sinks().next().unwrap();
    counters
}
