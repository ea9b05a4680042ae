//! `serin plugin list` and `reload`.

use std::fmt;

use anyhow::{Context, Result};
use serin_api::client::Address;
use serin_api::plugins_json;
use serin_api::proto::serin::{
    ListPluginsRequest, PluginCounters, PluginState, PluginStatus, ReloadPipelineRequest, Rollout,
};

use super::policy::table;
use super::{said, with_own_client};
use crate::policies::count;

/// Prints all plugins for people, or everything for programs.
pub(crate) fn list(address: &Address, json: bool) -> Result<()> {
    let listed = with_own_client(address, async |mut client| {
        Ok(client.list_plugins(ListPluginsRequest {}).await.map_err(said)?.into_inner())
    })?;
    if json {
        println!("{}", plugins_json(&listed).context("the agent sent what can't be printed")?);
    } else {
        print!("{}", Listed(&listed.plugins));
    }
    Ok(())
}

/// Has the agent start the plugins of its pipeline file anew, and waits until it has.
pub(crate) fn reload(address: &Address) -> Result<()> {
    let plugins = with_own_client(address, async |mut client| {
        let reloaded = client.reload_pipeline(ReloadPipelineRequest {}).await.map_err(said)?;
        Ok(reloaded.into_inner().plugins)
    })?;
    println!("{} reloaded", count(plugins.len(), "plugin", "plugins"));
    Ok(())
}

/// Plugins as a table.
struct Listed<'a>(&'a [PluginStatus]);

const TITLES: [&str; 10] =
    ["NAME", "STATE", "WORKERS", "COMPONENT", "VERSION", "EVENTS", "ALERTS", "FAILURES", "ROLLOUT", "DIGEST"];

impl fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        table(f, TITLES, self.0.iter().map(row))
    }
}

fn row(plugin: &PluginStatus) -> [String; TITLES.len()] {
    let state = match plugin.state() {
        PluginState::Running => "running",
        PluginState::Waiting => "waiting",
        PluginState::Disabled => "disabled",
        PluginState::Unspecified => "unknown",
    };
    let counters = plugin.counters.unwrap_or_default();
    let PluginCounters { traps, timeouts, out_of_memory, bad_outcomes, .. } = counters;
    let failures = traps + timeouts + out_of_memory + bad_outcomes;
    let [events, alerts, failures] = [counters.events, counters.alerts, failures].map(|it| it.to_string());
    [
        plugin.name.clone(),
        state.to_owned(),
        format!("{}/{}", plugin.running_workers, plugin.workers),
        plugin.component.clone(),
        plugin.version.clone(),
        events,
        alerts,
        failures,
        plugin.rollout.as_ref().map_or_else(|| "-".to_owned(), rollout),
        plugin.digest.clone(),
    ]
}

/// `new at 25%`
fn rollout(rollout: &Rollout) -> String {
    let name = rollout.version().as_str_name();
    let version = name.strip_prefix("ROLLOUT_VERSION_").unwrap_or(name).to_lowercase();
    format!("{version} at {}%", rollout.percent)
}

#[cfg(test)]
mod tests {
    use serin_api::proto::serin::{ListPluginsResponse, RolloutVersion};

    use super::*;

    fn plugins() -> Vec<PluginStatus> {
        let staged =
            Rollout { percent: 25, version: RolloutVersion::RolledBack.into(), ..Rollout::default() };
        let counters = PluginCounters { events: 12, traps: 1, timeouts: 2, ..PluginCounters::default() };
        let first = PluginStatus {
            name: "tree".into(),
            component: "process-tree".into(),
            version: "0.1.0".into(),
            digest: "sha256:ab".into(),
            state: PluginState::Waiting.into(),
            rollout: Some(staged),
            counters: Some(counters),
            workers: 1,
            running_workers: 0,
        };
        let state = PluginState::Running.into();
        let second = PluginStatus {
            rollout: None,
            counters: None,
            state,
            workers: 4,
            running_workers: 4,
            ..first.clone()
        };
        vec![first, second]
    }

    #[test]
    fn lists_plugins_in_columns() {
        let expected = "\
NAME  STATE    WORKERS  COMPONENT     VERSION  EVENTS  ALERTS  FAILURES  ROLLOUT             DIGEST
tree  waiting  0/1      process-tree  0.1.0    12      0       3         rolled_back at 25%  sha256:ab
tree  running  4/4      process-tree  0.1.0    0       0       0         -                   sha256:ab
";
        assert_eq!(Listed(&plugins()).to_string(), expected);
    }

    #[test]
    fn programs_get_names_for_numbers() {
        let json = plugins_json(&ListPluginsResponse { plugins: plugins() }).unwrap_or_default();
        let json: serde_json::Value = serde_json::from_str(&json).unwrap_or_default();
        let plugin = &json["plugins"][0];
        assert_eq!((&plugin["state"], &plugin["name"]), (&"PLUGIN_STATE_WAITING".into(), &"tree".into()));
        assert_eq!(plugin["counters"]["events"], "12");
    }
}
