//! USDT probes of programs.

use anyhow::{Context, Result, ensure};
use object::{Object, ObjectSection};
use serde_json::{Value, json};

use super::{Scenario, scenario};
use crate::agent::Setup;
use crate::kernel::Kernel;
use crate::trigger::{self, probes};

pub(crate) fn scenarios() -> Vec<Scenario> {
    vec![
        scenario("usdts::arguments_of_every_kind", arguments),
        scenario("usdts::every_place_of_a_probe", places),
        scenario("usdts::the_program_sees_that_somebody_looks", counted),
        scenario("usdts::what_arguments_lead_to", resolved),
        scenario("usdts::a_process_is_killed", killed),
        scenario("usdts::an_argument_is_set", set).needs(Kernel::user_writes),
        scenario("usdts::nothing_can_be_set", unsettable).needs(Kernel::no_user_writes),
        scenario("usdts::what_the_program_lacks_is_refused", refused),
    ]
}

/// A policy on a probe of this program; the fields are YAML.
pub(super) fn policy(name: &str, fields: &str) -> Result<String> {
    Ok(format!(
        "apiVersion: cilium.io/v1alpha1
kind: TracingPolicy
metadata: {{name: usdts}}
spec:
  usdts:
  - path: {}
    provider: serin
    name: {name}
    message: called
    tags: [probed]
{fields}",
        trigger::program()?
    ))
}

fn is_hit(event: &Value, pid: u32) -> bool {
    event["process_usdt"]["process"]["pid"] == pid
}

const ARGUMENTS: &str = "    args:
    - {index: 0, type: int32, label: number}
    - {index: 1, type: string}
    - {index: 2, type: int64}
    - {index: 3, type: uint8}
";

const NUMBER_83: &str = "    selectors:
    - matchArgs: [{index: 0, operator: Equal, values: [-83]}]
";

fn arguments(_: &Kernel) -> Result<()> {
    let fields = format!("{ARGUMENTS}{NUMBER_83}");
    let mut agent = Setup::new()?.policy(&policy("numbers", &fields)?)?.start()?;
    let missed = probes::number(83, "other")?;
    let ended = probes::number(-83, "gull")?;
    let event = agent.wait_for("probe", |event| is_hit(event, ended.pid))?;
    let hit = &event["process_usdt"];
    ensure!(hit["path"] == trigger::program()?, "path: {event}");
    ensure!(hit["provider"] == "serin" && hit["name"] == "numbers", "names: {event}");
    ensure!(hit["policy_name"] == "usdts" && hit["message"] == "called", "policy: {event}");
    ensure!(hit["tags"] == json!(["probed"]) && hit["action"] == "KPROBE_ACTION_POST", "action: {event}");
    let expected = json!([
        { "int_arg": -83, "label": "number" },
        { "string_arg": "gull" },
        { "long_arg": "-166" },
        { "uint_arg": 5 },
    ]);
    ensure!(hit["args"] == expected, "args: {event}");
    agent.settle()?;
    ensure!(!agent.events.iter().any(|event| is_hit(event, missed.pid)), "another number was reported");
    agent.stop()?;
    Ok(())
}

fn places(_: &Kernel) -> Result<()> {
    let mut agent = Setup::new()?.policy(&policy("numbers", ARGUMENTS)?)?.start()?;
    for (ended, number, last) in [(probes::constant("gull")?, -7, 6), (probes::number(3, "gull")?, 3, 5)] {
        let event = agent.wait_for("probe", |event| is_hit(event, ended.pid))?;
        let args = &event["process_usdt"]["args"];
        ensure!(args[0]["int_arg"] == number && args[1]["string_arg"] == "gull", "args: {event}");
        ensure!(args[3]["uint_arg"] == last, "args: {event}");
    }
    let status: Value = serde_json::from_str(&agent.status(&["--json"])?)?;
    let hooks = status["policies"][0]["hooks"].as_array().context("no hooks")?;
    ensure!(hooks.len() == 1 && hooks[0]["hits"] == 2, "both are hits of one hook: {hooks:?}");
    agent.stop()?;
    Ok(())
}

fn counted(_: &Kernel) -> Result<()> {
    let looked = || Ok::<_, anyhow::Error>(probes::counter()?.errno);
    ensure!(looked()? == Some(0), "somebody looks already");
    let agent = Setup::new()?.policy(&policy("numbers", ARGUMENTS)?)?.start()?;
    // Each of its two places.
    ensure!(looked()? == Some(2), "the program sees nobody: {:?}", looked()?);
    agent.stop()?;
    ensure!(looked()? == Some(0), "somebody looks after the agent has gone");
    // The same for a place that the policy names with its counter.
    let program = std::fs::read(trigger::program()?)?;
    let program = object::File::parse(&*program)?;
    let counters = program.section_by_name(".probes").and_then(|section| section.file_range());
    let counter = counters.context("there is no counter")?.0;
    let uprobe = policy("x", "")?.replace("usdts:\n", "uprobes:\n").replace(
        "    provider: serin\n    name: x\n",
        &format!("    symbols: [main]\n    refCtrOffsets: [{counter}]\n"),
    );
    let mut agent = Setup::new()?.policy(&uprobe)?.start()?;
    let ended = probes::counter()?;
    ensure!(ended.errno == Some(1), "the program sees nobody by uprobe: {ended:?}");
    let event = agent.wait_for("main", |event| event["process_uprobe"]["process"]["pid"] == ended.pid)?;
    ensure!(event["process_uprobe"]["ref_ctr_offset"] == json!(counter.to_string()), "counter: {event}");
    agent.stop()?;
    Ok(())
}

/// The text that the probe passes is taken for a `struct tm`.
fn resolved(_: &Kernel) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let types = folder.path().join("tm.btf").to_string_lossy().into_owned();
    std::fs::write(&types, crate::btf::of_time())?;
    let fields = format!(
        "    btfPath: {types}
    args:
    - {{index: 0, type: int32}}
    - {{index: 1, type: int, btfType: tm, resolve: tm_min}}
    - {{index: 1, type: string, btfType: tm, resolve: tm_zone}}
    selectors:
    - matchArgs: [{{args: [1], operator: Equal, values: [{}]}}]
",
        i32::from_le_bytes(*b"gull")
    );
    let mut agent = Setup::new()?.policy(&policy("numbers", &fields)?)?.start()?;
    let text = |word: &str| format!("a {word} over {}", "x".repeat(60));
    let (missed, ended) = (probes::number(7, &text("  tern"))?, probes::number(7, &text("  gull"))?);
    let event = agent.wait_for("probe", |event| is_hit(event, ended.pid))?;
    let args = &event["process_usdt"]["args"];
    ensure!(args[0]["int_arg"] == 7 && args[1]["int_arg"] == i32::from_le_bytes(*b"gull"), "args: {event}");
    ensure!(args[2]["error_arg"].is_object(), "no zone: {event}");
    agent.settle()?;
    ensure!(!agent.events.iter().any(|event| is_hit(event, missed.pid)), "another text was reported");
    agent.stop()?;
    let lead = "    args: [{index: 1, type: int, btfType: tm, resolve: tm_min}]\n";
    for (fields, words) in [
        (lead.to_owned(), ["policy-0.yaml:11:56:", "add `btfPath: …` to the hook"]),
        (
            format!("    btfPath: {types}\n{}", lead.replace("tm_min", "tm_mint")),
            ["did you mean `tm_min`?", ":12:"],
        ),
    ] {
        let log = Setup::new()?.policy(&policy("numbers", &fields)?)?.refusal()?;
        for word in words {
            ensure!(log.contains(word), "the message lacks {word:?}:\n{log}");
        }
    }
    Ok(())
}

fn killed(_: &Kernel) -> Result<()> {
    let fields = format!("{ARGUMENTS}{NUMBER_83}      matchActions: [{{action: Sigkill}}]\n");
    let mut agent = Setup::new()?.policy(&policy("numbers", &fields)?)?.start()?;
    let (spared, killed) = (probes::number(83, "gull")?, probes::number(-83, "gull")?);
    ensure!(spared.errno == Some(166), "another was killed: {spared:?}");
    ensure!(killed.signal() == Some(libc::SIGKILL), "it was not killed: {killed:?}");
    let event = agent.wait_for("probe", |event| is_hit(event, killed.pid))?;
    ensure!(event["process_usdt"]["action"] == "KPROBE_ACTION_SIGKILL", "action: {event}");
    agent.stop()?;
    Ok(())
}

fn set(_: &Kernel) -> Result<()> {
    let action = "      matchActions: [{action: Set, argIndex: 2, argValue: 4711}]\n";
    let fields = format!("{ARGUMENTS}{NUMBER_83}{action}");
    let mut agent = Setup::new()?.policy(&policy("numbers", &fields)?)?.start()?;
    let (kept, set) = (probes::number(83, "gull")?, probes::number(-83, "gull")?);
    ensure!(kept.errno == Some(166), "another was set: {kept:?}");
    ensure!(set.errno == Some(4711), "it was not set: {set:?}");
    let event = agent.wait_for("probe", |event| is_hit(event, set.pid))?;
    let hit = &event["process_usdt"];
    ensure!(hit["action"] == "KPROBE_ACTION_SET", "action: {event}");
    ensure!(hit["args"][2] == json!({ "long_arg": "-166" }), "not what it was before: {event}");
    agent.stop()?;
    let monitor = format!("{fields}  options: [{{name: policy-mode, value: monitor}}]\n");
    let agent = Setup::new()?.policy(&policy("numbers", &monitor)?)?.start()?;
    let kept = probes::number(-83, "gull")?;
    ensure!(kept.errno == Some(-166), "set in monitor mode: {kept:?}");
    agent.stop()?;
    Ok(())
}

fn unsettable(_: &Kernel) -> Result<()> {
    let action = "    selectors: [matchActions: [{action: Set, argIndex: 2, argValue: 4711}]]\n";
    let log = Setup::new()?.policy(&policy("numbers", action)?)?.refusal()?;
    for words in ["policy-0.yaml:8:11:", "bpf_probe_write_user"] {
        ensure!(log.contains(words), "the refusal lacks {words:?}:\n{log}");
    }
    Ok(())
}

fn refused(_: &Kernel) -> Result<()> {
    let set = |index: u8| {
        format!("    selectors: [matchActions: [{{action: Set, argIndex: {index}, argValue: 1}}]]\n")
    };
    for (yaml, words) in [
        (policy("numbesr", "")?, ["policy-0.yaml:8:11:", "did you mean `serin:numbers`?"]),
        (
            policy("numbers", "    args: [{index: 4, type: int}]\n")?,
            ["policy-0.yaml:11:20:", "`serin:numbers` has 4 arguments, so there is no argument 4"],
        ),
        (
            policy("numbers", &set(0))?,
            ["policy-0.yaml:8:11:", "argument 0 of `serin:numbers` is not four bytes"],
        ),
        (
            policy("numbers", "")?.replace(&trigger::program()?, "/etc/passwd"),
            ["policy-0.yaml:8:11:", "cannot hook `/etc/passwd`: not an ELF file"],
        ),
    ] {
        let log = Setup::new()?.policy(&yaml)?.refusal()?;
        for word in words {
            ensure!(log.contains(word), "the message lacks {word:?}:\n{log}");
        }
    }
    Ok(())
}
