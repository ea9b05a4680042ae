//! The snapshot in Prometheus' text format:
//! <https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format>
//!
//! Names begin with `serin_`; where Tetragon has a metric of the same meaning, it is there by that name as well.

mod plugins;

use std::fmt::{Display, Write as _};

use super::snapshot::{Hook, Snapshot, Spool, Traces};

/// Appends all metrics.
pub(super) fn render(snapshot: &Snapshot) -> String {
    let mut text = Text(String::new());
    agent(snapshot, &mut text);
    kernel(snapshot, &mut text);
    policies(snapshot, &mut text);
    processes(snapshot, &mut text);
    plugins::plugins(snapshot, &mut text);
    canaries(snapshot, &mut text);
    sinks(snapshot, &mut text);
    traces(snapshot, &mut text);
    text.0
}

/// Labels of a sample, by name.
type Labels<'a> = &'a [(&'a str, &'a str)];

/// How the value of a metric moves.
#[derive(Clone, Copy)]
enum Kind {
    Counter,
    Gauge,
    Histogram,
}
use Kind::{Counter, Gauge, Histogram};

struct Text(String);

impl Text {
    /// One metric without labels.
    fn one(&mut self, name: &str, kind: Kind, help: &str, value: u64) {
        self.head(name, kind, help);
        self.sample(name, &[], value);
    }

    /// Writing to a string can't fail, here and below.
    fn head(&mut self, name: &str, kind: Kind, help: &str) {
        let kind = match kind {
            Counter => "counter",
            Gauge => "gauge",
            Histogram => "histogram",
        };
        let _ = write!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
    }

    fn sample(&mut self, name: &str, labels: Labels<'_>, value: impl Display) {
        self.0.push_str(name);
        for (index, (key, text)) in labels.iter().enumerate() {
            let open = if index == 0 { '{' } else { ',' };
            let escaped = text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            let _ = write!(self.0, "{open}{key}=\"{escaped}\"");
        }
        let close = if labels.is_empty() { "" } else { "}" };
        let _ = writeln!(self.0, "{close} {value}");
    }
}

/// Reads a number off what is described.
type Number<T> = fn(&T) -> u64;

/// A counter of each: its name, its help, and the number.
type Counted<T> = (&'static str, &'static str, Number<T>);

fn agent(snapshot: &Snapshot, text: &mut Text) {
    text.head("serin_build_info", Gauge, "The agent's version.");
    text.sample("serin_build_info", &[("version", &snapshot.version)], 1);
    text.one("serin_uptime_seconds", Gauge, "Seconds since the start.", snapshot.uptime_seconds);
    text.one("serin_ready", Gauge, "1 if everything is attached.", snapshot.ready.into());
    let problems = snapshot.problems.len() as u64;
    text.one("serin_problems", Gauge, "Things that do not work as they should; see /status.", problems);
    let memory = snapshot.memory_bytes;
    text.one("process_resident_memory_bytes", Gauge, "Resident memory of the agent in bytes.", memory);
    text.head("serin_events_total", Counter, "Events handed to the sinks, by kind.");
    for (kind, count) in &snapshot.events {
        text.sample("serin_events_total", &[("kind", kind)], *count);
    }
    text.head("tetragon_events_total", Counter, "Events by Tetragon's name of the kind.");
    for (kind, count) in snapshot.events.iter().filter(|(kind, _)| kind.starts_with("process_")) {
        text.sample("tetragon_events_total", &[("type", &kind.to_uppercase())], *count);
    }
    let backlog = snapshot.backlog;
    text.one("serin_backlog_capacity", Gauge, "Events that the backlog can hold.", backlog.capacity);
    text.one("serin_backlog_events", Gauge, "Events that wait for plugins and sinks.", backlog.waiting);
    text.one("serin_backlog_lost_total", Counter, "Events that found the backlog full.", backlog.lost);
}

fn kernel(snapshot: &Snapshot, text: &mut Text) {
    let kernel = snapshot.kernel;
    let help = "Records that kernel programs have written or lost.";
    text.one("serin_kernel_records_total", Counter, help, kernel.records);
    text.head("serin_kernel_lost_total", Counter, "Records lost in the kernel, by reason.");
    for (reason, count) in [
        ("ring_full", kernel.lost_ring_full),
        ("no_memory", kernel.lost_no_memory),
        ("calls", kernel.lost_calls),
        ("mappings", kernel.lost_mappings),
    ] {
        text.sample("serin_kernel_lost_total", &[("reason", reason)], count);
    }
    let lost = kernel.lost_ring_full + kernel.lost_no_memory + kernel.lost_calls + kernel.lost_mappings;
    let help = "Records lost between the kernel and the agent.";
    text.one("tetragon_observer_ringbuf_events_lost_total", Counter, help, lost);
    let help = "Processes that found the kernel's table of processes full.";
    text.one("serin_kernel_process_table_full_total", Counter, help, kernel.processes_beyond_table);
    let missed = kernel.missed_notifications;
    let help = "Notifications of enforcers that refused nothing.";
    text.one("serin_enforcer_missed_notifications_total", Counter, help, missed);
    text.one("tetragon_enforcer_missed_notifications_total", Counter, help, missed);
}

fn policies(snapshot: &Snapshot, text: &mut Text) {
    text.one("serin_policies", Gauge, "Policies that are loaded.", snapshot.policies.len() as u64);
    text.head("serin_hook_info", Gauge, "How a hook is attached and how it overrides.");
    each_hook(snapshot, |policy, hook| {
        let (backend, enforcement) = (&*hook.backend, &*hook.enforcement);
        let labels = [
            ("policy", policy),
            ("hook", &hook.function),
            ("backend", backend),
            ("enforcement", enforcement),
        ];
        text.sample("serin_hook_info", &labels, 1);
    });
    let counters: [Counted<Hook>; 6] = [
        ("serin_policy_hits_total", "Times a selector matched: posted + lost + unposted.", |hook| hook.hits),
        ("serin_policy_posted_total", "Hits whose record was written.", |hook| hook.posted),
        ("serin_policy_lost_total", "Hits whose record was lost.", |hook| hook.lost),
        ("serin_policy_unposted_total", "Hits not to be reported.", |hook| hook.unposted),
        ("serin_policy_unreadable_total", "Filters that could not read their argument.", |hook| {
            hook.unreadable
        }),
        ("serin_policy_unenforced_total", "Enforcement that was not carried out.", |hook| hook.unenforced),
    ];
    for (name, help, value) in counters {
        text.head(name, Counter, help);
        each_hook(snapshot, |policy, hook| {
            text.sample(name, &[("policy", policy), ("hook", &hook.function)], value(hook));
        });
    }
    let help = "Times a selector was the first of its hook that matched; selectors count from 0.";
    text.head("serin_policy_selector_hits_total", Counter, help);
    each_hook(snapshot, |policy, hook| {
        for (position, hits) in hook.selector_hits.iter().enumerate() {
            let index = position.to_string();
            let mut labels = vec![("policy", policy), ("hook", &hook.function), ("selector", &*index)];
            let label = hook.selector_labels.get(position).filter(|label| !label.is_empty());
            labels.extend(label.map(|label| ("label", label.as_str())));
            text.sample("serin_policy_selector_hits_total", &labels, *hits);
        }
    });
    text.head("tetragon_policy_events_total", Counter, "Events of policies.");
    each_hook(snapshot, |policy, hook| {
        let labels = [("policy", policy), ("hook", &hook.function)];
        text.sample("tetragon_policy_events_total", &labels, hook.posted);
    });
}

fn each_hook<'a>(snapshot: &'a Snapshot, mut to: impl FnMut(&'a str, &'a Hook)) {
    for policy in &snapshot.policies {
        policy.hooks.iter().for_each(|hook| to(&policy.name, hook));
    }
}

fn processes(snapshot: &Snapshot, text: &mut Text) {
    let processes = snapshot.processes;
    for (name, kind, help, value) in [
        ("serin_processes", Gauge, "Processes in the cache.", processes.cached),
        ("tetragon_process_cache_size", Gauge, "Processes in the cache.", processes.cached),
        ("serin_process_lookups_total", Counter, "Processes looked up in /proc.", processes.looked_up),
        ("tetragon_process_cache_misses_total", Counter, "Processes not in the cache.", processes.looked_up),
        ("serin_process_unknown_total", Counter, "Processes that /proc did not know.", processes.unknown),
        ("serin_process_evicted_total", Counter, "Processes forgotten too early.", processes.evicted),
        (
            "tetragon_process_cache_evictions_total",
            Counter,
            "Processes forgotten too early.",
            processes.evicted,
        ),
        ("serin_unknown_hooks_total", Counter, "Hits of hooks that are not known.", processes.unknown_hooks),
        (
            "serin_undecodable_records_total",
            Counter,
            "Records that make no sense.",
            processes.undecodable_records,
        ),
    ] {
        text.one(name, kind, help, value);
    }
}

fn canaries(snapshot: &Snapshot, text: &mut Text) {
    let canaries = snapshot.canaries;
    text.head("serin_actions_total", Counter, "Canaries by what became of them.");
    for (result, count) in [
        ("fired", canaries.fired),
        ("failed", canaries.failed - canaries.denied.min(canaries.failed)),
        ("denied", canaries.denied),
        ("duplicate", canaries.duplicates),
        ("rate_limited", canaries.rate_limited),
        ("globally_rate_limited", canaries.globally_rate_limited),
        ("queue_full", canaries.queue_full),
        ("target_full", canaries.target_full),
        ("source_full", canaries.source_full),
        ("displaced", canaries.displaced),
    ] {
        text.sample("serin_actions_total", &[("result", result)], count);
    }
    text.head("serin_actions_pending", Gauge, "Canaries that are not done yet, by what they do.");
    for (state, count) in [
        ("waiting", canaries.waiting),
        ("waiting_again", canaries.waiting_again),
        ("running", canaries.running),
    ] {
        text.sample("serin_actions_pending", &[("state", state)], count);
    }
    text.one("serin_action_results_lost_total", Counter, "Results not told.", canaries.results_lost);
}

fn sinks(snapshot: &Snapshot, text: &mut Text) {
    let metrics: [(&str, Kind, &str, Number<super::Sink>); 6] = [
        ("serin_sink_up", Gauge, "1 if its last write succeeded.", |sink| (sink.state == "working").into()),
        ("serin_sink_written_total", Counter, "Events written.", |sink| sink.written),
        ("serin_sink_lost_total", Counter, "Events lost as it failed.", |sink| sink.lost),
        ("serin_sink_dropped_total", Counter, "Events that found its queue full.", |sink| sink.dropped),
        ("serin_sink_retries_total", Counter, "Writes that were tried again.", |sink| sink.retries),
        ("serin_sink_queue_events", Gauge, "Events that wait for it.", |sink| sink.queued),
    ];
    for (name, kind, help, value) in metrics {
        text.head(name, kind, help);
        snapshot.sinks.iter().for_each(|sink| text.sample(name, &[("sink", &sink.name)], value(sink)));
    }
    spools(snapshot, text);
}

fn spools(snapshot: &Snapshot, text: &mut Text) {
    let spools = || snapshot.sinks.iter().filter_map(|sink| Some((&sink.name, sink.spool?)));
    let metrics: [(&str, &str, Number<Spool>); 4] = [
        ("serin_sink_spool_up", "1 if its spool takes events.", |spool| (!spool.stuck).into()),
        ("serin_sink_spool_events", "Events that wait for it on the disk.", |spool| spool.records),
        ("serin_sink_spool_bytes", "Bytes of its spool's files.", |spool| spool.bytes),
        ("serin_sink_spool_size_bytes", "Bytes that its spool's files may have.", |spool| spool.size),
    ];
    for (name, help, value) in metrics {
        text.head(name, Gauge, help);
        spools().for_each(|(sink, spool)| text.sample(name, &[("sink", sink)], value(&spool)));
    }
    let name = "serin_sink_spool_lost_total";
    text.head(name, Counter, "Events lost in its spool; part of serin_sink_lost_total.");
    for (sink, spool) in spools() {
        for (reason, count) in
            [("torn", spool.torn), ("corrupt", spool.corrupt), ("too_large", spool.too_large)]
        {
            text.sample(name, &[("sink", sink), ("reason", reason)], count);
        }
    }
}

fn traces(snapshot: &Snapshot, text: &mut Text) {
    let metrics: [(&str, Kind, &str, Number<Traces>); 6] = [
        ("serin_traces_up", Gauge, "1 if the last request with spans succeeded.", |it| (!it.failing).into()),
        ("serin_trace_spans_sent_total", Counter, "Spans that the collector has taken.", |it| it.sent),
        ("serin_trace_spans_lost_total", Counter, "Spans that the collector did not take.", |it| it.lost),
        ("serin_trace_spans_dropped_total", Counter, "Spans that found the queue full.", |it| it.dropped),
        ("serin_trace_retries_total", Counter, "Requests with spans that were tried again.", |it| it.retries),
        ("serin_trace_queue_spans", Gauge, "Spans that wait.", |it| it.queued),
    ];
    for (name, kind, help, value) in metrics {
        text.head(name, kind, help);
        snapshot.traces.iter().for_each(|traces| text.sample(name, &[], value(traces)));
    }
}

#[cfg(test)]
mod tests {
    use super::super::snapshot::{Plugin, Policy, Rollout, Sink};
    use super::*;

    fn snapshot() -> Snapshot {
        let hook = |function: &str, hits| Hook { function: function.into(), hits, ..Hook::default() };
        let rollout = Rollout { version: "rolled_back".into(), ..Rollout::default() };
        Snapshot {
            events: [("process_exec".to_owned(), 7), ("loss".to_owned(), 1)].into(),
            policies: vec![Policy { name: "a\"b\\".into(), hooks: vec![hook("f", 3), hook("g", 4)] }],
            plugins: vec![Plugin {
                name: "p".into(),
                traps: 2,
                calls: 4,
                nanoseconds: 1_500_000,
                memory: 1 << 20,
                durations: vec![0, 3, 0, 1, 0, 0, 0],
                rollout: Some(rollout),
                ..Plugin::default()
            }],
            sinks: vec![
                Sink { name: "stdout".into(), state: "failing".into(), lost: 9, ..Sink::default() },
                Sink {
                    name: "http".into(),
                    spool: Some(Spool { records: 5, torn: 1, stuck: true, ..Spool::default() }),
                    ..Sink::default()
                },
            ],
            traces: Some(Traces { dropped: 6, failing: true, ..Traces::default() }),
            ..Snapshot::default()
        }
    }

    #[test]
    fn samples_carry_labels_and_values() {
        let text = render(&snapshot());
        for line in [
            "serin_events_total{kind=\"process_exec\"} 7",
            "tetragon_events_total{type=\"PROCESS_EXEC\"} 7",
            "serin_policy_hits_total{policy=\"a\\\"b\\\\\",hook=\"g\"} 4",
            "serin_plugin_failures_total{plugin=\"p\",reason=\"trap\"} 2",
            "serin_plugin_rollout_info{plugin=\"p\",version=\"rolled_back\"} 1",
            "serin_plugin_memory_bytes{plugin=\"p\"} 1048576",
            "serin_plugin_call_seconds_bucket{plugin=\"p\",le=\"0.00001\"} 0",
            "serin_plugin_call_seconds_bucket{plugin=\"p\",le=\"0.001\"} 3",
            "serin_plugin_call_seconds_bucket{plugin=\"p\",le=\"1\"} 4",
            "serin_plugin_call_seconds_bucket{plugin=\"p\",le=\"+Inf\"} 4",
            "serin_plugin_call_seconds_sum{plugin=\"p\"} 0.0015",
            "serin_plugin_call_seconds_count{plugin=\"p\"} 4",
            "serin_sink_up{sink=\"stdout\"} 0",
            "serin_sink_lost_total{sink=\"stdout\"} 9",
            "serin_sink_spool_events{sink=\"http\"} 5",
            "serin_sink_spool_up{sink=\"http\"} 0",
            "serin_sink_spool_lost_total{sink=\"http\",reason=\"torn\"} 1",
            "serin_traces_up 0",
            "serin_trace_spans_dropped_total 6",
            "serin_policies 1",
        ] {
            assert!(text.lines().any(|other| other == line), "no {line} in\n{text}");
        }
        assert!(!text.contains("LOSS"), "Tetragon has no such kind");
    }

    #[test]
    fn every_metric_is_described_once_and_counters_end_in_total() {
        let text = render(&snapshot());
        let types: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")).collect();
        let mut names: Vec<_> = types.iter().filter_map(|line| line.split(' ').next()).collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count, "described twice");
        for line in types {
            let counter = line.ends_with(" counter");
            assert_eq!(line.contains("_total "), counter, "{line}");
        }
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let name = line.split(['{', ' ']).next().unwrap_or_default();
            let histogram = ["_bucket", "_sum", "_count"].iter().find_map(|part| name.strip_suffix(part));
            let is_described = names.contains(&name) || histogram.is_some_and(|name| names.contains(&name));
            assert!(is_described, "{line} is not described");
        }
    }

    #[test]
    fn the_dashboard_asks_for_what_there_is() {
        let dashboard = include_str!("../../../../docs/grafana-dashboard.json");
        let text = render(&snapshot());
        let words = dashboard.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        let asked: Vec<_> =
            words.filter(|word| word.starts_with("serin_") || word.starts_with("process_resident")).collect();
        assert!(asked.len() > 10, "{asked:?}");
        for name in asked {
            assert!(text.contains(&format!("# TYPE {name} ")), "no metric {name}");
        }
    }
}
