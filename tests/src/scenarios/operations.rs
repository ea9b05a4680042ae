//! What an operator sees of a running agent.

use std::process::Command;

use anyhow::{Context, Result, ensure};
use rustix::process::Signal;
use serde_json::Value;

use super::{Scenario, scenario};
use crate::agent::{Agent, Setup};
use crate::kernel::Kernel;
use crate::policy::{PASSWD, on_symlinkat};
use crate::trigger;

pub(crate) fn scenarios() -> Vec<Scenario> {
    vec![
        scenario("operations::metrics_count_what_happened", metrics),
        scenario("operations::status_tells_what_is_loaded", status),
        scenario("operations::hits_are_told_by_selector", selectors),
        scenario("operations::check_says_how_hooks_would_be_attached", check),
        scenario("operations::check_asks_nothing_of_this_kernel_about_another", check_another),
        scenario("operations::doctor_and_the_other_tools_speak", tools),
        scenario("operations::clients_that_misbehave_are_put_up_with", rude_clients),
    ]
}

/// The value of a sample, by its name and labels.
pub(super) fn sample(metrics: &str, name: &str) -> Result<u64> {
    let line = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.and_then(|value| value.parse().ok()).with_context(|| format!("no {name} in\n{metrics}"))
}

fn metrics(_: &Kernel) -> Result<()> {
    let mut agent = Agent::with_links()?;
    for _ in 0..3 {
        trigger::symlink("/etc/passwd", "")?;
    }
    agent.settle()?;
    let (status, metrics) = agent.ask("/metrics")?;
    ensure!(status == 200, "the answer is {status}");
    let hits = "serin_policy_hits_total{policy=\"links\",hook=\"__x64_sys_symlinkat\"}";
    ensure!(sample(&metrics, hits)? == 3, "not 3 hits:\n{metrics}");
    ensure!(
        sample(&metrics, "serin_events_total{kind=\"process_kprobe\"}")? == 3,
        "not 3 events:\n{metrics}"
    );
    ensure!(
        sample(&metrics, "tetragon_events_total{type=\"PROCESS_KPROBE\"}")? == 3,
        "not by Tetragon's name"
    );
    // Counted just after they were printed.
    let printed = agent.events.len() as u64;
    let written = |metrics: &str| sample(metrics, "serin_sink_written_total{sink=\"stdout\"}");
    while written(&agent.ask("/metrics")?.1)? < printed {}
    for name in ["serin_ready", "serin_policies", "serin_sink_up{sink=\"stdout\"}"] {
        ensure!(sample(&metrics, name)? == 1, "{name} is not 1:\n{metrics}");
    }
    for name in ["serin_kernel_records_total", "serin_processes", "process_resident_memory_bytes"] {
        ensure!(sample(&metrics, name)? > 0, "{name} is 0:\n{metrics}");
    }
    for path in ["/healthz", "/readyz"] {
        ensure!(agent.ask(path)? == (200, "ok\n".into()), "{path} is not ok");
    }
    agent.stop()?;
    Ok(())
}

fn status(_: &Kernel) -> Result<()> {
    let mut agent = Agent::with_links()?;
    trigger::symlink("/etc/passwd", "")?;
    agent.settle()?;
    let json: Value = serde_json::from_str(&agent.status(&["--json"])?)?;
    let hook = &json["policies"][0]["hooks"][0];
    ensure!(json["ready"] == true && json["policies"][0]["name"] == "links", "not what is loaded: {json}");
    ensure!(hook["hits"] == 1 && hook["backend"].as_str().is_some_and(|way| !way.is_empty()), "{hook}");
    ensure!(json["sinks"][0]["name"] == "stdout" && json["sinks"][0]["state"] == "working", "{json}");
    let table = agent.status(&[])?;
    for words in [": ready, up ", "links", "__x64_sys_symlinkat", "stdout", "working"] {
        ensure!(table.contains(words), "no {words:?} in\n{table}");
    }
    ensure!(!table.contains('\x1b'), "colours though this is no terminal:\n{table}");
    agent.stop()?;
    Ok(())
}

/// A second selector, whose hits are not to be reported.
const SHADOW: &str = "    - matchArgs:
      - index: 0
        operator: Postfix
        values:
        - shadow
      matchActions:
      - action: NoPost
";

fn selectors(_: &Kernel) -> Result<()> {
    let mut agent = Setup::new()?.policy(&on_symlinkat("links", &format!("{PASSWD}{SHADOW}")))?.start()?;
    for target in ["/etc/passwd", "/etc/shadow", "/etc/shadow", "/etc/shadow", "/etc/group"] {
        trigger::symlink(target, "")?;
    }
    agent.settle()?;
    let policy = agent.api()?.only()?;
    let counted: Vec<_> = policy
        .hook_counts
        .iter()
        .flat_map(|hook| &hook.selectors)
        .map(|all| (all.hits, all.unposted))
        .collect();
    ensure!(counted == [(1, 0), (3, 3)], "{counted:?}");
    let stats = policy.stats.context("no statistics")?;
    let of_tetragon: Vec<_> = stats.selector_action_counters.iter().map(|of| of.action_counters).collect();
    let of_tetragon: Vec<_> = of_tetragon.into_iter().flatten().map(|of| (of.post, of.nopost)).collect();
    ensure!(of_tetragon == [(1, 0), (0, 3)], "{of_tetragon:?}");
    let (_, metrics) = agent.ask("/metrics")?;
    let name =
        "serin_policy_selector_hits_total{policy=\"links\",hook=\"__x64_sys_symlinkat\",selector=\"1\"}";
    ensure!(sample(&metrics, name)? == 3, "not 3 hits by the second:\n{metrics}");
    let socket = agent.socket().display().to_string();
    let table = serin(&["policy", "list", "--selectors", "--api-socket", &socket])?;
    let rows: Vec<Vec<&str>> = table.lines().skip(1).map(|row| row.split_whitespace().collect()).collect();
    ensure!(rows.len() == 2 && rows[1][2..] == ["1", "3", "3"], "{table}");
    agent.stop()?;
    Ok(())
}

/// Runs a command of serin; what it prints.
fn serin(arguments: &[&str]) -> Result<String> {
    let output = Command::new(crate::root().join("target/release/serin")).args(arguments).output()?;
    ensure!(output.status.success(), "{arguments:?} failed: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}

/// What is foretold is what comes to pass.
fn check(_: &Kernel) -> Result<()> {
    check_foretold(&on_symlinkat("links", PASSWD))?;
    let kills = on_symlinkat("links", &format!("{PASSWD}      matchActions:\n      - action: Sigkill\n"));
    let text = check_foretold(&kills)?;
    ensure!(text.contains("warning: ") && text.contains("security_path_symlink"), "no warning:\n{text}");
    Ok(())
}

fn check_foretold(policy: &str) -> Result<String> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("links.yaml");
    std::fs::write(&file, policy)?;
    let text = serin(&["policy", "check", &file.display().to_string()])?;
    let agent = Setup::new()?.policy(policy)?.start()?;
    let attached = agent.log.iter().find_map(|line| Some(line.split_once("attached by ")?.1.to_owned()));
    let attached = attached.context("nothing was attached")?;
    ensure!(
        text.contains(&format!("__x64_sys_symlinkat: by {attached}\n")),
        "by {attached}, not as in\n{text}"
    );
    // An agent that runs is no hindrance.
    ensure!(
        serin(&["policy", "check", &file.display().to_string()])? == text,
        "another answer beside an agent"
    );
    agent.stop()?;
    Ok(text)
}

/// Types in any other file than its own are another kernel's, even where they are this one's.
fn check_another(_: &Kernel) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let file = |name: &str| folder.path().join(name).display().to_string();
    let (policy, btf, copies) = (file("p.yaml"), file("vmlinux"), file("tracefs"));
    std::fs::copy("/sys/kernel/btf/vmlinux", &btf)?;
    std::fs::create_dir_all(file("tracefs/events/s/sched_process_exec"))?;
    let format = "ID: 1\n\tfield:int a;\toffset:8;\tsize:4;\tsigned:1;\n";
    std::fs::write(file("tracefs/events/s/sched_process_exec/format"), format)?;
    let event = |subsystem: &str, index: usize| {
        let spec =
            format!("{{subsystem: {subsystem}, event: sched_process_exec, args: [{{index: {index}}}]}}");
        format!(
            "apiVersion: cilium.io/v1alpha1\nkind: TracingPolicy\nmetadata: {{name: p}}\nspec: {{tracepoints: [{spec}]}}\n"
        )
    };
    // Tracefs as it is here has the first, and not the second.
    for (yaml, given, status, words) in [
        (event("sched", 5), &["--btf", &btf][..], 0, "not whether it is of the subsystem `sched`"),
        (
            event("sched", 5),
            &["--btf", &btf, "--tracefs", &copies],
            1,
            "no tracepoint `sched/sched_process_exec`",
        ),
        (event("s", 0), &["--btf", &btf, "--tracefs", &copies], 0, "p: ok, 1 hook"),
        (event("s", 0), &["--tracefs", &copies], 1, "--tracefs is about another kernel"),
        (event("s", 0), &["--btf", &btf, "--tracefs", &btf], 1, "no copy of a tracefs"),
    ] {
        std::fs::write(&policy, yaml)?;
        let mut command = Command::new(crate::root().join("target/release/serin"));
        let output = command.args(["policy", "check", &policy]).args(given).output()?;
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        ensure!(output.status.code() == Some(status), "{given:?} ends with {}:\n{said}", output.status);
        ensure!(said.contains(words), "{given:?}: the answer lacks {words:?}:\n{said}");
    }
    Ok(())
}

fn tools(kernel: &Kernel) -> Result<()> {
    let report = serin(&["doctor"])?;
    let lsm = report.lines().find(|line| line.contains("BPF LSM)")).context("nothing about the LSM")?;
    ensure!(lsm.starts_with(if kernel.lsm { "[ok]" } else { "[--]" }), "{lsm}");
    let schema: Value = serde_json::from_str(&serin(&["policy", "schema"])?)?;
    ensure!(schema["properties"]["spec"].is_object(), "no schema: {schema}");
    ensure!(serin(&["policy", "explain", "matchPIDs.operator"])?.contains("NotIn"), "nothing explained");
    ensure!(serin(&["completions", "bash"])?.contains("complete -F _serin"), "no completions for bash");
    ensure!(serin(&["man"])?.contains(".TH serin 1"), "no manual page");
    Ok(())
}

fn rude_clients(_: &Kernel) -> Result<()> {
    let mut agent = Agent::with_links()?;
    let mut silent = Vec::new();
    for _ in 0..3 {
        silent.push(agent.connect()?);
    }
    ensure!(agent.ask("/nothing")?.0 == 404, "a path that is not there was answered otherwise");
    // Longer than what is read: an answer or none, but not the end.
    let _ = agent.ask(&"x".repeat(100_000));
    trigger::symlink("/etc/passwd", "")?;
    agent.settle()?;
    ensure!(agent.ask("/metrics")?.0 == 200, "no metrics any more");
    agent.finish(Signal::TERM)?;
    Ok(())
}
