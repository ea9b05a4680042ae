//! What the API asks of the agent.

use std::path::Path;
use std::sync::Arc;

use serin_api::proto::get_info_response::{BuildInfo, Probe};
use serin_api::proto::{AddTracingPolicyRequest, GetInfoResponse, TracingPolicyMode, TracingPolicyStatus};
use serin_api::{Agent, AgentError, PolicyName};

use super::{LivePolicies, status};
use crate::counts::Counts;
use crate::observe::{Observed, server};

/// Is there if the kernel counts who looks at a probe of a program.
const REFERENCE_COUNTERS: &str = "/sys/bus/event_source/devices/uprobe/format/ref_ctr_offset";

/// Answers the API.
pub(crate) struct Answers {
    pub(crate) policies: Arc<LivePolicies>,
    pub(crate) observed: Arc<Observed>,
    pub(crate) refresh: server::Refresh,
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
                ("uprobe_refctroff", Path::new(REFERENCE_COUNTERS).exists()),
                ("probe_write_user", serin_kernel::writes_to_programs()),
                ("uprobe_regs_change", probe.registers.is_ok()),
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
