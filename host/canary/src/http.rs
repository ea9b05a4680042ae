//! HTTP canaries: one request to addresses that were checked, the answer thrown away.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, ClientBuilder, Response, Url};
use serin_event::action::Method;
use tokio::time::{Instant, timeout_at};

use crate::config::HttpConfig;
use crate::dns::{Dns, DnsError};
use crate::egress::{EgressPolicy, Refused};
use crate::proxy::{self, well_known};
use crate::tls::{self, TlsError};

/// Why a request failed.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// The client could not be set up.
    #[error("cannot set up the HTTP client")]
    Setup(#[source] reqwest::Error),
    /// The authorities for TLS.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The proxy may not be connected to.
    #[error("`spec.canary.http.proxy`: {0}")]
    Proxy(#[source] Refused),
    /// Not an absolute URL with a host.
    #[error("`{0}` is not an absolute http or https URL")]
    Url(String),
    /// More to send than the configuration allows.
    #[error("the body has {length} bytes; `spec.canary.http.maxBody` allows {limit}")]
    Body {
        /// Bytes to send.
        length: usize,
        /// Bytes allowed.
        limit: u64,
    },
    /// The address may not be connected to.
    #[error("denied: {0}")]
    Denied(#[source] Refused),
    /// The host could not be resolved.
    #[error("cannot resolve the host: {0}")]
    Resolve(#[source] DnsError),
    /// The host has no addresses.
    #[error("the host has no addresses")]
    NoAddresses,
    /// The request failed on its way.
    #[error("{0}")]
    Request(String),
    /// No answer in time.
    #[error("no answer within {} ms", .0.as_millis())]
    Timeout(Duration),
}

/// Sends requests.
#[derive(Clone)]
pub(crate) struct Http {
    client: Client,
    egress: Arc<EgressPolicy>,
    config: HttpConfig,
}

impl Http {
    pub(crate) fn new(config: HttpConfig, egress: EgressPolicy, dns: Dns) -> Result<Self, HttpError> {
        if let Some(address) = config.proxy.as_ref().and_then(|proxy| proxy.address()) {
            egress.check(address).map_err(HttpError::Proxy)?;
        }
        let egress = Arc::new(egress);
        let resolver = Arc::new(CheckedResolver { dns, egress: egress.clone() });
        let client = match &config.roots {
            Some(path) => {
                let roots = tls::roots(path, "http.roots")?;
                let roots: Result<Vec<_>, _> = roots.iter().map(|root| Certificate::from_der(root)).collect();
                client(&config, resolver).and_then(|client| client.tls_certs_merge(roots?).build())
            }
            None => client(&config, resolver.clone()).and_then(ClientBuilder::build).or_else(|error| {
                // A machine without CA certificates can still reach http URLs.
                tracing::warn!(%error, "no CA certificates: https canaries will fail");
                client(&config, resolver)?.tls_certs_only([]).build()
            }),
        };
        Ok(Self { client: client.map_err(HttpError::Setup)?, egress, config })
    }

    /// Sends one request and returns the status of the answer. Redirects are not followed.
    pub(crate) async fn fire(
        &self,
        method: Method,
        url: &str,
        headers: &[(String, String)],
        body: &[u8],
    ) -> Result<u16, HttpError> {
        let url = self.check(url, body)?;
        let mut request = match method {
            Method::Get => self.client.get(url),
            Method::Post => self.client.post(url).body(body.to_vec()),
        };
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let deadline = Instant::now() + self.config.timeout;
        let answered = timeout_at(deadline, request.send()).await;
        let response = answered.map_err(|_| HttpError::Timeout(self.config.timeout))?.map_err(cause)?;
        let status = response.status().as_u16();
        // It is known by now: what goes wrong with the rest changes nothing.
        let _ = timeout_at(deadline, self.discard(response)).await;
        Ok(status)
    }

    /// Hosts written as addresses never reach the resolver, so they are checked here; and so are those of which a proxy
    /// would be asked, as far as it is known where they lead.
    fn check(&self, text: &str, body: &[u8]) -> Result<Url, HttpError> {
        let wrong = || HttpError::Url(text.to_owned());
        let url = Url::parse(text).map_err(|_| wrong())?;
        let host = url.host_str().filter(|_| matches!(url.scheme(), "http" | "https")).ok_or_else(wrong)?;
        let known = || self.config.proxy.as_ref().and_then(|_| well_known(host));
        if let Some(address) = proxy::address(host).or_else(known) {
            self.egress.check(address).map_err(HttpError::Denied)?;
        }
        if body.len() as u64 > self.config.max_body {
            return Err(HttpError::Body { length: body.len(), limit: self.config.max_body });
        }
        Ok(url)
    }

    async fn discard(&self, mut response: Response) {
        let mut read = 0;
        while read < self.config.max_answer {
            match response.chunk().await {
                Ok(Some(chunk)) => read += chunk.len() as u64,
                Ok(None) | Err(_) => return,
            }
        }
    }
}

/// With the proxy of the configuration or none: those that the environment names are for others.
fn client(config: &HttpConfig, resolver: Arc<CheckedResolver>) -> Result<ClientBuilder, reqwest::Error> {
    let builder = Client::builder()
        .dns_resolver(resolver)
        .no_proxy()
        .redirect(Policy::none())
        .connect_timeout(config.timeout)
        .pool_max_idle_per_host(0)
        .user_agent(concat!("serin/", env!("CARGO_PKG_VERSION")));
    match &config.proxy {
        Some(proxy) => Ok(builder.proxy(reqwest::Proxy::all(proxy.url())?)),
        None => Ok(builder),
    }
}

/// Resolves a host and lets it through only if every one of its addresses may be connected to.
///
/// The client connects to exactly the addresses returned here, so that nothing
/// can change between check and use.
struct CheckedResolver {
    dns: Dns,
    egress: Arc<EgressPolicy>,
}

impl Resolve for CheckedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let (dns, egress) = (self.dns.clone(), self.egress.clone());
        Box::pin(async move {
            let addresses = dns.addresses(name.as_str()).await.map_err(HttpError::Resolve)?;
            if addresses.is_empty() {
                return Err(HttpError::NoAddresses.into());
            }
            for &address in &addresses {
                egress.check(address).map_err(HttpError::Denied)?;
            }
            let sockets: Addrs = Box::new(addresses.into_iter().map(|address| SocketAddr::new(address, 0)));
            Ok(sockets)
        })
    }
}

/// Takes our own error out of reqwest's, or else the innermost, which says what happened.
fn cause(error: reqwest::Error) -> HttpError {
    let mut innermost: &dyn std::error::Error = &error;
    while let Some(source) = innermost.source() {
        if let Some(HttpError::Denied(refused)) = source.downcast_ref() {
            return HttpError::Denied(refused.clone());
        }
        if source.is::<HttpError>() {
            return HttpError::Request(source.to_string());
        }
        innermost = source;
    }
    HttpError::Request(innermost.to_string())
}
