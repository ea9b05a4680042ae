//! `serin policy test`: what it says of recorded events is what the kernel did.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::{Scenario, scenario};
use crate::agent::{Agent, Setup};
use crate::kernel::Kernel;
use crate::policy::{PASSWD, on_symlinkat};
use crate::trigger;

pub(crate) fn scenarios() -> Vec<Scenario> {
    vec![scenario("rehearsals::a_recording_is_judged_as_the_kernel_judges", judged_alike)]
}

/// Selectors, and whether a recording holds all that they ask.
const CASES: [(&str, &str, bool); 7] = [
    ("postfix", PASSWD, true),
    ("equal", "    - matchArgs: [{index: 0, operator: Equal, values: [/etc/hostname, /etc/host]}]\n", true),
    ("not-prefix", "    - matchArgs: [{index: 0, operator: NotPrefix, values: [/etc/]}]\n", true),
    ("integer", "    - matchArgs: [{index: 1, operator: NotEqual, values: [\"-100\"]}]\n", true),
    (
        "selectors",
        "    - matchArgs: [{index: 0, operator: SubString, values: [nothing, shadow]}]\n\
         \x20   - matchBinaries: [{operator: Postfix, values: [serin-tests]}]\n\
         \x20     matchArgs: [{index: 0, operator: Equal, values: [/etc/passwd]}]\n",
        true,
    ),
    ("parents", "    - matchParentBinaries: [{operator: NotPostfix, values: [serin-tests]}]\n", true),
    ("namespaces", "    - matchNamespaces: [{namespace: Net, operator: In, values: [host_ns]}]\n", false),
];

fn judged_alike(_: &Kernel) -> Result<()> {
    let mut setup = Setup::new()?.policy(&on_symlinkat("recorded", "    - {}\n"))?;
    for (name, selectors, _) in CASES {
        setup = setup.policy(&on_symlinkat(name, selectors))?;
    }
    let mut agent = setup.start()?;
    let mut links = Vec::new();
    for subject in ["/etc/passwd", "/etc/hostname", "/tmp/a-passwd", "/etc/shadow-"] {
        links.push(trigger::symlink(subject, "/nonexistent/link")?.pid);
    }
    agent.settle()?;
    let folder = tempfile::tempdir()?;
    let trace = folder.path().join("trace.jsonl");
    write_trace(&agent, &links, &trace)?;
    for (name, selectors, exact) in CASES {
        let live =
            links.iter().filter(|pid| agent.hits_of(**pid).iter().any(|hit| hit["policy_name"] == name));
        let policy = folder.path().join(format!("{name}-again.yaml"));
        std::fs::write(&policy, on_symlinkat(name, selectors))?;
        let said = rehearse(&policy, &trace)?;
        let summary = match (exact, live.count()) {
            (true, matched) => {
                format!("4 events at its hooks: {matched} matched, {} not, 0 can't be told", 4 - matched)
            }
            (false, _) => "4 events at its hooks: 0 matched, 0 not, 4 can't be told".into(),
        };
        ensure!(said.contains(&summary), "{name}: not `{summary}`, but:\n{said}");
    }
    agent.stop()?;
    Ok(())
}

/// What the policy without filters has reported of these processes.
fn write_trace(agent: &Agent, links: &[u32], trace: &Path) -> Result<()> {
    let recorded = |event: &&serde_json::Value| {
        let hit = &event["process_kprobe"];
        hit["policy_name"] == "recorded" && links.iter().any(|pid| hit["process"]["pid"] == *pid)
    };
    let lines: Vec<_> = agent.events.iter().filter(recorded).map(|event| format!("{event}\n")).collect();
    ensure!(lines.len() == links.len(), "{} events of {} links", lines.len(), links.len());
    std::fs::write(trace, lines.concat()).context("cannot write a trace")
}

fn rehearse(policy: &Path, trace: &Path) -> Result<String> {
    let mut command = Command::new(crate::root().join("target/release/serin"));
    let output = command.args(["policy", "test"]).arg(policy).arg("--events").arg(trace).output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}
