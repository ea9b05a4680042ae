//! New versions that only some hosts have.

use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::Value;

use super::{annotation, pipeline, plugin};
use crate::agent::{Agent, Setup};
use crate::trigger;

/// A pipeline whose new version fails where the old one does not.
fn rollout(percent: u8) -> String {
    let component = crate::root().join("target/plugins/faulty.wasm");
    let entry = format!(
        "      config: {{ fault: trap, argument: never }}\n      grants: {{ log: true }}\n      rollout: {{ component: {}, \
         config: {{ fault: trap, argument: provoke }}, percent: {percent}, rollback: {{ failures: 2, per: 1h }} }}\n",
        component.display()
    );
    pipeline(&plugin("faulty", &entry))
}

fn provoke(agent: &mut Agent) -> Result<Value> {
    let ended = trigger::exit(0, &["provoke"])?;
    agent.wait_for("process_exec", |event| event["process_exec"]["process"]["pid"] == ended.pid)
}

pub(super) fn rollout_to_nobody() -> Result<()> {
    let mut agent = Setup::new()?.pipeline(&rollout(0))?.start()?;
    for _ in 0..3 {
        let event = provoke(&mut agent)?;
        ensure!(annotation(&event, "faulty", "faulty.seen").is_some(), "the new version runs: {event}");
    }
    agent.stop()?;
    Ok(())
}

/// The new version fails until the old one takes its place; that is seen in the events, the status, the metrics and the log.
pub(super) fn rollout_that_fails() -> Result<()> {
    let mut agent = Setup::new()?.pipeline(&rollout(100))?.start()?;
    let event = provoke(&mut agent)?;
    ensure!(annotation(&event, "faulty", "faulty.seen").is_none(), "the old version runs: {event}");
    let mut back = false;
    for _ in 0..100 {
        back = annotation(&provoke(&mut agent)?, "faulty", "faulty.seen").is_some();
        if back {
            break;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    ensure!(back, "the old version does not come back");
    agent.wait_for("plugin_error", |event| {
        let reason = event["plugin_error"]["reason"].as_str().unwrap_or_default();
        reason.starts_with("rolled back to sha256:") && reason.contains("2 failures within")
    })?;
    agent.wait_for_log("rolled back to sha256:")?;
    let sample = "serin_plugin_rollout_info{plugin=\"faulty\",version=\"rolled_back\"} 1";
    // Counters are shown once a second, and are of whoever makes links.
    while !agent.ask("/metrics")?.1.contains(sample) {
        provoke(&mut agent)?;
    }
    let status: Value = serde_json::from_str(&agent.status(&["--json"])?)?;
    let (of_it, problems) = (&status["plugins"][0], &status["problems"]);
    ensure!(of_it["rollbacks"] == 1 && of_it["rollout"]["version"] == "rolled_back", "{of_it}");
    ensure!(problems.to_string().contains("the plugin faulty was rolled back"), "{problems}");
    agent.stop()?;
    Ok(())
}
