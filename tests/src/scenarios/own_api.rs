//! serin's own service: plugins, the pipeline, and policies that are only to be checked.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use serin_api::client::{self, Address, OwnClient};
use serin_api::proto::serin::{
    CheckPolicyRequest, CheckPolicyResponse, GetPipelineStatusRequest, ListPluginsRequest, PluginState,
    PluginStatus, PolicyFile, ReloadPipelineRequest, SinkState,
};
use serin_api::proto::{EventType, Filter, GetEventsRequest};
use sha2::{Digest as _, Sha256};
use tokio::runtime::{Builder, Runtime};
use tonic::{Code, Status};

use super::{Scenario, scenario};
use crate::agent::{Agent, Setup};
use crate::kernel::Kernel;
use crate::policy::{PASSWD, on_symlinkat};
use crate::trigger;

pub(crate) fn scenarios() -> Vec<Scenario> {
    vec![
        scenario("own_api::plugins_are_told_with_what_has_become_of_them", plugins),
        scenario("own_api::a_reload_is_answered_when_it_is_done", reload),
        scenario("own_api::the_pipeline_tells_what_it_has_done", pipeline),
        scenario("own_api::policies_are_checked_as_they_would_be_here", check),
        scenario("own_api::alerts_are_followed_by_their_kind", alerts),
    ]
}

/// A connection to serin's own service.
struct Own {
    runtime: Runtime,
    client: OwnClient,
}

impl Own {
    fn connect(agent: &Agent) -> Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let client = runtime.block_on(client::connect_own(&Address::Socket(agent.socket().into())))?;
        Ok(Self { runtime, client })
    }

    fn plugins(&mut self) -> Result<Vec<PluginStatus>> {
        let listed = self.runtime.block_on(self.client.list_plugins(ListPluginsRequest {}))?;
        Ok(listed.into_inner().plugins)
    }

    fn reload(&mut self) -> Result<Vec<PluginStatus>, Status> {
        let reloaded = self.runtime.block_on(self.client.reload_pipeline(ReloadPipelineRequest {}))?;
        Ok(reloaded.into_inner().plugins)
    }

    fn check(&mut self, file: &str, yaml: &str) -> Result<CheckPolicyResponse> {
        let files = vec![PolicyFile { file: file.into(), yaml: yaml.into() }];
        let checked = self.runtime.block_on(self.client.check_policy(CheckPolicyRequest { files }))?;
        Ok(checked.into_inner())
    }
}

/// A pipeline with this plugin, which fails at execs with the argument `provoke`.
fn faulty(name: &str, further: &str) -> String {
    let component = crate::root().join("target/plugins/faulty.wasm");
    format!(
        "apiVersion: serin.dev/v1alpha1\nkind: Pipeline\nspec:\n  plugins:\n    - name: {name}\n      component: {}\n      \
         grants: {{ log: true }}\n      config: {{ fault: trap, argument: provoke }}\n{further}  sinks:\n    - stdout: {{}}\n",
        component.display()
    )
}

fn digest_of(component: &Path) -> Result<String> {
    let hash = Sha256::digest(std::fs::read(component)?);
    Ok(hash.iter().fold("sha256:".to_owned(), |text, byte| format!("{text}{byte:02x}")))
}

fn plugins(_: &Kernel) -> Result<()> {
    let mut agent = Setup::new()?.pipeline(&faulty("faulty", "      onFailure: disable\n"))?.start()?;
    let mut own = Own::connect(&agent)?;
    let listed = own.plugins()?;
    let [plugin] = listed.as_slice() else { anyhow::bail!("not one plugin: {listed:?}") };
    ensure!((plugin.name.as_str(), plugin.component.as_str()) == ("faulty", "faulty"), "{plugin:?}");
    ensure!(plugin.digest == digest_of(&crate::root().join("target/plugins/faulty.wasm"))?, "{plugin:?}");
    ensure!(!plugin.version.is_empty() && plugin.rollout.is_none(), "{plugin:?}");
    ensure!(plugin.state() == PluginState::Running, "{plugin:?}");
    trigger::exit(0, &["provoke"])?;
    agent.settle()?;
    agent.wait_for("plugin_error", |event| event["plugin_error"]["plugin"] == "faulty")?;
    // Told once a second.
    let plugin = loop {
        let plugin = own.plugins()?.pop().context("no plugin any more")?;
        if plugin.state() != PluginState::Running {
            break plugin;
        }
    };
    let counters = plugin.counters.context("no counters")?;
    ensure!(plugin.state == i32::from(PluginState::Disabled), "{:?}", PluginState::try_from(plugin.state));
    ensure!(counters.traps == 1 && counters.events > 0, "{counters:?}");
    agent.stop()?;
    Ok(())
}

fn reload(_: &Kernel) -> Result<()> {
    let setup = Setup::new()?.pipeline(&faulty("one", ""))?;
    let file = setup.path("pipeline.yaml");
    let mut agent = setup.start()?;
    let mut own = Own::connect(&agent)?;
    let names = |plugins: Vec<PluginStatus>| plugins.into_iter().map(|it| it.name).collect::<Vec<_>>();
    std::fs::write(&file, faulty("two", ""))?;
    ensure!(names(own.reload()?) == ["two"], "{:?}", own.plugins()?);
    ensure!(names(own.plugins()?) == ["two"], "{:?}", own.plugins()?);
    for (wrong, place) in [
        (faulty("three", "      limits: { memory: much }\n"), ":9:"),
        (faulty("three", "").replace("faulty.wasm", "none.wasm"), ":6:18: plugin `three`"),
    ] {
        std::fs::write(&file, wrong)?;
        let refused = own.reload().err().context("a pipeline that is wrong was taken")?;
        let expected = format!("{}{place}", file.display());
        ensure!(refused.code() == Code::FailedPrecondition, "{refused:?}");
        ensure!(refused.message().starts_with(&expected), "{refused}, not {expected}");
        ensure!(names(own.plugins()?) == ["two"], "{:?}", own.plugins()?);
    }
    let ended = trigger::exit(0, &[])?;
    let event =
        agent.wait_for("process_exec", |event| event["process_exec"]["process"]["pid"] == ended.pid)?;
    ensure!(event["serin"]["annotations"][0]["plugin"] == "two", "the plugin from before has gone: {event}");
    agent.stop()?;
    Ok(())
}

fn pipeline(_: &Kernel) -> Result<()> {
    let mut agent = Agent::with_links()?;
    let mut api = agent.api()?;
    let mut own = Own::connect(&agent)?;
    let events = api.events(GetEventsRequest::default())?;
    trigger::symlink("/etc/passwd", "")?;
    agent.settle()?;
    let status = own.runtime.block_on(own.client.get_pipeline_status(GetPipelineStatusRequest {}))?;
    let status = status.into_inner();
    let (backlog, losses) = (status.backlog.context("no backlog")?, status.losses.context("no losses")?);
    let [sink] = status.sinks.as_slice() else { anyhow::bail!("not one sink: {:?}", status.sinks) };
    ensure!((sink.name.as_str(), sink.state()) == ("stdout", SinkState::Working), "{sink:?}");
    ensure!(sink.written > 0 && sink.spool.is_none(), "{sink:?}");
    ensure!(backlog.capacity > backlog.waiting && losses == Default::default(), "{backlog:?}, {losses:?}");
    ensure!(status.clients == 1, "{} clients", status.clients);
    drop(events);
    agent.stop()?;
    Ok(())
}

/// What an agent says is what it then does, and nothing of it is attached.
fn check(_: &Kernel) -> Result<()> {
    let mut agent = Setup::new()?.start()?;
    let mut own = Own::connect(&agent)?;
    let kills = on_symlinkat("links", &format!("{PASSWD}      matchActions:\n      - action: Sigkill\n"));
    let checked = own.check("links.yaml", &kills)?;
    let [policy] = checked.policies.as_slice() else { anyhow::bail!("not one policy: {checked:?}") };
    let [hook] = policy.hooks.as_slice() else { anyhow::bail!("not one hook: {checked:?}") };
    ensure!(checked.errors.is_empty() && checked.against.starts_with("Linux "), "{checked:?}");
    ensure!(policy.name == "links" && hook.function.ends_with("sys_symlinkat"), "{policy:?}");
    let warning = policy.warnings.first().context("no warning")?;
    ensure!(warning.line > 0 && warning.text.starts_with("links.yaml:"), "{warning:?}");
    ensure!(agent.api()?.list()?.is_empty(), "it was loaded");
    let wrong = own.check("links.yaml", &kills.replace("syscall: true", "syscal: true"))?;
    let error = wrong.errors.first().context("no error")?;
    ensure!((error.file.as_str(), error.line, error.column) == ("links.yaml", 8, 5), "{error:?}");
    ensure!(wrong.policies.is_empty() && error.text.contains("syscal: true"), "{wrong:?}");
    agent.api()?.add(&kills)?;
    agent.wait_for_log(&format!("{} attached by {}", hook.function, hook.backend))?;
    agent.stop()?;
    Ok(())
}

/// There is no call of its own for that: those who follow events ask for the kind.
fn alerts(_: &Kernel) -> Result<()> {
    let rules = crate::root().join("target/plugins/rules.wasm");
    let pipeline = format!(
        "apiVersion: serin.dev/v1alpha1\nkind: Pipeline\nspec:\n  plugins:\n    - name: rules\n      component: {}\n      \
         config:\n        rules:\n          - {{ id: links, title: a link, severity: high, events: [process_kprobe], \
         when: {{ policy: links }} }}\n  sinks:\n    - stdout: {{}}\n",
        rules.display()
    );
    let agent = Setup::new()?.policy(&on_symlinkat("links", PASSWD))?.pipeline(&pipeline)?.start()?;
    let mut api = agent.api()?;
    let filter = Filter { event_set: vec![EventType::Alert.into()], ..Filter::default() };
    let mut alerts = api.events(GetEventsRequest { allow_list: vec![filter], ..Default::default() })?;
    for _ in 0..2 {
        let ended = trigger::symlink("/etc/passwd", "")?;
        let event = api.wait(alerts.message())?.context("the stream has ended")?;
        let json = serin_api::json(&event).context("no JSON")?;
        let event: serde_json::Value = serde_json::from_str(&json)?;
        ensure!(event["alert"]["process"]["pid"] == ended.pid, "not the next alert: {event}");
    }
    agent.stop()?;
    Ok(())
}
