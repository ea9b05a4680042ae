//! The snapshot for people.

use std::fmt::Write as _;

use super::snapshot::Snapshot;

/// Tables of what is loaded and what it has done. Colour tells what needs a look.
pub(super) fn render(snapshot: &Snapshot, colour: bool) -> String {
    let Snapshot { version, node_name, uptime_seconds, memory_bytes, kernel, backlog, processes, .. } =
        snapshot;
    let state = if snapshot.ready { "ready" } else { "not ready" };
    let mut text = format!(
        "serin {version} on {node_name}: {state}, up {uptime_seconds} s, {} MiB\n",
        memory_bytes >> 20
    );
    let lost = kernel.lost_ring_full + kernel.lost_no_memory + kernel.lost_calls + kernel.lost_mappings;
    // Writing to a string can't fail, here and below.
    let _ = writeln!(
        text,
        "records {}, lost {lost}; backlog {} of {}, lost {}; processes {}",
        kernel.records, backlog.waiting, backlog.capacity, backlog.lost, processes.cached
    );
    for problem in &snapshot.problems {
        let (red, plain) = if colour { ("\x1b[31m", "\x1b[0m") } else { ("", "") };
        let _ = writeln!(text, "{red}! {problem}{plain}");
    }
    table(&mut text, &["POLICY", "HOOK", "BY", "OVERRIDE", "HITS", "LOST", "UNREADABLE"], policies(snapshot));
    table(
        &mut text,
        &["PLUGIN", "EVENTS", "NS/EVENT", "DROPPED", "ALERTS", "FAILURES", "ROLLOUT"],
        plugins(snapshot),
    );
    table(&mut text, &["SINK", "STATE", "WRITTEN", "LOST", "DROPPED", "WAITING"], sinks(snapshot));
    table(&mut text, &["SPOOL OF", "STATE", "EVENTS", "KIB", "OF KIB", "LOST"], spools(snapshot));
    text
}

fn policies(snapshot: &Snapshot) -> Vec<Vec<String>> {
    let rows = snapshot.policies.iter().flat_map(|policy| {
        policy.hooks.iter().map(|hook| {
            let enforcement = if hook.enforcement.is_empty() { "-" } else { &hook.enforcement };
            let texts = [&policy.name, &hook.function, &hook.backend, enforcement].map(str::to_owned);
            let counts = [hook.hits, hook.lost, hook.unreadable].map(|count| count.to_string());
            texts.into_iter().chain(counts).collect()
        })
    });
    rows.collect()
}

fn plugins(snapshot: &Snapshot) -> Vec<Vec<String>> {
    let row = |plugin: &super::Plugin| {
        let failures = plugin.traps + plugin.timeouts + plugin.out_of_memory + plugin.bad_outcomes;
        let each = plugin.nanoseconds.checked_div(plugin.events).unwrap_or(0);
        let counts = [plugin.events, each, plugin.dropped, plugin.alerts, failures];
        let rollout = plugin.rollout.as_ref();
        let rollout = rollout.map(|rollout| format!("{} at {}%", rollout.version, rollout.percent));
        let texts = counts.map(|count| count.to_string()).into_iter();
        let texts = texts.chain([rollout.unwrap_or_else(|| "-".to_owned())]);
        std::iter::once(plugin.name.clone()).chain(texts).collect()
    };
    snapshot.plugins.iter().map(row).collect()
}

fn sinks(snapshot: &Snapshot) -> Vec<Vec<String>> {
    let row = |sink: &super::Sink| {
        let counts = [sink.written, sink.lost, sink.dropped, sink.queued].map(|count| count.to_string());
        [sink.name.clone(), sink.state.clone()].into_iter().chain(counts).collect()
    };
    snapshot.sinks.iter().map(row).collect()
}

fn spools(snapshot: &Snapshot) -> Vec<Vec<String>> {
    let row = |sink: &super::Sink| {
        let spool = sink.spool?;
        let state = if spool.stuck { "stuck" } else { "working" };
        let lost = spool.torn + spool.corrupt + spool.too_large;
        let counts = [spool.records, spool.bytes.div_ceil(1 << 10), spool.size >> 10, lost];
        let texts = [sink.name.clone(), state.to_owned()].into_iter();
        Some(texts.chain(counts.map(|count| count.to_string())).collect())
    };
    snapshot.sinks.iter().filter_map(row).collect()
}

/// Appends a table with columns as wide as they need be; nothing if there are no rows.
fn table(text: &mut String, head: &[&str], rows: Vec<Vec<String>>) {
    if rows.is_empty() {
        return;
    }
    let head: Vec<String> = head.iter().map(|&title| title.to_owned()).collect();
    let mut widths: Vec<usize> = vec![0; head.len()];
    for row in std::iter::once(&head).chain(&rows) {
        widths.iter_mut().zip(row).for_each(|(width, cell)| *width = (*width).max(cell.chars().count()));
    }
    text.push('\n');
    for row in std::iter::once(&head).chain(&rows) {
        let cells: Vec<_> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        text.push_str(cells.join("  ").trim_end());
        text.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::super::snapshot::{Hook, Policy, Sink, Spool};
    use super::*;

    #[test]
    fn columns_line_up_and_empty_tables_are_left_out() {
        let hook = Hook { function: "f".into(), backend: "fentry".into(), hits: 12, ..Hook::default() };
        let snapshot = Snapshot {
            version: "1".into(),
            node_name: "gull".into(),
            ready: true,
            problems: vec!["the sink x is failing".into()],
            policies: vec![Policy { name: "long-name".into(), hooks: vec![hook] }],
            sinks: vec![Sink {
                name: "x".into(),
                state: "failing".into(),
                spool: Some(Spool { records: 5, bytes: 1025, size: 1 << 20, torn: 1, ..Spool::default() }),
                ..Sink::default()
            }],
            ..Snapshot::default()
        };
        let expected = "\
serin 1 on gull: ready, up 0 s, 0 MiB
records 0, lost 0; backlog 0 of 0, lost 0; processes 0
! the sink x is failing

POLICY     HOOK  BY      OVERRIDE  HITS  LOST  UNREADABLE
long-name  f     fentry  -         12    0     0

SINK  STATE    WRITTEN  LOST  DROPPED  WAITING
x     failing  0        0     0        0

SPOOL OF  STATE    EVENTS  KIB  OF KIB  LOST
x         working  5       2    1024    1
";
        assert_eq!(render(&snapshot, false), expected);
        assert!(render(&snapshot, true).contains("\x1b[31m! the sink x is failing\x1b[0m\n"));
    }
}
