//! Many policies at once.

use std::collections::BTreeSet;

use anyhow::{Result, ensure};

use super::{Scenario, scenario};
use crate::agent::Setup;
use crate::kernel::Kernel;
use crate::policy::{PASSWD, on_symlinkat};
use crate::trigger;

pub(crate) fn scenarios() -> Vec<Scenario> {
    vec![
        // As many as the dispatcher can have on one call.
        scenario("many::32_policies_on_one_call_all_report", |_| all_report(32)),
        scenario("many::100_policies_on_one_call_all_report", |_| all_report(100))
            .needs(Kernel::function_hooks),
    ]
}

fn all_report(count: usize) -> Result<()> {
    let mut setup = Setup::new()?;
    for number in 0..count {
        setup = setup.policy(&on_symlinkat(&format!("policy-{number}"), PASSWD))?;
    }
    let mut agent = setup.start()?;
    let ended = trigger::symlink("/etc/passwd", "")?;
    let other = trigger::symlink("/etc/hostname", "")?;
    agent.settle()?;
    let hits = agent.hits_of(ended.pid);
    let policies: BTreeSet<_> = hits.iter().filter_map(|hit| hit["policy_name"].as_str()).collect();
    ensure!(
        hits.len() == count && policies.len() == count,
        "{} hits of {} policies, where {count} policies are loaded",
        hits.len(),
        policies.len()
    );
    ensure!(agent.hits_of(other.pid).is_empty(), "another link was reported");
    agent.stop()?;
    Ok(())
}
