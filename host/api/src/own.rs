//! serin's own service, beside Tetragon's.

use tonic::{Request, Response, Status};

use crate::agent::Agent;
use crate::proto::serin::agent_service_server::AgentService;
use crate::proto::serin::{
    CheckPolicyRequest, CheckPolicyResponse, GetPipelineStatusRequest, GetPipelineStatusResponse,
    ListPluginsRequest, ListPluginsResponse, Losses, ReloadPipelineRequest, ReloadPipelineResponse,
};
use crate::service::Service;

#[tonic::async_trait]
impl AgentService for Service {
    async fn list_plugins(
        &self,
        _: Request<ListPluginsRequest>,
    ) -> Result<Response<ListPluginsResponse>, Status> {
        let plugins = self.ask(|agent| Ok(agent.plugins())).await?;
        Ok(Response::new(ListPluginsResponse { plugins }))
    }

    async fn reload_pipeline(
        &self,
        _: Request<ReloadPipelineRequest>,
    ) -> Result<Response<ReloadPipelineResponse>, Status> {
        let plugins = self.ask(Agent::reload_pipeline).await?;
        Ok(Response::new(ReloadPipelineResponse { plugins }))
    }

    /// What clients have lost the agent does not know, but the hub.
    async fn get_pipeline_status(
        &self,
        _: Request<GetPipelineStatusRequest>,
    ) -> Result<Response<GetPipelineStatusResponse>, Status> {
        let status = self.ask(Agent::pipeline_status).await?;
        let counters = self.hub.counters();
        let losses = Losses { clients: counters.lost, ..status.losses.unwrap_or_default() };
        let clients = u32::try_from(counters.clients).unwrap_or(u32::MAX);
        Ok(Response::new(GetPipelineStatusResponse { losses: Some(losses), clients, ..status }))
    }

    async fn check_policy(
        &self,
        request: Request<CheckPolicyRequest>,
    ) -> Result<Response<CheckPolicyResponse>, Status> {
        let request = request.into_inner();
        Ok(Response::new(self.ask(move |agent| agent.check_policy(&request)).await?))
    }
}
