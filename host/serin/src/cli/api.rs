//! Arguments about the API: where an agent serves it, and where a client finds it.

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::Args;
use serin_api::client::Address;
use serin_api::{CertificateFiles, Listen, Remote};

/// Where an agent serves its API, if it is not told otherwise.
const DEFAULT_SOCKET: &str = "/run/serin/serin.sock";

#[derive(Debug, Args)]
pub(crate) struct ApiArguments {
    /// The UNIX socket that the API is served on
    #[arg(long, value_name = "PATH", default_value = DEFAULT_SOCKET)]
    api_socket: PathBuf,
    /// Serve no API: policies are those of --policies, and events go to the sinks alone
    #[arg(long, conflicts_with_all = ["api_socket", "api_address"])]
    no_api: bool,
    /// Addresses to serve the API on besides, to clients whose certificate is signed by --api-client-ca
    #[arg(long, value_name = "ADDRESS:PORT", num_args = 1..)]
    api_address: Vec<SocketAddr>,
    /// The certificate to show to clients of --api-address, a PEM file
    #[arg(long, value_name = "FILE")]
    api_cert: Option<PathBuf>,
    /// The private key of --api-cert, a PEM file that others can't read
    #[arg(long, value_name = "FILE")]
    api_key: Option<PathBuf>,
    /// The authorities that must have signed a client's certificate, a PEM file
    #[arg(long, value_name = "FILE")]
    api_client_ca: Option<PathBuf>,
}

impl ApiArguments {
    /// Where to serve the API, if anywhere.
    ///
    /// # Errors
    /// Addresses without certificates, or certificates without addresses.
    pub(crate) fn listen(&self) -> Result<Option<Listen>> {
        if self.no_api {
            return Ok(None);
        }
        let files = (self.api_cert.clone(), self.api_key.clone(), self.api_client_ca.clone());
        let remote = match (self.api_address.as_slice(), files) {
            ([], (None, None, None)) => None,
            (addresses @ [_, ..], (Some(certificate), Some(key), Some(authorities))) => Some(Remote {
                addresses: addresses.to_vec(),
                certificates: CertificateFiles { certificate, key, authorities },
            }),
            ([], _) => bail!("api-cert, api-key and api-client-ca serve nothing without an api-address"),
            _ => bail!(
                "api-address needs api-cert, api-key and api-client-ca: only clients with certificates are served over TCP"
            ),
        };
        Ok(Some(Listen { socket: self.api_socket.clone(), remote }))
    }
}

#[derive(Debug, Args)]
pub(crate) struct AgentArguments {
    /// The UNIX socket of the agent's API
    #[arg(long, value_name = "PATH", default_value = DEFAULT_SOCKET, conflicts_with = "server")]
    api_socket: PathBuf,
    #[command(flatten)]
    server: ServerArguments,
}

impl AgentArguments {
    /// Where the agent's API is.
    pub(crate) fn address(&self) -> Address {
        self.server.address().unwrap_or_else(|| Address::Socket(self.api_socket.clone()))
    }
}

/// An agent that is asked only if it is named.
#[derive(Debug, Args)]
pub(crate) struct NamedAgent {
    /// Ask the agent whose API is on this UNIX socket, instead of looking here
    #[arg(long, value_name = "PATH", conflicts_with = "server")]
    api_socket: Option<PathBuf>,
    #[command(flatten)]
    server: ServerArguments,
}

impl NamedAgent {
    /// Where its API is; none if it is not named.
    pub(crate) fn address(&self) -> Option<Address> {
        self.server.address().or_else(|| self.api_socket.clone().map(Address::Socket))
    }
}

#[derive(Debug, Args)]
pub(crate) struct ServerArguments {
    /// The address of an agent that serves its API over TCP, as https://HOST:PORT
    #[arg(long, value_name = "URL", requires_all = ["ca", "cert", "key"])]
    server: Option<String>,
    /// The authorities that must have signed the server's certificate, a PEM file
    #[arg(long, value_name = "FILE", requires = "server")]
    ca: Option<PathBuf>,
    /// The certificate to show to the server, a PEM file
    #[arg(long, value_name = "FILE", requires = "server")]
    cert: Option<PathBuf>,
    /// The private key of --cert, a PEM file that others can't read
    #[arg(long, value_name = "FILE", requires = "server")]
    key: Option<PathBuf>,
}

impl ServerArguments {
    /// The agent's address, if it is meant to be reached over TCP.
    pub(crate) fn address(&self) -> Option<Address> {
        let Self { server: Some(url), ca: Some(authorities), cert: Some(certificate), key: Some(key) } = self
        else {
            return None;
        };
        let certificates = CertificateFiles {
            certificate: certificate.clone(),
            key: key.clone(),
            authorities: authorities.clone(),
        };
        Some(Address::Remote { url: url.clone(), certificates })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Only {
        #[command(flatten)]
        api: ApiArguments,
    }

    fn listen(arguments: &[&str]) -> Result<Option<Listen>> {
        Only::parse_from(std::iter::once(&"serin").chain(arguments)).api.listen()
    }

    #[test]
    fn addresses_need_certificates() {
        let files = ["--api-cert", "c", "--api-key", "k", "--api-client-ca", "a"];
        let address = ["--api-address", "127.0.0.1:54321"];
        let error = |arguments: &[&str]| listen(arguments).err().map(|error| error.to_string());
        assert!(listen(&[]).unwrap().unwrap().remote.is_none());
        assert!(listen(&["--no-api"]).unwrap().is_none());
        let both = listen(&[&files[..], &address].concat()).unwrap().unwrap().remote.unwrap();
        assert_eq!(both.addresses, ["127.0.0.1:54321".parse().unwrap()]);
        assert!(error(&address).unwrap().starts_with("api-address needs api-cert"));
        assert!(error(&[&files[..4], &address].concat()).unwrap().starts_with("api-address needs api-cert"));
        assert!(error(&files[..2]).unwrap().contains("serve nothing"));
    }
}
