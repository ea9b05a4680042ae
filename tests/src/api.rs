//! A client of the agent's API that waits for its answers.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serin_api::client::{self, Address, Client};
use serin_api::proto::{
    AddTracingPolicyRequest, ConfigFlag, ConfigureTracingPolicyRequest, DeleteTracingPolicyRequest,
    DumpProcessCacheReqArgs, GetDebugRequest, GetEventsRequest, GetEventsResponse,
    ListTracingPoliciesRequest, LogLevel, ProcessInternal, SetDebugRequest, TracingPolicyMode,
    TracingPolicyStatus, get_debug_request, get_debug_response, set_debug_request,
};
use tokio::runtime::{Builder, Runtime};
use tonic::{Status, Streaming};

/// Far longer than anything takes: a limit, not a measure.
const PATIENCE: Duration = Duration::from_secs(60);

/// A connection.
pub(crate) struct Api {
    runtime: Runtime,
    pub(crate) client: Client,
}

impl Api {
    /// Connects.
    pub(crate) fn connect(socket: &Path) -> Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let client = runtime.block_on(client::connect(&Address::Socket(socket.into())))?;
        Ok(Self { runtime, client })
    }

    /// Waits for an answer.
    pub(crate) fn wait<T>(&self, answer: impl Future<Output = Result<T, Status>>) -> Result<T, Status> {
        let answer = self.runtime.block_on(async { tokio::time::timeout(PATIENCE, answer).await });
        answer.unwrap_or_else(|_| Err(Status::deadline_exceeded("no answer")))
    }

    /// Adds a policy.
    pub(crate) fn add(&mut self, yaml: &str) -> Result<(), Status> {
        self.add_or_replace(yaml, false)
    }

    /// Puts a policy in the place of another.
    pub(crate) fn replace(&mut self, yaml: &str) -> Result<(), Status> {
        self.add_or_replace(yaml, true)
    }

    fn add_or_replace(&mut self, yaml: &str, replace: bool) -> Result<(), Status> {
        let request = AddTracingPolicyRequest { yaml: yaml.into(), replace, ..Default::default() };
        let mut client = self.client.clone();
        self.wait(client.add_tracing_policy(request)).map(drop)
    }

    /// Takes a policy out.
    pub(crate) fn delete(&mut self, name: &str) -> Result<(), Status> {
        let request = DeleteTracingPolicyRequest { name: name.into(), ..Default::default() };
        let mut client = self.client.clone();
        self.wait(client.delete_tracing_policy(request)).map(drop)
    }

    /// Enables or disables a policy.
    pub(crate) fn enable(&mut self, name: &str, enable: bool) -> Result<(), Status> {
        let enable = Some(enable);
        self.configure(ConfigureTracingPolicyRequest { name: name.into(), enable, ..Default::default() })
    }

    /// Changes a policy's mode.
    pub(crate) fn set_mode(&mut self, name: &str, mode: TracingPolicyMode) -> Result<(), Status> {
        let mode = Some(mode.into());
        self.configure(ConfigureTracingPolicyRequest { name: name.into(), mode, ..Default::default() })
    }

    fn configure(&mut self, request: ConfigureTracingPolicyRequest) -> Result<(), Status> {
        let mut client = self.client.clone();
        self.wait(client.configure_tracing_policy(request)).map(drop)
    }

    /// All policies.
    pub(crate) fn list(&mut self) -> Result<Vec<TracingPolicyStatus>> {
        let mut client = self.client.clone();
        let listed = self.wait(client.list_tracing_policies(ListTracingPoliciesRequest::default()))?;
        Ok(listed.into_inner().policies)
    }

    /// The only policy.
    pub(crate) fn only(&mut self) -> Result<TracingPolicyStatus> {
        let [policy] = <[_; 1]>::try_from(self.list()?).map_err(|all| anyhow::anyhow!("not one: {all:?}"))?;
        Ok(policy)
    }

    /// How much the agent logs.
    pub(crate) fn log_level(&self) -> Result<LogLevel> {
        let request = GetDebugRequest { flag: ConfigFlag::LogLevel.into(), arg: None };
        match self.wait(self.client.clone().get_debug(request))?.into_inner().arg {
            Some(get_debug_response::Arg::Level(level)) => Ok(LogLevel::try_from(level)?),
            other => bail!("no level: {other:?}"),
        }
    }

    /// Changes how much the agent logs.
    pub(crate) fn set_log_level(&self, level: LogLevel) -> Result<()> {
        let arg = Some(set_debug_request::Arg::Level(level.into()));
        let request = SetDebugRequest { flag: ConfigFlag::LogLevel.into(), arg };
        self.wait(self.client.clone().set_debug(request))?;
        Ok(())
    }

    /// The processes that the agent remembers.
    pub(crate) fn processes(&self, wanted: DumpProcessCacheReqArgs) -> Result<Vec<ProcessInternal>> {
        let arg = Some(get_debug_request::Arg::Dump(wanted));
        let request = GetDebugRequest { flag: ConfigFlag::DumpProcessCache.into(), arg };
        match self.wait(self.client.clone().get_debug(request))?.into_inner().arg {
            Some(get_debug_response::Arg::Processes(all)) => Ok(all.processes),
            other => bail!("no processes: {other:?}"),
        }
    }

    /// Follows events.
    pub(crate) fn events(
        &mut self,
        request: GetEventsRequest,
    ) -> Result<Streaming<GetEventsResponse>, Status> {
        let mut client = self.client.clone();
        Ok(self.wait(client.get_events(request))?.into_inner())
    }

    /// The next event of a stream for which this holds.
    pub(crate) fn wait_for(
        &self,
        events: &mut Streaming<GetEventsResponse>,
        wanted: impl Fn(&GetEventsResponse) -> bool,
    ) -> Result<GetEventsResponse> {
        loop {
            let event = self.wait(events.message())?.context("the stream has ended")?;
            if wanted(&event) {
                return Ok(event);
            }
        }
    }
}
