//! TCP: for clients with a certificate, and for nobody else.

use std::fs::{Permissions, set_permissions};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use serin_api::client::{self, Address, Client, ConnectError};
use serin_api::proto::{GetEventsRequest, GetVersionRequest};
use serin_api::{CertificateError, CertificateFiles, Hub, Listen, Remote, ServeError, Server};
use tempfile::TempDir;
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint};

use crate::exec;
use crate::parrot::Parrot;

/// An authority, and what it signs.
struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: TempDir,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("ca.pem"), issuer.pem()).unwrap();
        Self { issuer, folder }
    }

    /// A certificate for this host, its key, and this authority as the one to trust.
    fn sign(&self, name: &str) -> CertificateFiles {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["127.0.0.1".into()]).unwrap();
        let signed = params.signed_by(&key, &self.issuer).unwrap();
        let path = |end: &str| self.folder.path().join(format!("{name}.{end}"));
        std::fs::write(path("pem"), signed.pem()).unwrap();
        std::fs::write(path("key"), key.serialize_pem()).unwrap();
        set_permissions(path("key"), Permissions::from_mode(0o600)).unwrap();
        CertificateFiles { certificate: path("pem"), key: path("key"), authorities: self.certificate() }
    }

    fn certificate(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }
}

struct Served {
    server: Server,
    hub: Arc<Hub>,
    _folder: TempDir,
}

fn start(folder: &Path, certificates: CertificateFiles, hub: &Arc<Hub>) -> Result<Server, ServeError> {
    let addresses = vec![SocketAddr::from(([127, 0, 0, 1], 0))];
    let remote = Some(Remote { addresses, certificates });
    let listen = Listen { socket: folder.join("serin.sock"), remote };
    Server::start(&listen, Arc::new(Parrot::default()), Arc::clone(hub))
}

impl Served {
    fn start(certificates: CertificateFiles) -> Self {
        let (folder, hub) = (tempfile::tempdir().unwrap(), Arc::new(Hub::default()));
        let server = start(folder.path(), certificates, &hub).unwrap();
        Self { server, hub, _folder: folder }
    }

    fn url(&self) -> String {
        format!("https://{}", self.server.addresses()[0])
    }

    async fn connect(&self, certificates: CertificateFiles) -> Result<Client, ConnectError> {
        client::connect(&Address::Remote { url: self.url(), certificates }).await
    }
}

/// Whether the server answers: with TLS 1.3 a client learns only by its first call that it is not wanted.
async fn answers(client: Result<Client, ConnectError>) -> bool {
    match client {
        Ok(mut client) => client.get_version(GetVersionRequest {}).await.is_ok(),
        Err(_) => false,
    }
}

#[tokio::test]
async fn serves_clients_whose_certificate_is_signed() {
    let authority = Authority::new();
    let served = Served::start(authority.sign("server"));
    let mut client = served.connect(authority.sign("client")).await.unwrap();
    let version = client.get_version(GetVersionRequest {}).await.unwrap().into_inner().version;
    assert_eq!(version, "1.2.3");
    let mut events = client.get_events(GetEventsRequest::default()).await.unwrap().into_inner();
    served.hub.publish(&[exec(7)]);
    assert_eq!(crate::pid(&events.message().await.unwrap().unwrap()), Some(7));
}

#[tokio::test]
async fn refuses_everybody_else() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let served = Served::start(authority.sign("server"));
    // Signed by another authority, though it trusts the right one.
    let foreign = CertificateFiles { authorities: authority.certificate(), ..stranger.sign("client") };
    assert!(!answers(served.connect(foreign).await).await);
    // It shows none.
    let ca = Certificate::from_pem(std::fs::read(authority.certificate()).unwrap());
    let endpoint = Endpoint::from_shared(served.url()).unwrap();
    let endpoint = endpoint.tls_config(ClientTlsConfig::new().ca_certificate(ca)).unwrap();
    let without = match endpoint.connect().await {
        Ok(channel) => Client::new(channel).get_version(GetVersionRequest {}).await.is_ok(),
        Err(_) => false,
    };
    assert!(!without);
    // It speaks no TLS.
    let plain = Endpoint::from_shared(served.url().replace("https", "http")).unwrap();
    let plain = match plain.connect().await {
        Ok(channel) => Client::new(channel).get_version(GetVersionRequest {}).await.is_ok(),
        Err(_) => false,
    };
    assert!(!plain);
    // And those who are wanted are still served.
    assert!(answers(served.connect(authority.sign("client")).await).await);
}

#[tokio::test]
async fn certificates_are_replaced_while_clients_follow_events() {
    let (authority, successor) = (Authority::new(), Authority::new());
    let files = authority.sign("server");
    let served = Served::start(files.clone());
    let mut before = served.connect(authority.sign("client")).await.unwrap();
    let mut events = before.get_events(GetEventsRequest::default()).await.unwrap().into_inner();
    // No good: those before go on.
    std::fs::write(&files.certificate, "nonsense").unwrap();
    served.server.renew();
    assert!(answers(served.connect(authority.sign("client")).await).await);
    let next = successor.sign("server");
    for (from, to) in [
        (&next.key, &files.key),
        (&next.certificate, &files.certificate),
        (&next.authorities, &files.authorities),
    ] {
        std::fs::copy(from, to).unwrap();
    }
    served.server.renew();
    while !answers(served.connect(successor.sign("client")).await).await {}
    assert!(!answers(served.connect(authority.sign("client")).await).await);
    served.hub.publish(&[exec(7)]);
    assert_eq!(crate::pid(&events.message().await.unwrap().unwrap()), Some(7));
}

/// As many as there may be, before they have shown anything.
#[tokio::test]
async fn connections_are_limited() {
    let authority = Authority::new();
    let served = Served::start(authority.sign("server"));
    let address = served.server.addresses()[0];
    let silent: Vec<_> = (0..128).map(|_| std::net::TcpStream::connect(address).unwrap()).collect();
    let client = || served.connect(authority.sign("client"));
    assert!(!answers(client().await).await);
    drop(silent);
    while !answers(client().await).await {}
}

#[tokio::test]
async fn clients_refuse_servers_that_they_do_not_trust() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let served = Served::start(authority.sign("server"));
    let deceived = CertificateFiles { authorities: stranger.certificate(), ..authority.sign("client") };
    let refused = served.connect(deceived).await;
    assert!(matches!(refused, Err(ConnectError::NoAnswer(..))), "{refused:?}");
    for url in [served.url().replace("https", "http"), "https://127.0.0.1".into(), served.url() + "/x"] {
        let certificates = authority.sign("client");
        let refused = client::connect(&Address::Remote { url, certificates }).await;
        assert!(matches!(refused, Err(ConnectError::Url(_))), "{refused:?}");
    }
}

#[tokio::test]
async fn does_not_start_with_files_that_are_no_good() {
    let (authority, folder) = (Authority::new(), tempfile::tempdir().unwrap());
    let start = |files: CertificateFiles| start(folder.path(), files, &Arc::default()).err();
    let (server, other) = (authority.sign("server"), authority.sign("other"));
    let swapped = CertificateFiles { key: other.key, ..server.clone() };
    assert!(matches!(start(swapped), Some(ServeError::Tls { .. })));
    let none = CertificateFiles { authorities: server.key.clone(), ..server.clone() };
    let error = start(none);
    assert!(matches!(error, Some(ServeError::Certificate(CertificateError::Missing { .. }))), "{error:?}");
    set_permissions(&server.key, Permissions::from_mode(0o644)).unwrap();
    let error = start(server);
    assert!(matches!(error, Some(ServeError::Certificate(CertificateError::Exposed(_)))), "{error:?}");
    assert!(!folder.path().join("serin.sock").exists());
}
