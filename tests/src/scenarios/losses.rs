//! Losses: whatever the kernel saw either comes out or is counted as lost.

use anyhow::{Result, ensure};
use rustix::process::Signal;
use serde_json::Value;

use super::{Scenario, scenario};
use crate::agent::Setup;
use crate::kernel::Kernel;
use crate::policy::{PASSWD, on_symlinkat};
use crate::trigger::Waiting;

/// More than the ring buffer holds.
const HITS: u64 = 150_000;

pub(crate) fn scenarios() -> Vec<Scenario> {
    vec![scenario("losses::hits_are_delivered_or_counted", invariant)]
}

/// An agent that is stopped can't read, so the ring buffer fills up and the rest is lost.
fn invariant(_: &Kernel) -> Result<()> {
    let mut agent = Setup::new()?.policy(&on_symlinkat("flood", PASSWD))?.start()?;
    let mut flood = Waiting::flood(HITS)?;
    agent.settle()?;
    agent.signal(Signal::STOP)?;
    flood.go()?;
    agent.signal(Signal::CONT)?;
    let pid = flood.pid();
    let mut delivered = 0;
    let mut lost = 0;
    let mut looked_at = 0;
    agent.wait_until(|agent| {
        for event in &agent.events[looked_at..] {
            delivered += u64::from(event["process_kprobe"]["process"]["pid"] == pid);
            lost += count(event);
        }
        looked_at = agent.events.len();
        delivered + lost >= HITS
    })?;
    ensure!(lost > 0, "nothing was lost, so this has shown nothing: make more hits than {HITS}");
    flood.end()?;
    agent.settle()?;
    for event in &agent.events[looked_at..] {
        delivered += u64::from(event["process_kprobe"]["process"]["pid"] == pid);
        lost += count(event);
    }
    ensure!(delivered <= HITS, "{delivered} events for {HITS} hits");
    // Processes that others started or ended meanwhile may be among the lost.
    ensure!(delivered + lost >= HITS, "{HITS} hits, but {delivered} delivered and {lost} counted as lost");
    agent.stop()?;
    Ok(())
}

/// How many a `loss` event tells of; 0 for other events.
pub(super) fn count(event: &Value) -> u64 {
    let count = &event["loss"]["count"];
    count.as_u64().or_else(|| count.as_str()?.parse().ok()).unwrap_or(0)
}
