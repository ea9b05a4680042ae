//! How connections are served: limits, keepalive, TLS.

use std::time::Duration;

use tonic::transport::Server as Transport;

use crate::listen::{Remote, ServeError};

/// Calls that one connection may have under way at once.
const MAX_STREAMS: u32 = 128;
/// How often a silent client over TCP is asked whether it is still there, and how long it may take to answer.
const KEEPALIVE: Duration = Duration::from_secs(20);

/// TLS with the certificates as their files are now.
pub(crate) fn secured(remote: &Remote) -> Result<Transport, ServeError> {
    let transport = plain()
        .http2_keepalive_interval(Some(KEEPALIVE))
        .http2_keepalive_timeout(Some(KEEPALIVE))
        .tls_config(remote.certificates.server()?);
    let certificate = &remote.certificates.certificate;
    transport.map_err(|source| ServeError::Tls { certificate: certificate.clone(), source })
}

/// HTTP/2 without TLS, as on the UNIX socket.
pub(crate) fn plain() -> Transport {
    Transport::builder().max_concurrent_streams(MAX_STREAMS)
}
