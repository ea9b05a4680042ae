//! A client of the services, for serin's own commands and tests.

use std::path::PathBuf;

use tonic::transport::{Channel, Endpoint};

use crate::certificates::{CertificateError, CertificateFiles};
use crate::proto::fine_guidance_sensors_client::FineGuidanceSensorsClient;
use crate::proto::serin::agent_service_client::AgentServiceClient;

/// A client of [`crate::Server`], or of Tetragon.
pub type Client = FineGuidanceSensorsClient<Channel>;

/// A client of serin's own service there.
pub type OwnClient = AgentServiceClient<Channel>;

/// Where a server is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// A UNIX socket.
    Socket(PathBuf),
    /// TCP, with certificates on both sides.
    Remote {
        /// `https://HOST:PORT`; the server's certificate must be this host's.
        url: String,
        /// The client's certificate, and whom the server's must be signed by.
        certificates: CertificateFiles,
    },
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The path can't be part of an address.
    #[error("`{0}` can't be a socket's path")]
    Path(String),
    /// The address is none.
    #[error("`{0}` is not the address of a server: write https://HOST:PORT")]
    Url(String),
    /// The files are no good.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// The files can be read, but do not belong together, or hold nonsense.
    #[error("the certificate {} can't be used with its key and authorities", .certificate.display())]
    Tls {
        /// The client's certificate.
        certificate: PathBuf,
        /// What rustls says.
        source: tonic::transport::Error,
    },
    /// Nobody answers.
    #[error("no agent answers at {0}: is it running, and is this its address?")]
    NoAnswer(String, #[source] tonic::transport::Error),
}

/// Connects to the service.
///
/// # Errors
/// Nobody answers there, or the server is not who it should be. That it does not want this client shows only with the
/// first call.
pub async fn connect(address: &Address) -> Result<Client, ConnectError> {
    Ok(FineGuidanceSensorsClient::new(channel(address).await?))
}

/// Connects to serin's own service.
///
/// # Errors
/// As [`connect`].
pub async fn connect_own(address: &Address) -> Result<OwnClient, ConnectError> {
    Ok(AgentServiceClient::new(channel(address).await?))
}

async fn channel(address: &Address) -> Result<Channel, ConnectError> {
    let (name, endpoint) = endpoint(address)?;
    endpoint.connect().await.map_err(|error| ConnectError::NoAnswer(name, error))
}

/// What an address is called in messages, and how to connect there.
fn endpoint(address: &Address) -> Result<(String, Endpoint), ConnectError> {
    match address {
        Address::Socket(path) => {
            let path = path.display().to_string();
            let endpoint = Endpoint::try_from(format!("unix://{path}"));
            Ok((path.clone(), endpoint.map_err(|_| ConnectError::Path(path))?))
        }
        Address::Remote { url, certificates } => {
            let wrong = || ConnectError::Url(url.clone());
            let endpoint = Endpoint::from_shared(url.clone()).map_err(|_| wrong())?;
            let uri = endpoint.uri();
            if uri.scheme_str() != Some("https") || uri.port().is_none() || uri.path() != "/" {
                return Err(wrong());
            }
            let certificate = &certificates.certificate;
            let endpoint = endpoint
                .tls_config(certificates.client()?)
                .map_err(|source| ConnectError::Tls { certificate: certificate.clone(), source })?;
            Ok((url.clone(), endpoint))
        }
    }
}
