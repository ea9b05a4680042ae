//! A client of the service, for serin's own commands and tests.

use std::path::Path;

use tonic::transport::{Channel, Endpoint};

use crate::proto::fine_guidance_sensors_client::FineGuidanceSensorsClient;

/// A client of [`crate::Server`], or of Tetragon.
pub type Client = FineGuidanceSensorsClient<Channel>;

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The path can't be part of an address.
    #[error("`{0}` can't be a socket's path")]
    Path(String),
    /// Nobody answers.
    #[error("no agent answers at {0}: is it running, and is this its socket?")]
    NoAnswer(String, #[source] tonic::transport::Error),
}

/// Connects to the service at a UNIX socket.
///
/// # Errors
/// Nobody answers there.
pub async fn connect(socket: &Path) -> Result<Client, ConnectError> {
    let path = socket.display().to_string();
    let endpoint =
        Endpoint::try_from(format!("unix://{path}")).map_err(|_| ConnectError::Path(path.clone()))?;
    let channel = endpoint.connect().await.map_err(|error| ConnectError::NoAnswer(path, error))?;
    Ok(FineGuidanceSensorsClient::new(channel))
}
