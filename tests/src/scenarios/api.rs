//! Events over the API, with a client generated from the service's description.

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use serin_api::proto::{EventType, Filter, GetEventsRequest, GetInfoRequest, GetVersionRequest};

use super::{Scenario, scenario};
use crate::agent::Setup;
use crate::kernel::Kernel;
use crate::policy::{PASSWD, on_symlinkat};
use crate::trigger;

pub(crate) fn scenarios() -> Vec<Scenario> {
    vec![
        scenario("api::events_are_those_of_the_sinks", events),
        scenario("api::a_second_agent_leaves_the_socket_alone", second_agent),
        scenario("api::it_says_what_runs", info),
    ]
}

fn events(_: &Kernel) -> Result<()> {
    let mut agent = Setup::new()?.policy(&on_symlinkat("links", PASSWD))?.start()?;
    let mut api = agent.api()?;
    let of_policy = Filter { policy_names: vec!["links".into()], ..Filter::default() };
    let mut hits = api.events(GetEventsRequest { allow_list: vec![of_policy], ..Default::default() })?;
    let exits = Filter { event_set: vec![EventType::ProcessExit.into()], ..Filter::default() };
    let mut exits = api.events(GetEventsRequest { allow_list: vec![exits], ..Default::default() })?;
    let ended = trigger::symlink("/etc/passwd", "")?;
    let is_of = |line: &Value, kind: &str| line[kind]["process"]["pid"] == ended.pid;
    for (stream, kind) in [(&mut hits, "process_kprobe"), (&mut exits, "process_exit")] {
        let message = api.wait_for(stream, |event| json(event).is_some_and(|line| is_of(&line, kind)))?;
        let printed = agent.wait_for(kind, |line| is_of(line, kind))?;
        ensure!(json(&message).context("no JSON")? == printed, "{message:?}\nis not\n{printed}");
    }
    agent.stop()?;
    Ok(())
}

fn json(event: &serin_api::proto::GetEventsResponse) -> Option<Value> {
    serde_json::from_str(&serin_api::json(event)?).ok()
}

fn second_agent(_: &Kernel) -> Result<()> {
    let agent = Setup::new()?.start()?;
    let bpffs = "/sys/fs/bpf/serin-second";
    let output = Setup::new()?.at_socket(agent.socket()).command().args(["--bpffs", bpffs]).output()?;
    let log = String::from_utf8_lossy(&output.stderr);
    ensure!(!output.status.success(), "it started:\n{log}");
    ensure!(log.contains("belongs to another process"), "{log}");
    ensure!(agent.api()?.list()?.is_empty(), "the first one does not answer any more");
    agent.stop()?;
    Ok(())
}

fn info(kernel: &Kernel) -> Result<()> {
    let agent = Setup::new()?.start()?;
    let mut api = agent.api()?;
    let mut client = api.client.clone();
    let info = api.wait(client.get_info(GetInfoRequest {}))?.into_inner();
    let version = api.wait(client.get_version(GetVersionRequest {}))?.into_inner().version;
    ensure!((info.name.as_str(), info.version) == ("serin", version), "{:?}", info.name);
    let has = |name: &str| info.probes.iter().any(|probe| probe.name == name && probe.enabled == Some(true));
    let found = (has("fentry"), has("lsm"), has("kprobe"));
    ensure!(found == (kernel.trampolines, kernel.lsm, kernel.kprobes), "{:?}", info.probes);
    ensure!(api.list()?.is_empty());
    agent.stop()?;
    Ok(())
}
