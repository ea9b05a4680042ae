//! Structures of the kernel's and the numbers that belong to them: credentials, modules, BPF objects.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::{Scenario, scenario};
use crate::agent::{Agent, Setup};
use crate::kernel::Kernel;
use crate::trigger::{self, Ended};

pub(crate) fn scenarios() -> Vec<Scenario> {
    vec![
        scenario("structures::a_command_of_bpf", command),
        scenario("structures::bpf_objects", bpf).needs(Kernel::function_hooks),
        scenario("structures::credentials", credentials).needs(Kernel::function_hooks),
        scenario("structures::sets_of_capabilities", capability_sets).needs(Kernel::function_hooks),
        scenario("structures::a_capability_in_a_user_namespace", capability).needs(Kernel::function_hooks),
        scenario("structures::a_network_device", net_device).needs(Kernel::function_hooks),
    ]
}

/// A policy with one hook; `arguments` and `filters` are YAML lists in a line, `filters` may be empty.
fn policy(call: &str, arguments: &str, filters: &str) -> String {
    let syscall = call.starts_with("sys_");
    let selectors =
        if filters.is_empty() { String::new() } else { format!("selectors: [matchArgs: {filters}]") };
    format!(
        "\
apiVersion: cilium.io/v1alpha1
kind: TracingPolicy
metadata: {{name: structures}}
spec:
  kprobes:
  - call: {call}
    syscall: {syscall}
    args: {arguments}
    {selectors}
"
    )
}

/// The arguments of a process's first call of this function.
fn arguments(agent: &mut Agent, ended: &Ended, function: &str) -> Result<Value> {
    let event = agent.wait_for(function, |event| {
        let hit = &event["process_kprobe"];
        hit["process"]["pid"] == ended.pid && hit["function_name"] == function
    })?;
    Ok(event["process_kprobe"]["args"].clone())
}

fn command(_: &Kernel) -> Result<()> {
    let filters = "[{index: 0, operator: Equal, values: [BPF_PROG_LOAD]}]";
    let mut agent =
        Setup::new()?.policy(&policy("sys_bpf", "[{index: 0, type: bpf_cmd}]", filters))?.start()?;
    let missed = trigger::make_bpf_map()?;
    let ended = trigger::load_bpf_program()?;
    let arguments = arguments(&mut agent, &ended, "__x64_sys_bpf")?;
    ensure!(arguments == json!([{ "bpf_cmd_arg": "BPF_PROG_LOAD" }]), "arguments: {arguments}");
    agent.settle()?;
    ensure!(agent.hits_of(missed.pid).is_empty(), "another command was reported");
    agent.stop()?;
    Ok(())
}

/// The shipped policy reports programs, maps and perf events.
fn bpf(_: &Kernel) -> Result<()> {
    let shipped = std::fs::read_to_string(crate::root().join("policies/functions/bpf.yaml"))?;
    let mut agent = Setup::new()?.policy(&shipped)?.start()?;
    let ended = trigger::load_bpf_program()?;
    ensure!(ended.errno == Some(0), "no program was loaded: {ended:?}");
    let program = arguments(&mut agent, &ended, "bpf_check")?;
    let expected =
        json!({ "ProgType": "BPF_PROG_TYPE_SOCKET_FILTER", "InsnCnt": 2, "ProgName": "serin_test" });
    ensure!(program[0]["bpf_attr_arg"] == expected, "program: {program}");

    let ended = trigger::make_bpf_map()?;
    ensure!(ended.errno == Some(0), "no map was made: {ended:?}");
    agent.settle()?;
    let hits = agent.hits_of(ended.pid);
    let hit = hits.first().context("no map was reported")?;
    let expected = json!({
        "MapType": "BPF_MAP_TYPE_ARRAY", "KeySize": 4, "ValueSize": 8, "MaxEntries": 3, "MapName": "serin_map",
    });
    ensure!(hit["args"][0]["bpf_map_arg"] == expected, "map: {hit}");

    let ended = trigger::open_perf_event()?;
    ensure!(ended.errno == Some(0), "no perf event was opened: {ended:?}");
    let event = arguments(&mut agent, &ended, "security_perf_event_alloc")?;
    // PERF_COUNT_SW_DUMMY
    let expected = json!({ "Type": "PERF_TYPE_SOFTWARE", "Config": "9" });
    ensure!(event[0]["perf_event_arg"] == expected, "event: {event}");
    agent.stop()?;
    Ok(())
}

fn credentials(_: &Kernel) -> Result<()> {
    let commit = policy("commit_creds", "[{index: 0, type: cred}]", "");
    let mut agent = Setup::new()?.policy(&commit)?.start()?;
    let ended = trigger::set_ids(1234, 5678)?;
    agent.settle()?;
    let hits = agent.hits_of(ended.pid);
    let last = hits.last().context("no credentials were reported")?;
    let credentials = &last["args"][0]["process_credentials_arg"];
    for (field, expected) in [
        ("uid", 5678),
        ("euid", 5678),
        ("suid", 5678),
        ("fsuid", 5678),
        ("gid", 1234),
        ("egid", 1234),
        ("sgid", 1234),
        ("fsgid", 1234),
    ] {
        ensure!(credentials[field] == expected, "{field}: {credentials}");
    }
    ensure!(credentials["caps"] == json!({}), "capabilities are left: {credentials}");
    let namespace =
        json!({ "level": 0, "uid": 0, "gid": 0, "ns": { "inum": 4_026_531_837_u32, "is_host": true } });
    ensure!(credentials["user_ns"] == namespace, "user namespace: {credentials}");
    let first = &hits.first().context("no credentials were reported")?["args"][0]["process_credentials_arg"];
    let effective = first["caps"]["effective"].as_array().context("no capabilities before")?;
    ensure!(effective.iter().any(|name| name == "CAP_SYS_ADMIN"), "capabilities: {first}");
    agent.stop()?;
    Ok(())
}

/// `security_capset` is told the new sets and, by its second parameter, the credentials before.
fn capability_sets(_: &Kernel) -> Result<()> {
    let arguments_read = "[{index: 2, type: cap_effective}, {index: 3, type: cap_inheritable}, {index: 4, type: cap_permitted}]";
    let filters = "[{index: 2, operator: Equal, values: ['CAP_CHOWN,CAP_KILL']}, \
                   {index: 4, operator: Mask, values: [CAP_SYS_ADMIN, CAP_FOWNER]}, \
                   {args: [0, 2], operator: CapabilitiesGained}]";
    let capset = policy("security_capset", arguments_read, filters);
    let mut agent = Setup::new()?.policy(&capset)?.start()?;
    // Effective; permitted: 1 is CAP_CHOWN, 8 CAP_FOWNER, 32 CAP_KILL.
    let nothing_gained = trigger::set_capabilities(33, 33)?;
    let others = trigger::set_capabilities(1, 41)?;
    let ended = trigger::set_capabilities(33, 41)?;
    let arguments = arguments(&mut agent, &ended, "security_capset")?;
    let expected = json!([
        { "cap_effective_arg": "0000000000000021" },
        { "cap_inheritable_arg": "0000000000000000" },
        { "cap_permitted_arg": "0000000000000029" },
    ]);
    ensure!(arguments == expected, "arguments: {arguments}");
    agent.settle()?;
    for missed in [nothing_gained, others] {
        ensure!(agent.hits_of(missed.pid).is_empty(), "reported as well: {missed:?}");
    }
    agent.stop()?;
    Ok(())
}

fn capability(_: &Kernel) -> Result<()> {
    let arguments_read = "[{index: 1, type: user_namespace}, {index: 2, type: capability}]";
    let filters = "[{index: 2, operator: Equal, values: [CAP_SETGID]}]";
    let capable = policy("cap_capable", arguments_read, filters);
    let mut agent = Setup::new()?.policy(&capable)?.start()?;
    let ended = trigger::set_ids(1234, 5678)?;
    let arguments = arguments(&mut agent, &ended, "cap_capable")?;
    let expected = json!([
        { "user_ns_arg": { "level": 0, "uid": 0, "gid": 0, "ns": { "inum": 4_026_531_837_u32, "is_host": true } } },
        { "capability_arg": { "value": 6, "name": "CAP_SETGID" } },
    ]);
    ensure!(arguments == expected, "arguments: {arguments}");
    agent.settle()?;
    let others = agent.hits_of(ended.pid).iter().any(|hit| hit["args"][1]["capability_arg"]["value"] != 6);
    ensure!(!others, "another capability was reported");
    agent.stop()?;
    Ok(())
}

fn net_device(_: &Kernel) -> Result<()> {
    let filters = "[{index: 0, operator: Equal, values: [lo]}]";
    let flags = policy("dev_get_flags", "[{index: 0, type: net_device}]", filters);
    let mut agent = Setup::new()?.policy(&flags)?.start()?;
    let ended = trigger::device_flags("lo")?;
    ensure!(ended.errno == Some(0), "no flags were read: {ended:?}");
    let arguments = arguments(&mut agent, &ended, "dev_get_flags")?;
    ensure!(arguments == json!([{ "net_dev_arg": { "name": "lo" } }]), "arguments: {arguments}");
    agent.stop()?;
    Ok(())
}
