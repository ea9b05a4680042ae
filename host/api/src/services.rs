//! All services on one connection: Tetragon's, and serin's own.
//!
//! tonic's router does the same, and would bring axum along for two services.

use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};

use tonic::body::Body;
use tonic::codegen::http::{Request, Response};
use tonic::codegen::{BoxFuture, Service as HttpService};
use tonic::server::NamedService;

use crate::proto::fine_guidance_sensors_server::FineGuidanceSensorsServer;
use crate::proto::serin::agent_service_server::AgentServiceServer;
use crate::service::Service;

/// Hands each call to the service that its path names. Tetragon's answers what is of neither, by saying so.
#[derive(Clone)]
pub(crate) struct Services {
    sensors: FineGuidanceSensorsServer<Service>,
    agent: AgentServiceServer<Service>,
}

impl Services {
    pub(crate) fn new(service: &Arc<Service>) -> Self {
        Self {
            sensors: FineGuidanceSensorsServer::from_arc(Arc::clone(service)),
            agent: AgentServiceServer::from_arc(Arc::clone(service)),
        }
    }
}

impl HttpService<Request<Body>> for Services {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Response<Body>, Infallible>;

    /// Both are ready at any time.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        if is_of::<AgentServiceServer<Service>>(request.uri().path()) {
            self.agent.call(request)
        } else {
            self.sensors.call(request)
        }
    }
}

/// Whether a call's path, `/SERVICE/METHOD`, is of a service.
fn is_of<S: NamedService>(path: &str) -> bool {
    path.strip_prefix('/')
        .and_then(|path| path.strip_prefix(S::NAME))
        .is_some_and(|rest| rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_told_apart_by_the_names_of_their_services() {
        let is_own = is_of::<AgentServiceServer<Service>>;
        assert!(is_own("/serin.v1alpha1.AgentService/ListPlugins"));
        for other in ["/tetragon.FineGuidanceSensors/GetEvents", "/serin.v1alpha1.AgentServices/X", "", "/"] {
            assert!(!is_own(other), "{other}");
        }
    }
}
