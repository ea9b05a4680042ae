//! `serin policy check`, by an agent, `add`, `delete`, `enable`, `disable`, `set-mode` and `list`.

use std::fmt;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Error, Result};
use serin_api::client::Address;
use serin_api::policies_json;
use serin_api::proto::serin::{CheckPolicyRequest, PolicyFile};
use serin_api::proto::{
    AddTracingPolicyRequest, ConfigureTracingPolicyRequest, DeleteTracingPolicyRequest, HookCount, HookState,
    ListTracingPoliciesRequest, TracingPolicyMode, TracingPolicyStatus,
};

use super::{said, with_client, with_own_client};
use crate::check::Report;

/// Adds policies, one a file.
pub(crate) fn add(address: &Address, files: &[PathBuf], replace: bool) -> Result<()> {
    with_client(address, async |mut client| {
        for path in files {
            let file = path.display().to_string();
            let yaml = fs::read_to_string(path).with_context(|| format!("cannot read {file}"))?;
            let request = AddTracingPolicyRequest { yaml, replace, file: file.clone(), ..Default::default() };
            client.add_tracing_policy(request).await.map_err(said)?;
            println!("{file}: added");
        }
        Ok(())
    })
}

/// Has an agent say of files what `serin policy check` says of them here.
pub(crate) fn check(address: &Address, paths: &[PathBuf]) -> Result<()> {
    let file = |(file, yaml): (PathBuf, String)| PolicyFile { file: file.display().to_string(), yaml };
    let files = serin_policy::read_files(paths)?.into_iter().map(file).collect();
    let checked = with_own_client(address, async |mut client| {
        Ok(client.check_policy(CheckPolicyRequest { files }).await.map_err(said)?.into_inner())
    })?;
    if checked.errors.is_empty() {
        print!("{}", Report(&checked));
        return Ok(());
    }
    let errors: Vec<_> = checked.errors.into_iter().map(|error| error.text).collect();
    Err(Error::msg(errors.join("\n\n")))
}

/// Takes policies out.
pub(crate) fn delete(address: &Address, names: &[String]) -> Result<()> {
    with_client(address, async |mut client| {
        for name in names {
            let request = DeleteTracingPolicyRequest { name: name.clone(), ..Default::default() };
            client.delete_tracing_policy(request).await.map_err(said)?;
            println!("{name}: deleted");
        }
        Ok(())
    })
}

/// Enables or disables policies, or changes their mode.
pub(crate) fn configure(
    address: &Address,
    names: &[String],
    enable: Option<bool>,
    mode: Option<TracingPolicyMode>,
) -> Result<()> {
    let mode = mode.map(i32::from);
    with_client(address, async |mut client| {
        for name in names {
            let request =
                ConfigureTracingPolicyRequest { name: name.clone(), enable, mode, ..Default::default() };
            client.configure_tracing_policy(request).await.map_err(said)?;
            println!("{name}: done");
        }
        Ok(())
    })
}

/// Prints all policies or their selectors for people, or everything for programs.
pub(crate) fn list(address: &Address, json: bool, by_selector: bool) -> Result<()> {
    let policies = with_client(address, async |mut client| {
        let listed = client.list_tracing_policies(ListTracingPoliciesRequest::default()).await;
        Ok(listed.map_err(said)?.into_inner())
    })?;
    if json {
        println!("{}", policies_json(&policies).context("the agent sent what can't be printed")?);
    } else if by_selector {
        print!("{}", BySelector(&policies.policies));
    } else {
        print!("{}", Listed(&policies.policies));
    }
    Ok(())
}

/// Policies as a table, and what went wrong below it.
struct Listed<'a>(&'a [TracingPolicyStatus]);

const TITLES: [&str; 8] = ["NAME", "STATE", "MODE", "DOMAIN", "HOOKS", "HITS", "LOST", "MEMORY"];

impl fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        table(f, TITLES, self.0.iter().map(row))?;
        for policy in self.0.iter().filter(|policy| !policy.error.is_empty()) {
            writeln!(f, "{}: {}", policy.name, policy.error)?;
        }
        for policy in self.0 {
            let hooks = policy.hook_statuses.iter();
            for hook in hooks.filter(|hook| hook.state() == HookState::StatusDigestRejected) {
                let hook = &hook.hook_description;
                writeln!(f, "{}: {hook} is left out, as the file has none of its digests", policy.name)?;
            }
        }
        Ok(())
    }
}

/// The hooks and selectors of policies as a table, with the hits of each.
struct BySelector<'a>(&'a [TracingPolicyStatus]);

impl fmt::Display for BySelector<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows = self.0.iter().flat_map(|policy| {
            let hooks = policy.sensors.iter().zip(&policy.hook_counts);
            let selectors = hooks.flat_map(|(function, count)| {
                count.selectors.iter().enumerate().map(move |(index, selector)| (function, index, selector))
            });
            selectors.zip(labels(policy)).map(|((function, index, selector), label)| {
                let numbers = [index as u64, selector.hits, selector.unposted];
                let [index, hits, unposted] = numbers.map(|number| number.to_string());
                [policy.name.clone(), function.clone(), index, hits, unposted, label]
            })
        });
        table(f, ["POLICY", "HOOK", "SELECTOR", "HITS", "UNPOSTED", "LABEL"], rows)
    }
}

/// What a policy calls its selectors, hook by hook; empty for those that it has no name for.
fn labels(policy: &TracingPolicyStatus) -> impl Iterator<Item = String> + use<'_> {
    let counters = policy.stats.iter().flat_map(|stats| &stats.selector_action_counters);
    counters.map(|counters| counters.selector_label.clone()).chain(std::iter::repeat(String::new()))
}

/// Columns as wide as they need be.
pub(super) fn table<const COLUMNS: usize>(
    f: &mut fmt::Formatter<'_>,
    titles: [&str; COLUMNS],
    rows: impl Iterator<Item = [String; COLUMNS]>,
) -> fmt::Result {
    let rows: Vec<_> = std::iter::once(titles.map(str::to_owned)).chain(rows).collect();
    let mut widths = [0; COLUMNS];
    for row in &rows {
        widths.iter_mut().zip(row).for_each(|(width, cell)| *width = cell.len().max(*width));
    }
    for row in &rows {
        let cells: Vec<_> = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        writeln!(f, "{}", cells.join("  ").trim_end())?;
    }
    Ok(())
}

fn row(policy: &TracingPolicyStatus) -> [String; TITLES.len()] {
    let sum = |of: fn(&HookCount) -> u64| policy.hook_counts.iter().map(of).sum::<u64>().to_string();
    let word = |name: &str, prefix| name.strip_prefix(prefix).unwrap_or(name).to_lowercase();
    [
        policy.name.clone(),
        word(policy.state().as_str_name(), "TP_STATE_"),
        word(policy.mode().as_str_name(), "TP_MODE_"),
        policy.domain.clone(),
        policy.sensors.len().to_string(),
        sum(|count| count.hits),
        sum(|count| count.lost),
        format!("{} KiB", policy.kernel_memory_bytes.div_ceil(1024)),
    ]
}

#[cfg(test)]
mod tests {
    use serin_api::proto::{HookStatus, SelectorCount, TracingPolicyState};

    use super::*;

    #[test]
    fn lists_policies_in_columns() {
        let selectors = [(5, 1), (2, 0)].map(|(hits, unposted)| SelectorCount { hits, unposted });
        let selectors = selectors.to_vec();
        let count = HookCount { hits: 7, posted: 6, lost: 1, selectors, ..HookCount::default() };
        let policy = TracingPolicyStatus {
            name: "sys-symlink-passwd".into(),
            state: TracingPolicyState::TpStateEnabled.into(),
            mode: TracingPolicyMode::TpModeMonitorOnly.into(),
            domain: "grpc".into(),
            sensors: vec!["__x64_sys_symlinkat".into()],
            hook_counts: vec![count],
            kernel_memory_bytes: 10_000,
            ..TracingPolicyStatus::default()
        };
        let failed = TracingPolicyStatus {
            name: "b".into(),
            state: TracingPolicyState::TpStateDisabled.into(),
            mode: TracingPolicyMode::TpModeEnforce.into(),
            domain: "static".into(),
            error: "no way".into(),
            hook_statuses: vec![HookStatus {
                state: HookState::StatusDigestRejected.into(),
                hook_description: "/bin/p:main".into(),
                ..HookStatus::default()
            }],
            ..TracingPolicyStatus::default()
        };
        let expected = "\
NAME                STATE     MODE          DOMAIN  HOOKS  HITS  LOST  MEMORY
sys-symlink-passwd  enabled   monitor_only  grpc    1      7     1     10 KiB
b                   disabled  enforce       static  0      0     0     0 KiB
b: no way
b: /bin/p:main is left out, as the file has none of its digests
";
        assert_eq!(Listed(&[policy.clone(), failed]).to_string(), expected);
        let expected = "\
POLICY              HOOK                 SELECTOR  HITS  UNPOSTED  LABEL
sys-symlink-passwd  __x64_sys_symlinkat  0         5     1
sys-symlink-passwd  __x64_sys_symlinkat  1         2     0
";
        assert_eq!(BySelector(&[policy]).to_string(), expected);
    }
}
