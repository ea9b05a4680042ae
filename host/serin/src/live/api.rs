//! What the API asks of the agent.

use std::path::Path;
use std::sync::Arc;

use serin_api::proto::get_info_response::{BuildInfo, Probe};
use serin_api::proto::serin::{
    CheckPolicyRequest, CheckPolicyResponse, GetPipelineStatusResponse, PluginStatus,
};
use serin_api::proto::{
    AddTracingPolicyRequest, DumpProcessCacheReqArgs, GetInfoResponse, LogLevel, ProcessInternal,
    TracingPolicyMode, TracingPolicyStatus,
};
use serin_api::{Agent, AgentError, PolicyName};

use super::{LivePolicies, processes, status};
use crate::census::Census;
use crate::counts::Counts;
use crate::log::{self, Log};
use crate::observe::{Observed, server};
use crate::reload::Reloader;

/// Is there if the kernel counts who looks at a probe of a program.
const REFERENCE_COUNTERS: &str = "/sys/bus/event_source/devices/uprobe/format/ref_ctr_offset";

/// Answers the API.
pub(crate) struct Answers {
    pub(crate) policies: Arc<LivePolicies>,
    pub(crate) observed: Arc<Observed>,
    pub(crate) refresh: server::Refresh,
    pub(crate) processes: Census,
    /// None if there is no pipeline file.
    pub(crate) reloader: Option<Reloader>,
    pub(crate) log: Log,
}

impl Agent for Answers {
    fn info(&self) -> GetInfoResponse {
        let state = self.policies.lock();
        let found = state.kernel.as_ref().map(|kernel| kernel.probe());
        let probes = found.map(|probe| {
            [
                ("fentry", probe.trampolines.is_ok()),
                ("lsm", probe.lsm.is_ok()),
                ("kprobe", probe.kprobes.is_ok()),
                ("kprobe_multi", probe.many.is_ok()),
                ("uprobe_refctroff", Path::new(REFERENCE_COUNTERS).exists()),
                ("probe_write_user", serin_kernel::writes_to_programs()),
                ("uprobe_regs_change", probe.registers.is_ok()),
                // What Tetragon reads such memory by.
                ("copy_from_user_str", probe.sleepable.is_ok()),
                // Older than any kernel that serin runs on.
                ("signal", true),
                ("large", true),
                // What Tetragon needs these for, serin does without them.
                ("substring_kfunc", true),
                ("mix_bpf_and_tail_calls", true),
            ]
        });
        let probe = |(name, enabled): (&str, bool)| Probe { name: name.into(), enabled: Some(enabled) };
        GetInfoResponse {
            version: env!("CARGO_PKG_VERSION").into(),
            name: "serin".into(),
            probes: probes.into_iter().flatten().map(probe).collect(),
            build: Some(BuildInfo::default()),
        }
    }

    fn status(&self) -> Result<String, AgentError> {
        let status = server::status(&self.observed, &self.refresh);
        status.map_err(|error| AgentError::Refused(error.to_string()))
    }

    fn log_level(&self) -> LogLevel {
        self.log.level()
    }

    fn set_log_level(&self, level: LogLevel) -> Result<(), AgentError> {
        tracing::warn!(
            "a client of the API changes the log level from {} to {}",
            log::name(self.log.level()),
            log::name(level)
        );
        self.log.set_level(level).map_err(|error| AgentError::Refused(error.to_string()))
    }

    fn processes(&self, wanted: DumpProcessCacheReqArgs) -> Result<Vec<ProcessInternal>, AgentError> {
        tracing::debug!("a client of the API asks which processes are remembered");
        processes::dump(&self.processes, wanted, |pid| {
            let mut state = self.policies.lock();
            state.kernel()?.knows_process(pid).map_err(|error| AgentError::Refused(error.to_string()))
        })
    }

    fn plugins(&self) -> Vec<PluginStatus> {
        self.observed.plugins()
    }

    fn reload_pipeline(&self) -> Result<Vec<PluginStatus>, AgentError> {
        let none = || AgentError::Refused("the agent was started without --pipeline".into());
        self.reloader.as_ref().ok_or_else(none)?.reload().map_err(AgentError::Refused)?;
        Ok(self.observed.plugins())
    }

    fn pipeline_status(&self) -> Result<GetPipelineStatusResponse, AgentError> {
        Ok(server::pipeline(&self.observed, &self.refresh))
    }

    fn check_policy(&self, policies: &CheckPolicyRequest) -> Result<CheckPolicyResponse, AgentError> {
        self.policies.lock().check(policies)
    }

    fn policies(&self) -> Result<Vec<TracingPolicyStatus>, AgentError> {
        let mut state = self.policies.lock();
        let refused = |error: serin_kernel::KernelError| AgentError::Refused(error.to_string());
        let counts = Counts::read(state.kernel()?).map_err(refused)?;
        let Some(kernel) = &state.kernel else { return Ok(Vec::new()) };
        state.entries.iter().map(|entry| status::status(kernel, &counts, entry)).collect()
    }

    fn add_policy(&self, policy: &AddTracingPolicyRequest) -> Result<(), AgentError> {
        self.policies.lock().add(policy)
    }

    fn delete_policy(&self, policy: PolicyName<'_>) -> Result<(), AgentError> {
        self.policies.lock().delete(policy.name, policy.domain)
    }

    fn configure_policy(
        &self,
        policy: PolicyName<'_>,
        enable: Option<bool>,
        mode: Option<TracingPolicyMode>,
    ) -> Result<(), AgentError> {
        self.policies.lock().configure(policy.name, policy.domain, enable, mode)
    }
}
