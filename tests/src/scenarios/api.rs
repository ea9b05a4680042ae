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
        scenario("api::expressions_choose_events", expressions),
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

fn expressions(_: &Kernel) -> Result<()> {
    let agent = Setup::new()?.policy(&on_symlinkat("links", PASSWD))?.start()?;
    let mut api = agent.api()?;
    let mut follow = |source: &str| {
        let filter = Filter { cel_expression: vec![source.into()], ..Filter::default() };
        api.events(GetEventsRequest { allow_list: vec![filter], ..Default::default() })
    };
    let program = trigger::program()?;
    let hits = format!(
        "process_kprobe.policy_name == 'links' && process_kprobe.args[0].string_arg.matches('^/etc/passwd$') \
         && process_kprobe.process.binary == '{program}'"
    );
    let mut hits = follow(&hits)?;
    let mut exits = follow("process_exit.process.pid > 0u && process_exit.status == 0u")?;
    let wrong =
        follow("process_exec.process.name == ''").err().context("a field that is not there was taken")?;
    let expected = "allow_list[0].cel_expression[0]:1:1: `tetragon.Process` has no field `name`";
    ensure!(wrong.message() == expected, "{wrong}");
    let ended = trigger::symlink("/etc/passwd", "")?;
    for (stream, kind) in [(&mut hits, "process_kprobe"), (&mut exits, "process_exit")] {
        let is_of = |line: &Value| line[kind]["process"]["pid"] == ended.pid;
        api.wait_for(stream, |event| json(event).is_some_and(|line| is_of(&line)))?;
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
    let found = (has("fentry"), has("lsm"), has("kprobe"), has("kprobe_multi"));
    ensure!(
        found == (kernel.trampolines, kernel.lsm, kernel.kprobes, kernel.many_functions),
        "{:?}",
        info.probes
    );
    ensure!(api.list()?.is_empty());
    agent.stop()?;
    Ok(())
}
