//! What the agent says about itself when it ends.

use serin_api::HubCounters;
use serin_kernel::{HookCount, KernelCount};

use crate::counts::Counts;
use crate::reader::ReaderCounters;
use crate::worker::WorkerOutcome;

/// What the kernel programs counted, read just before they were detached.
#[derive(Debug, Default)]
pub(crate) struct KernelSummary {
    pub all: KernelCount,
    pub counts: Counts,
}

/// Prints the counters, those of what went wrong only if it did.
pub(crate) fn print(
    kernel: &KernelSummary,
    reader: &ReaderCounters,
    worker: &WorkerOutcome,
    clients: HubCounters,
) {
    let KernelCount {
        records,
        lost_full,
        lost_busy,
        processes_full,
        lost_calls,
        lost_mappings,
        followed_full,
        cgroups_full,
        missed_notifications,
    } = kernel.all;
    let hook: HookCount = kernel.counts.hooks().sum();
    let mut lines = Lines::default();
    lines.add(
        "kernel",
        &[("records", records), ("hits", hook.hits)],
        &[
            ("lost: ring buffer full", lost_full),
            ("lost: no scratch memory", lost_busy),
            ("lost: calls that could not be followed to their return", lost_calls),
            ("lost: records of mapped files", lost_mappings),
            ("processes beyond the table", processes_full),
            ("descriptors beyond the table", followed_full),
            ("cgroups of containers beyond the table", cgroups_full),
            ("notifications of enforcers that refused nothing", missed_notifications),
            ("filters that could not read", hook.unreadable),
            ("not enforced", hook.unenforced),
            ("not to be reported", hook.unposted),
            ("of those over rateLimit", hook.limited),
        ],
    );
    let processes = reader.processes;
    lines.add(
        "processes",
        &[],
        &[
            ("looked up in /proc", processes.misses),
            ("unknown", processes.unknown),
            ("evicted early", processes.evicted_exited + processes.evicted_live),
            ("hits of unknown hooks", processes.unknown_hooks),
            ("undecodable records", reader.undecodable),
        ],
    );
    lines.add("backlog", &[], &[("lost", worker.backlog_lost)]);
    add_plugins(&mut lines, worker);
    add_canaries(&mut lines, worker.canaries);
    for (sink, _, counters) in worker.exporter.monitor().sinks() {
        let others = [
            ("lost", counters.lost),
            ("dropped: queue full", counters.dropped),
            ("tried again", counters.retries),
            ("kept in its spool", counters.spool.map_or(0, |spool| spool.records)),
        ];
        lines.add(sink, &[("written", counters.written)], &others);
    }
    if let Some(traces) = worker.traces {
        let others =
            [("lost", traces.lost), ("dropped: queue full", traces.dropped), ("tried again", traces.retries)];
        lines.add("spans of traces", &[("sent", traces.sent)], &others);
    }
    lines.add("clients of the API", &[], &[("sent", clients.sent), ("lost", clients.lost)]);
    lines.0.iter().for_each(|line| tracing::info!("{line}"));
}

fn add_plugins(lines: &mut Lines, worker: &WorkerOutcome) {
    for (name, counters) in worker.pipeline.counters() {
        lines.add(
            &format!("plugin {name}"),
            &[("calls", counters.calls), ("events", counters.events)],
            &[
                ("dropped", counters.dropped.values().sum()),
                ("annotations", counters.annotations),
                ("alerts", counters.alerts),
                ("alerts over its rate", counters.alerts_over_rate),
                ("actions", counters.actions),
                ("refused actions", counters.refused),
                ("actions over its rate", counters.over_rate),
                ("rejected effects", counters.rejected),
                ("masks", counters.redactions),
                ("facts not kept", counters.kv_refused),
                ("log lines lost", counters.log_lines_lost),
                ("failures", counters.failures()),
                ("passed by", counters.passed_by),
                ("skipped", counters.skipped),
                ("dropped by failure", counters.dropped_by_failure),
                ("rolled back", counters.rollbacks),
            ],
        );
    }
}

fn add_canaries(lines: &mut Lines, canaries: serin_canary::Counters) {
    lines.add(
        "canaries",
        &[("fired", canaries.fired)],
        &[
            ("failed", canaries.failed),
            ("given up", canaries.accepted - canaries.fired - canaries.failed - canaries.displaced),
            ("duplicates", canaries.duplicates),
            ("over their source's rate", canaries.rate_limited),
            ("over the rate of all", canaries.globally_rate_limited),
            ("queue full", canaries.queue_full),
            ("queue full for their target", canaries.target_full),
            ("queue full for their source", canaries.source_full),
            ("displaced by newer ones", canaries.displaced),
            ("results lost", canaries.results_lost),
        ],
    );
}

/// Lines of counters.
#[derive(Debug, Default)]
struct Lines(Vec<String>);

impl Lines {
    /// One line: `always` counts, and of the `others` those that are not 0; no line if there are none.
    fn add(&mut self, of: &str, always: &[(&str, u64)], others: &[(&str, u64)]) {
        let others = others.iter().filter(|(_, count)| *count > 0);
        let counts: Vec<_> =
            always.iter().chain(others).map(|(what, count)| format!("{what} {count}")).collect();
        if !counts.is_empty() {
            self.0.push(format!("{of}: {}", counts.join(", ")));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Lines;

    #[test]
    fn only_what_happened_is_told() {
        let mut lines = Lines::default();
        lines.add("sink", &[("written", 0)], &[("lost", 0)]);
        lines.add("backlog", &[], &[("lost", 0)]);
        lines.add("canaries", &[("fired", 2)], &[("failed", 0), ("duplicates", 3)]);
        assert_eq!(lines.0, ["sink: written 0", "canaries: fired 2, duplicates 3"]);
    }
}
