//! What the service asks of the agent.

use crate::proto::serin::{CheckPolicyRequest, CheckPolicyResponse, GetPipelineStatusResponse, PluginStatus};
use crate::proto::{
    AddTracingPolicyRequest, DumpProcessCacheReqArgs, GetInfoResponse, LogLevel, ProcessInternal,
    TracingPolicyMode, TracingPolicyStatus,
};

/// The agent behind the service. Calls may take as long as the kernel takes, and come from several threads.
pub trait Agent: Send + Sync + 'static {
    /// Name, version, and what this kernel offers.
    fn info(&self) -> GetInfoResponse;

    /// What is loaded and what it has done, as JSON.
    ///
    /// # Errors
    /// It can't be told.
    fn status(&self) -> Result<String, AgentError>;

    /// How much it logs.
    fn log_level(&self) -> LogLevel;

    /// Changes how much it logs, until it ends.
    ///
    /// # Errors
    /// It can't be changed.
    fn set_log_level(&self, level: LogLevel) -> Result<(), AgentError>;

    /// The processes that it remembers.
    ///
    /// # Errors
    /// They can't be told, or are more than fits an answer.
    fn processes(&self, wanted: DumpProcessCacheReqArgs) -> Result<Vec<ProcessInternal>, AgentError>;

    /// The plugins, in the order of the chain.
    fn plugins(&self) -> Vec<PluginStatus>;

    /// Starts the plugins of the pipeline file as it is now; those that run when they are in place.
    ///
    /// # Errors
    /// They can't be started, or there is no file.
    fn reload_pipeline(&self) -> Result<Vec<PluginStatus>, AgentError>;

    /// What waits, where events go, and what was lost; but for what is known of clients.
    ///
    /// # Errors
    /// It can't be told.
    fn pipeline_status(&self) -> Result<GetPipelineStatusResponse, AgentError>;

    /// What is to be said of policies, without loading them.
    ///
    /// # Errors
    /// The agent is ending.
    fn check_policy(&self, policies: &CheckPolicyRequest) -> Result<CheckPolicyResponse, AgentError>;

    /// All policies, in the order they were added.
    ///
    /// # Errors
    /// The kernel's counters can't be read.
    fn policies(&self) -> Result<Vec<TracingPolicyStatus>, AgentError>;

    /// Loads a policy. If it is to replace one with its name, it does so without a gap.
    ///
    /// # Errors
    /// The policy is wrong, its name is taken, or the kernel refuses it.
    fn add_policy(&self, policy: &AddTracingPolicyRequest) -> Result<(), AgentError>;

    /// Takes a policy out.
    ///
    /// # Errors
    /// There is none with this name.
    fn delete_policy(&self, policy: PolicyName<'_>) -> Result<(), AgentError>;

    /// Detaches a policy or attaches it again, and changes how it acts.
    ///
    /// # Errors
    /// There is none with this name, or the kernel refuses it.
    fn configure_policy(
        &self,
        policy: PolicyName<'_>,
        enable: Option<bool>,
        mode: Option<TracingPolicyMode>,
    ) -> Result<(), AgentError>;
}

/// Which policy is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PolicyName<'a> {
    /// `metadata.name`
    pub name: &'a str,
    /// Where it came from; empty if the client does not care.
    pub domain: &'a str,
}

/// Why the agent does not do what a client asks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AgentError {
    /// There is no such policy.
    #[error("{0}")]
    NotFound(String),
    /// There is such a policy already.
    #[error("{0}")]
    AlreadyExists(String),
    /// What the client sent is wrong.
    #[error("{0}")]
    Invalid(String),
    /// It is right, but this kernel can't, or not now.
    #[error("{0}")]
    Refused(String),
    /// The answer would be too large.
    #[error("{0}")]
    TooMuch(String),
}
