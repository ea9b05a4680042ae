//! An agent for tests.

use std::sync::Mutex;

use serin_api::proto::serin::{
    Backlog, CheckPolicyRequest, CheckPolicyResponse, Finding, GetPipelineStatusResponse, Losses,
    PluginStatus, PolicyFile,
};
use serin_api::proto::*;
use serin_api::{Agent, AgentError, PolicyName};

/// An agent that remembers what it was asked.
#[derive(Default)]
pub(crate) struct Parrot(pub(crate) Mutex<Vec<String>>);

impl Agent for Parrot {
    fn info(&self) -> GetInfoResponse {
        GetInfoResponse { version: "1.2.3".into(), name: "parrot".into(), ..GetInfoResponse::default() }
    }

    fn status(&self) -> Result<String, AgentError> {
        Ok("{\"ready\":true}".into())
    }

    fn log_level(&self) -> LogLevel {
        LogLevel::Warn
    }

    fn set_log_level(&self, level: LogLevel) -> Result<(), AgentError> {
        self.remember(format!("log level {level:?}"));
        Ok(())
    }

    fn processes(&self, wanted: DumpProcessCacheReqArgs) -> Result<Vec<ProcessInternal>, AgentError> {
        if wanted.exclude_execve_map_processes {
            return Err(AgentError::TooMuch("more than fits".into()));
        }
        let process = |refcnt| ProcessInternal { refcnt: Some(refcnt), ..ProcessInternal::default() };
        let all = [0, 1].map(process).into_iter();
        Ok(all.filter(|process| !wanted.skip_zero_refcnt || process.refcnt != Some(0)).collect())
    }

    fn plugins(&self) -> Vec<PluginStatus> {
        ["first", "second"].map(|name| PluginStatus { name: name.into(), ..PluginStatus::default() }).into()
    }

    fn reload_pipeline(&self) -> Result<Vec<PluginStatus>, AgentError> {
        self.remember("reload".into());
        match self.0.lock().unwrap().len() {
            1 => Ok(self.plugins()),
            _ => Err(AgentError::Refused("pipeline.yaml:3:5: no".into())),
        }
    }

    fn pipeline_status(&self) -> Result<GetPipelineStatusResponse, AgentError> {
        let backlog = Some(Backlog { capacity: 9, waiting: 1 });
        let losses = Some(Losses { backlog: 7, ..Losses::default() });
        Ok(GetPipelineStatusResponse { backlog, losses, ..GetPipelineStatusResponse::default() })
    }

    fn check_policy(&self, policies: &CheckPolicyRequest) -> Result<CheckPolicyResponse, AgentError> {
        let finding = |file: &PolicyFile| Finding { file: file.file.clone(), ..Finding::default() };
        let errors = policies.files.iter().map(finding).collect();
        Ok(CheckPolicyResponse { errors, ..CheckPolicyResponse::default() })
    }

    fn policies(&self) -> Result<Vec<TracingPolicyStatus>, AgentError> {
        let policy = |name: &str, domain: &str| TracingPolicyStatus {
            name: name.into(),
            domain: domain.into(),
            sensors: vec![format!("{name}-hook")],
            enabled: true,
            ..TracingPolicyStatus::default()
        };
        Ok(vec![policy("a", "static"), policy("b", "grpc"), policy("c", "grpc")])
    }

    fn add_policy(&self, policy: &AddTracingPolicyRequest) -> Result<(), AgentError> {
        let AddTracingPolicyRequest { yaml, replace, .. } = policy;
        self.remember(format!("add {yaml} {replace}"));
        if yaml == "wrong" { Err(AgentError::Invalid("wrong.yaml:1:1".into())) } else { Ok(()) }
    }

    fn delete_policy(&self, policy: PolicyName<'_>) -> Result<(), AgentError> {
        Err(AgentError::NotFound(format!("there is no policy `{}`", policy.name)))
    }

    fn configure_policy(
        &self,
        policy: PolicyName<'_>,
        enable: Option<bool>,
        mode: Option<TracingPolicyMode>,
    ) -> Result<(), AgentError> {
        self.remember(format!("configure {} {enable:?} {mode:?}", policy.name));
        Ok(())
    }
}

impl Parrot {
    fn remember(&self, call: String) {
        self.0.lock().unwrap().push(call);
    }
}
