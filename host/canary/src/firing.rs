//! Carrying out an action, once.

use std::net::SocketAddr;
use std::sync::Arc;

use serin_event::action::{Action, ActionRequest, Outcome, RecordType, Source};

use crate::config::CanaryConfig;
use crate::dns::{Dns, DnsError};
use crate::http::{Http, HttpError};

/// Why an action could not be carried out, or none can be.
#[derive(Debug, thiserror::Error)]
pub enum FiringError {
    /// The look-up, or the DNS resolver.
    #[error(transparent)]
    Dns(#[from] DnsError),
    /// The request, or the HTTP client.
    #[error(transparent)]
    Http(#[from] HttpError),
}

/// What came of an action.
pub(crate) type Fired = Result<Outcome, FiringError>;

/// Carries out actions.
#[derive(Clone)]
pub(crate) struct Firing {
    dns: Dns,
    /// What plugins' look-ups ask for.
    records: Arc<[RecordType]>,
    http: Http,
}

impl Firing {
    /// `demo` is where the demo listener answers, if there is one.
    pub(crate) fn new(config: &CanaryConfig, demo: Option<SocketAddr>) -> Result<Self, FiringError> {
        let dns = |timeout| Dns::new(&config.dns, demo, timeout, config.concurrency);
        let http = Http::new(config.http.clone(), config.egress.clone(), dns(config.http.timeout)?)?;
        Ok(Self { dns: dns(config.dns.timeout)?, records: config.dns.records.as_slice().into(), http })
    }

    /// Carries out an action.
    pub(crate) async fn fire(&self, request: &ActionRequest) -> Fired {
        match &request.action {
            Action::Dns { name, record } => {
                let records = match (record, &request.source) {
                    (Some(record), _) => std::slice::from_ref(record),
                    (None, Source::Policy(_)) => &[RecordType::A],
                    (None, Source::Plugin(_)) => &self.records,
                };
                Ok(Outcome::Resolved(self.dns.fire(name, records).await?))
            }
            Action::Http { method, url, headers, body } => {
                Ok(Outcome::HttpStatus(self.http.fire(*method, url, headers, body).await?))
            }
        }
    }
}
