//! `rateLimit`: of equal events one is posted, and the others are counted.

use anyhow::{Result, ensure};
use rustix::process::Signal;

use super::{Scenario, scenario};
use crate::agent::{Agent, Setup};
use crate::kernel::Kernel;
use crate::policy::on_symlinkat;
use crate::trigger::{self, Ended};

pub(crate) fn scenarios() -> Vec<Scenario> {
    vec![
        scenario("rates::scopes", scopes),
        scenario("rates::every_byte_of_the_arguments_counts", arguments),
        scenario("rates::enforcement_is_not_limited", enforcement),
        scenario("rates::what_is_held_back_is_counted", counted),
    ]
}

/// Longer than any test takes.
fn limited(scope: &str) -> String {
    format!("    - matchActions:\n      - {{ action: Post, rateLimit: 10h{scope} }}\n")
}

fn hits(agent: &Agent, policy: &str, processes: &[&Ended]) -> usize {
    let of_policy = |pid| agent.hits_of(pid).into_iter().filter(|hit| hit["policy_name"] == policy).count();
    processes.iter().map(|ended| of_policy(ended.pid)).sum()
}

fn scopes(_: &Kernel) -> Result<()> {
    let policies = [
        ("unlimited", String::new(), 12),
        ("by-default", limited(""), 4),
        ("by-thread", limited(", rateLimitScope: thread"), 4),
        ("by-process", limited(", rateLimitScope: process"), 2),
        ("global", limited(", rateLimitScope: global"), 1),
    ];
    let mut setup = Setup::new()?;
    for (name, selectors, _) in &policies {
        let all = "    - matchActions: [{ action: Post }]\n";
        setup = setup.policy(&on_symlinkat(name, if selectors.is_empty() { all } else { selectors }))?;
    }
    let mut agent = setup.start()?;
    // Two processes with two threads each, which make three links each.
    let first = trigger::symlink_in_threads("/etc/hostname", 3)?;
    let second = trigger::symlink_in_threads("/etc/hostname", 3)?;
    agent.settle()?;
    for (name, _, expected) in &policies {
        let found = hits(&agent, name, &[&first, &second]);
        ensure!(found == *expected, "{name}: {found} events, expected {expected}");
    }
    agent.stop()?;
    Ok(())
}

fn arguments(_: &Kernel) -> Result<()> {
    let global = limited(", rateLimitScope: global");
    let mut agent = Setup::new()?.policy(&on_symlinkat("global", &global))?.start()?;
    let long = "folder/".repeat(500);
    let targets = ["a", "b", "aa", &format!("{long}a"), &format!("{long}b")];
    for target in targets {
        let ended: Vec<Ended> = (0..2).map(|_| trigger::symlink(target, "")).collect::<Result<_>>()?;
        agent.settle()?;
        let found = hits(&agent, "global", &ended.iter().collect::<Vec<_>>());
        ensure!(found == 1, "{target:.20}: {found} events for two links");
    }
    agent.stop()?;
    Ok(())
}

fn enforcement(_: &Kernel) -> Result<()> {
    let selectors = "    - matchArgs:
      - { index: 0, operator: Equal, values: [/kill] }
      matchActions:
      - { action: Post, rateLimit: 10h, rateLimitScope: global }
      - action: Sigkill
";
    let mut agent = Setup::new()?.policy(&on_symlinkat("kill", selectors))?.start()?;
    let (first, second) = (trigger::symlink("/kill", "")?, trigger::symlink("/kill", "")?);
    for ended in [&first, &second] {
        ensure!(ended.signal() == Some(libc::SIGKILL), "not killed: {ended:?}");
    }
    agent.settle()?;
    let found = hits(&agent, "kill", &[&first, &second]);
    ensure!(found == 1, "{found} events, expected 1");
    agent.stop()?;
    Ok(())
}

fn counted(_: &Kernel) -> Result<()> {
    let selectors = "    - matchArgs:
      - { index: 0, operator: Equal, values: [/limited] }
      matchActions:
      - { action: Post, rateLimit: 600m }
    - matchArgs:
      - { index: 0, operator: Equal, values: [/silent] }
      matchActions:
      - action: NoPost
";
    let mut agent = Setup::new()?.policy(&on_symlinkat("counted", selectors))?.start()?;
    let limited = trigger::symlink_in_threads("/limited", 5)?;
    let silent = trigger::symlink_in_threads("/silent", 4)?;
    agent.settle()?;
    let posted = (hits(&agent, "counted", &[&limited]), hits(&agent, "counted", &[&silent]));
    ensure!(posted == (2, 0), "{posted:?} events");
    let told = agent.finish(Signal::INT)?.1.join("\n");
    for count in ["hits 18,", "not to be reported 16,", "of those over rateLimit 8"] {
        ensure!(told.contains(count), "{count:?} is not in what the agent said:\n{told}");
    }
    Ok(())
}
