//! The snapshot as messages of the API.

use serin_api::proto::serin::{
    Backlog, GetPipelineStatusResponse, Losses, PluginCounters, PluginState, PluginStatus, Rollout,
    RolloutVersion, SinkState, SinkStatus, Spool,
};

use super::snapshot::{self, Snapshot};

impl From<&snapshot::Plugin> for PluginStatus {
    fn from(plugin: &snapshot::Plugin) -> Self {
        let state = match plugin.state.as_str() {
            "running" => PluginState::Running,
            "waiting" => PluginState::Waiting,
            "disabled" => PluginState::Disabled,
            _ => PluginState::Unspecified,
        };
        Self {
            name: plugin.name.clone(),
            component: plugin.component.clone(),
            version: plugin.version.clone(),
            digest: plugin.digest.clone(),
            state: state.into(),
            rollout: plugin.rollout.as_ref().map(Rollout::from),
            counters: Some(PluginCounters::from(plugin)),
            workers: u32::try_from(plugin.workers).unwrap_or(u32::MAX),
            running_workers: u32::try_from(plugin.running_workers).unwrap_or(u32::MAX),
        }
    }
}

impl From<&snapshot::Rollout> for Rollout {
    fn from(rollout: &snapshot::Rollout) -> Self {
        let version = match rollout.version.as_str() {
            "old" => RolloutVersion::Old,
            "new" => RolloutVersion::New,
            "rolled_back" => RolloutVersion::RolledBack,
            _ => RolloutVersion::Unspecified,
        };
        Self {
            percent: rollout.percent.into(),
            place: rollout.place.into(),
            version: version.into(),
            reason: rollout.reason.clone(),
        }
    }
}

impl From<&snapshot::Plugin> for PluginCounters {
    fn from(plugin: &snapshot::Plugin) -> Self {
        Self {
            calls: plugin.calls,
            events: plugin.events,
            nanoseconds: plugin.nanoseconds,
            dropped: plugin.dropped,
            annotations: plugin.annotations,
            alerts: plugin.alerts,
            actions: plugin.actions,
            refused_actions: plugin.refused_actions,
            actions_over_rate: plugin.actions_over_rate,
            rejected_effects: plugin.rejected_effects,
            traps: plugin.traps,
            timeouts: plugin.timeouts,
            out_of_memory: plugin.out_of_memory,
            bad_outcomes: plugin.bad_outcomes,
            restarts: plugin.restarts,
            passed_by: plugin.passed_by,
            skipped: plugin.skipped,
            dropped_by_failure: plugin.dropped_by_failure,
            redactions: plugin.redactions,
            rollbacks: plugin.rollbacks,
            alerts_over_rate: plugin.alerts_over_rate,
            cut_texts: plugin.cut_texts,
            log_lines_lost: plugin.log_lines_lost,
            refused_facts: plugin.facts_refused,
            memory: plugin.memory,
        }
    }
}

impl From<&Snapshot> for GetPipelineStatusResponse {
    fn from(snapshot: &Snapshot) -> Self {
        let Snapshot { kernel, backlog, sinks, .. } = snapshot;
        let losses = Losses {
            ring_buffer_full: kernel.lost_ring_full,
            no_memory: kernel.lost_no_memory,
            calls: kernel.lost_calls,
            mappings: kernel.lost_mappings,
            backlog: backlog.lost,
            sinks: sinks.iter().map(|sink| sink.lost + sink.dropped).sum(),
            // The API knows its clients itself.
            clients: 0,
        };
        Self {
            backlog: Some(Backlog { capacity: backlog.capacity, waiting: backlog.waiting }),
            sinks: sinks.iter().map(SinkStatus::from).collect(),
            losses: Some(losses),
            clients: 0,
        }
    }
}

impl From<&snapshot::Sink> for SinkStatus {
    fn from(sink: &snapshot::Sink) -> Self {
        let state = match sink.state.as_str() {
            "working" => SinkState::Working,
            "failing" => SinkState::Failing,
            "closed" => SinkState::Closed,
            _ => SinkState::Unspecified,
        };
        Self {
            name: sink.name.clone(),
            state: state.into(),
            written: sink.written,
            lost: sink.lost,
            dropped: sink.dropped,
            retries: sink.retries,
            queued: sink.queued,
            spool: sink.spool.as_ref().map(Spool::from),
        }
    }
}

impl From<&snapshot::Spool> for Spool {
    fn from(spool: &snapshot::Spool) -> Self {
        Self {
            records: spool.records,
            bytes: spool.bytes,
            size: spool.size,
            stuck: spool.stuck,
            torn: spool.torn,
            corrupt: spool.corrupt,
            too_large: spool.too_large,
        }
    }
}

#[cfg(test)]
mod tests {
    use serin_pipeline::PluginState as State;

    use super::*;

    #[test]
    fn states_are_those_of_the_pipeline_and_of_sinks() {
        let plugin = |state: &str| snapshot::Plugin { state: state.into(), ..Default::default() };
        let told = |state: State| PluginStatus::from(&plugin(state.name())).state();
        let all = [State::Running, State::Waiting, State::Disabled].map(told);
        assert_eq!(all, [PluginState::Running, PluginState::Waiting, PluginState::Disabled]);
        let sink = |state: &str| snapshot::Sink { state: state.into(), ..Default::default() };
        let told = |state: serin_export::State| SinkStatus::from(&sink(state.name())).state();
        use serin_export::State::{Closed, Failing, Working};
        let all = [Working, Failing, Closed].map(told);
        assert_eq!(all, [SinkState::Working, SinkState::Failing, SinkState::Closed]);
    }

    #[test]
    fn losses_are_summed_where_sinks_are_several() {
        let sink = |lost, dropped| snapshot::Sink { lost, dropped, ..Default::default() };
        let backlog = snapshot::Backlog { lost: 4, ..Default::default() };
        let snapshot = Snapshot { sinks: vec![sink(1, 2), sink(0, 3)], backlog, ..Snapshot::default() };
        let losses = GetPipelineStatusResponse::from(&snapshot).losses.unwrap_or_default();
        assert_eq!((losses.sinks, losses.backlog, losses.clients), (6, 4, 0));
    }
}
