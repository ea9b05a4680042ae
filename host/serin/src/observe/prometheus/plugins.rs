//! Metrics of plugins.

use serin_pipeline::Durations;

use super::super::snapshot::{Plugin, Snapshot};
use super::{Counted, Counter, Gauge, Histogram, Text};

/// Appends what there is of each plugin.
pub(super) fn plugins(snapshot: &Snapshot, text: &mut Text) {
    let counters: [Counted<Plugin>; 20] = [
        ("serin_plugin_calls_total", "Calls.", |plugin| plugin.calls),
        ("serin_plugin_events_total", "Events in calls.", |plugin| plugin.events),
        ("serin_plugin_nanoseconds_total", "Time in calls.", |plugin| plugin.nanoseconds),
        ("serin_plugin_dropped_total", "Events it dropped.", |plugin| plugin.dropped),
        ("serin_plugin_annotations_total", "Annotations it made.", |plugin| plugin.annotations),
        ("serin_plugin_alerts_total", "Alerts it raised.", |plugin| plugin.alerts),
        ("serin_plugin_alerts_over_rate_total", "Alerts beyond its limit.", |plugin| plugin.alerts_over_rate),
        ("serin_plugin_actions_total", "Actions it was granted.", |plugin| plugin.actions),
        ("serin_plugin_actions_refused_total", "Actions beyond its grants.", |plugin| plugin.refused_actions),
        ("serin_plugin_actions_over_rate_total", "Actions over its rate.", |plugin| plugin.actions_over_rate),
        ("serin_plugin_rejected_effects_total", "Effects that made no sense.", |plugin| {
            plugin.rejected_effects
        }),
        ("serin_plugin_restarts_total", "Instances started after a failure.", |plugin| plugin.restarts),
        ("serin_plugin_passed_by_total", "Events that went on without it.", |plugin| plugin.passed_by),
        (
            "serin_plugin_skipped_total",
            "Events that went on without it, because too many waited.",
            |plugin| plugin.skipped,
        ),
        ("serin_plugin_dropped_by_failure_total", "Events lost with it.", |plugin| plugin.dropped_by_failure),
        ("serin_plugin_redactions_total", "Parts of texts it masked.", |plugin| plugin.redactions),
        ("serin_plugin_rollbacks_total", "Times its old version took over again.", |plugin| plugin.rollbacks),
        ("serin_plugin_cut_texts_total", "Texts cut to their limit.", |plugin| plugin.cut_texts),
        ("serin_plugin_log_lines_lost_total", "Log lines beyond its limit.", |plugin| plugin.log_lines_lost),
        ("serin_plugin_facts_refused_total", "Facts beyond its grant.", |plugin| plugin.facts_refused),
    ];
    for (name, help, value) in counters {
        text.head(name, Counter, help);
        snapshot
            .plugins
            .iter()
            .for_each(|plugin| text.sample(name, &[("plugin", &plugin.name)], value(plugin)));
    }
    let name = "serin_plugin_memory_bytes";
    text.head(name, Gauge, "The most linear memory that an instance of it has had.");
    for plugin in &snapshot.plugins {
        text.sample(name, &[("plugin", &plugin.name)], plugin.memory);
    }
    durations(snapshot, text);
    failures(snapshot, text);
    let help = "Which version of a plugin runs whose rollout goes on: old, new, or rolled_back.";
    text.head("serin_plugin_rollout_info", Gauge, help);
    for plugin in &snapshot.plugins {
        if let Some(rollout) = &plugin.rollout {
            let labels = [("plugin", plugin.name.as_str()), ("version", &rollout.version)];
            text.sample("serin_plugin_rollout_info", &labels, 1);
        }
    }
}

/// How long calls took. A class of a histogram has those before it in it as well.
fn durations(snapshot: &Snapshot, text: &mut Text) {
    text.head("serin_plugin_call_seconds", Histogram, "How long calls took.");
    for plugin in &snapshot.plugins {
        let limits = Durations::LIMITS.iter().map(|limit| limit.as_secs_f64().to_string());
        let mut sum = 0;
        for (count, limit) in plugin.durations.iter().zip(limits.chain(["+Inf".to_owned()])) {
            sum += count;
            let labels = [("plugin", plugin.name.as_str()), ("le", &limit)];
            text.sample("serin_plugin_call_seconds_bucket", &labels, sum);
        }
        let labels = [("plugin", plugin.name.as_str())];
        text.sample("serin_plugin_call_seconds_sum", &labels, plugin.nanoseconds as f64 / 1e9);
        text.sample("serin_plugin_call_seconds_count", &labels, plugin.calls);
    }
}

fn failures(snapshot: &Snapshot, text: &mut Text) {
    text.head("serin_plugin_failures_total", Counter, "Calls that failed, by reason.");
    for plugin in &snapshot.plugins {
        for (reason, count) in [
            ("trap", plugin.traps),
            ("timeout", plugin.timeouts),
            ("out_of_memory", plugin.out_of_memory),
            ("bad_outcome", plugin.bad_outcomes),
        ] {
            let labels = [("plugin", plugin.name.as_str()), ("reason", reason)];
            text.sample("serin_plugin_failures_total", &labels, count);
        }
    }
}
