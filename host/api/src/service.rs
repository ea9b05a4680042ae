//! Tetragon's service.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio_stream::Stream;
use tonic::{Request, Response, Status};

use crate::agent::{Agent, AgentError, PolicyName};
use crate::aggregate::Aggregator;
use crate::debug;
use crate::fields::FieldFilters;
use crate::filter::Filters;
use crate::hub::{Hub, MAX_CLIENTS, Subscription};
use crate::proto::fine_guidance_sensors_server::FineGuidanceSensors;
use crate::proto::*;

/// Answers clients on behalf of the agent.
pub(crate) struct Service {
    pub(crate) agent: Arc<dyn Agent>,
    pub(crate) hub: Arc<Hub>,
}

/// Events for one client.
pub(crate) struct Events {
    subscription: Subscription,
    filters: Filters,
    fields: FieldFilters,
    aggregator: Option<Aggregator>,
    /// No more will come.
    ended: bool,
}

impl Stream for Events {
    type Item = Result<GetEventsResponse, Status>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        loop {
            let ready = this.aggregator.as_mut().map(|aggregator| aggregator.poll_ready(context));
            if let Some(Poll::Ready(event)) = ready {
                return Poll::Ready(Some(Ok(event)));
            }
            if this.ended {
                return Poll::Ready(None);
            }
            match ready!(this.subscription.poll_recv(context)) {
                None => this.end(),
                Some(event) if this.filters.pass(&event) => {
                    let event = this.fields.apply(event);
                    match &mut this.aggregator {
                        None => return Poll::Ready(Some(Ok(event))),
                        Some(aggregator) => aggregator.add(event),
                    }
                }
                Some(_) => {}
            }
        }
    }
}

impl Events {
    /// What a client asks for, if it makes sense.
    fn of(hub: &Hub, request: &GetEventsRequest) -> Result<Self, Status> {
        fn invalid(error: impl std::error::Error) -> Status {
            Status::invalid_argument(error.to_string())
        }
        let filters = Filters::compile(&request.allow_list, &request.deny_list).map_err(invalid)?;
        let fields = FieldFilters::compile(&request.field_filters).map_err(invalid)?;
        let aggregator = request.aggregation_options.as_ref().map(Aggregator::new).transpose();
        let aggregator = aggregator.map_err(invalid)?;
        let Some(subscription) = hub.subscribe() else {
            return Err(Status::resource_exhausted(format!("{MAX_CLIENTS} clients follow events already")));
        };
        Ok(Self { subscription, filters, fields, aggregator, ended: false })
    }

    /// Nothing waits for the end of its window any more.
    fn end(&mut self) {
        self.ended = true;
        if let Some(aggregator) = &mut self.aggregator {
            aggregator.flush();
        }
    }
}

impl Service {
    /// Asks the agent, which may take as long as the kernel takes.
    pub(crate) async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&dyn Agent) -> Result<T, AgentError> + Send + 'static,
    ) -> Result<T, Status> {
        let agent = Arc::clone(&self.agent);
        let answer = tokio::task::spawn_blocking(move || question(agent.as_ref())).await;
        answer.map_err(|_| Status::internal("the agent failed to answer"))?.map_err(status)
    }

    async fn configure(&self, request: ConfigureTracingPolicyRequest) -> Result<(), Status> {
        let ConfigureTracingPolicyRequest { name, namespace, enable, mode, domain } = request;
        refuse_namespace(&namespace)?;
        let mode = mode.map(TracingPolicyMode::try_from).transpose();
        let mode = mode.map_err(|_| Status::invalid_argument("mode: there is no such mode"))?;
        self.ask(move |agent| {
            agent.configure_policy(PolicyName { name: &name, domain: &domain }, enable, mode)
        })
        .await
    }
}

#[tonic::async_trait]
impl FineGuidanceSensors for Service {
    type GetEventsStream = Events;

    async fn get_events(&self, request: Request<GetEventsRequest>) -> Result<Response<Events>, Status> {
        Ok(Response::new(Events::of(&self.hub, request.get_ref())?))
    }

    async fn get_health(
        &self,
        request: Request<GetHealthStatusRequest>,
    ) -> Result<Response<GetHealthStatusResponse>, Status> {
        let asked = request.into_inner().event_set;
        let status = HealthStatusType::Status;
        let wanted = asked.is_empty() || asked.contains(&status.into());
        let health = HealthStatus {
            event: status.into(),
            status: HealthStatusResult::HealthStatusRunning.into(),
            details: "running".into(),
        };
        Ok(Response::new(GetHealthStatusResponse {
            health_status: wanted.then_some(health).into_iter().collect(),
        }))
    }

    async fn add_tracing_policy(
        &self,
        request: Request<AddTracingPolicyRequest>,
    ) -> Result<Response<AddTracingPolicyResponse>, Status> {
        let request = request.into_inner();
        self.ask(move |agent| agent.add_policy(&request)).await?;
        Ok(Response::new(AddTracingPolicyResponse {}))
    }

    async fn delete_tracing_policy(
        &self,
        request: Request<DeleteTracingPolicyRequest>,
    ) -> Result<Response<DeleteTracingPolicyResponse>, Status> {
        let DeleteTracingPolicyRequest { name, namespace, domain } = request.into_inner();
        refuse_namespace(&namespace)?;
        self.ask(move |agent| agent.delete_policy(PolicyName { name: &name, domain: &domain })).await?;
        Ok(Response::new(DeleteTracingPolicyResponse {}))
    }

    async fn list_tracing_policies(
        &self,
        request: Request<ListTracingPoliciesRequest>,
    ) -> Result<Response<ListTracingPoliciesResponse>, Status> {
        let domain = request.into_inner().domain;
        let mut policies = self.ask(Agent::policies).await?;
        policies.retain(|policy| domain.is_empty() || policy.domain == domain);
        Ok(Response::new(ListTracingPoliciesResponse { policies }))
    }

    async fn configure_tracing_policy(
        &self,
        request: Request<ConfigureTracingPolicyRequest>,
    ) -> Result<Response<ConfigureTracingPolicyResponse>, Status> {
        self.configure(request.into_inner()).await?;
        Ok(Response::new(ConfigureTracingPolicyResponse {}))
    }

    async fn enable_tracing_policy(
        &self,
        request: Request<EnableTracingPolicyRequest>,
    ) -> Result<Response<EnableTracingPolicyResponse>, Status> {
        let EnableTracingPolicyRequest { name, namespace, domain } = request.into_inner();
        let enable = Some(true);
        self.configure(ConfigureTracingPolicyRequest { name, namespace, enable, mode: None, domain }).await?;
        Ok(Response::new(EnableTracingPolicyResponse {}))
    }

    async fn disable_tracing_policy(
        &self,
        request: Request<DisableTracingPolicyRequest>,
    ) -> Result<Response<DisableTracingPolicyResponse>, Status> {
        let DisableTracingPolicyRequest { name, namespace, domain } = request.into_inner();
        let enable = Some(false);
        self.configure(ConfigureTracingPolicyRequest { name, namespace, enable, mode: None, domain }).await?;
        Ok(Response::new(DisableTracingPolicyResponse {}))
    }

    async fn list_domains(
        &self,
        _: Request<ListDomainsRequest>,
    ) -> Result<Response<ListDomainsResponse>, Status> {
        let mut domains: Vec<_> =
            self.ask(Agent::policies).await?.into_iter().map(|policy| policy.domain).collect();
        domains.sort();
        domains.dedup();
        Ok(Response::new(ListDomainsResponse { domains }))
    }

    async fn list_sensors(
        &self,
        _: Request<ListSensorsRequest>,
    ) -> Result<Response<ListSensorsResponse>, Status> {
        let sensors = self.ask(Agent::policies).await?.into_iter().flat_map(|policy| {
            let (enabled, collection) = (policy.enabled, policy.name);
            policy.sensors.into_iter().map(move |name| SensorStatus {
                name,
                enabled,
                collection: collection.clone(),
            })
        });
        Ok(Response::new(ListSensorsResponse { sensors: sensors.collect() }))
    }

    async fn get_version(
        &self,
        _: Request<GetVersionRequest>,
    ) -> Result<Response<GetVersionResponse>, Status> {
        Ok(Response::new(GetVersionResponse { version: self.agent.info().version }))
    }

    async fn get_info(&self, _: Request<GetInfoRequest>) -> Result<Response<GetInfoResponse>, Status> {
        Ok(Response::new(self.agent.info()))
    }

    async fn get_debug(
        &self,
        request: Request<GetDebugRequest>,
    ) -> Result<Response<GetDebugResponse>, Status> {
        debug::get(self, request.into_inner()).await.map(Response::new)
    }

    async fn set_debug(
        &self,
        request: Request<SetDebugRequest>,
    ) -> Result<Response<SetDebugResponse>, Status> {
        debug::set(self, request.into_inner()).await.map(Response::new)
    }

    async fn get_status(&self, _: Request<GetStatusRequest>) -> Result<Response<GetStatusResponse>, Status> {
        Ok(Response::new(GetStatusResponse { json: self.ask(Agent::status).await? }))
    }
}

/// Namespaces are of Kubernetes.
fn refuse_namespace(namespace: &str) -> Result<(), Status> {
    if namespace.is_empty() {
        return Ok(());
    }
    Err(Status::invalid_argument(format!("namespace: `{namespace}`: serin's policies have no namespaces")))
}

fn status(error: AgentError) -> Status {
    let message = error.to_string();
    match error {
        AgentError::NotFound(_) => Status::not_found(message),
        AgentError::AlreadyExists(_) => Status::already_exists(message),
        AgentError::Invalid(_) => Status::invalid_argument(message),
        AgentError::Refused(_) => Status::failed_precondition(message),
        AgentError::TooMuch(_) => Status::resource_exhausted(message),
    }
}
