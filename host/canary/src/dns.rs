//! DNS canaries: one query for each record that is asked for, on the wire every time.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use hickory_resolver::config::{
    ConnectionConfig, LookupIpStrategy, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts,
};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError as NoAnswer, NetError};
use hickory_resolver::proto::rr::domain::usage::{INVALID, LOCALHOST, ONION};
use hickory_resolver::proto::rr::{self, Name, RData};
use hickory_resolver::{TokioResolver, system_conf};

use futures_util::future::join_all;
use serin_event::action::{Answer, RecordType};

use crate::config::DnsConfig;
use crate::resolver::{NameServer, Resolver, Transport};
use crate::tls::{self, Refusal, TlsError};

/// Records of an answer that are told; those beyond are left out.
const MAX_ANSWERS: usize = 32;
/// Bytes of a text that are told.
const MAX_TEXT: usize = 256;

/// Why a look-up failed.
#[derive(Debug, thiserror::Error)]
pub enum DnsError {
    /// /etc/resolv.conf is unusable.
    #[error("cannot use /etc/resolv.conf: name a server in `spec.canary.dns.resolver` instead")]
    System(#[source] NetError),
    /// `resolver: demo` without a demo listener.
    #[error(
        "`spec.canary.dns.resolver` is `demo`, but there is no `spec.canary.demo`: add it or name a server"
    )]
    NoDemo,
    /// The resolver could not be set up.
    #[error("cannot set up the resolver")]
    Setup(#[source] NetError),
    /// The authorities for TLS.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// Not a domain name.
    #[error("`{0}` is not a domain name of at most 253 characters with labels of 1 to 63")]
    Name(String),
    /// The name is one that resolvers answer themselves.
    #[error("`{0}` is a special-use name, which resolvers never send out")]
    SpecialUse(String),
    /// No answer, or an error instead of one.
    #[error("{0}")]
    Lookup(NetError),
    /// The server is not there.
    #[error("cannot connect to the resolver")]
    NoConnection,
    /// The server is another, or nobody that is trusted says who it is.
    #[error("the resolver's certificate is refused: {0}")]
    Certificate(rustls::Error),
    /// No answer in time.
    #[error("no answer within {} ms", .0.as_millis())]
    Timeout(Duration),
}

/// Looks names up without cache, search domains and /etc/hosts.
#[derive(Clone)]
pub(crate) struct Dns {
    resolver: TokioResolver,
    refusal: Refusal,
    timeout: Duration,
}

impl Dns {
    /// `demo` is where the demo listener answers, if there is one.
    pub(crate) fn new(
        config: &DnsConfig,
        demo: Option<SocketAddr>,
        timeout: Duration,
        concurrency: usize,
    ) -> Result<Self, DnsError> {
        let roots = config.roots.as_deref().map(|path| tls::roots(path, "dns.roots")).transpose()?;
        let mut client = None;
        let mut refusal = Refusal::default();
        let servers = match &config.resolver {
            Resolver::System => system_servers()?,
            Resolver::Demo => vec![plain(demo.ok_or(DnsError::NoDemo)?)],
            Resolver::Server(server) => {
                if matches!(server.transport, Transport::Tls { .. } | Transport::Https { .. }) {
                    let (trusting, refused) = tls::client(roots.unwrap_or_default())?;
                    (client, refusal) = (Some(trusting), refused);
                }
                vec![name_server(server)]
            }
        };
        let servers = ResolverConfig::from_name_servers(servers);
        let mut builder = TokioResolver::builder_with_config(servers, TokioRuntimeProvider::default());
        *builder.options_mut() = options(timeout, concurrency);
        if let Some(client) = client {
            builder = builder.with_tls_config(client);
        }
        Ok(Self { resolver: builder.build().map_err(DnsError::Setup)?, refusal, timeout })
    }

    /// Asks for these records of `name`, all at once; the canary has fired if one of the queries was answered. No such
    /// name and no such record are answers too: an empty list.
    pub(crate) async fn fire(&self, name: &str, records: &[RecordType]) -> Result<Vec<Answer>, DnsError> {
        let name = fully_qualified(name)?;
        let queries = join_all(records.iter().map(|record| self.query(name.clone(), *record))).await;
        let mut answers = Vec::new();
        let mut failure = None;
        let mut answered = false;
        for query in queries {
            match query {
                Ok(more) => {
                    answered = true;
                    answers.extend(more);
                }
                Err(error) => failure = failure.or(Some(error)),
            }
        }
        answers.truncate(MAX_ANSWERS);
        failure.filter(|_| !answered).map_or(Ok(answers), Err)
    }

    async fn query(&self, name: Name, record: RecordType) -> Result<Vec<Answer>, DnsError> {
        let kind = match record {
            RecordType::A => rr::RecordType::A,
            RecordType::Aaaa => rr::RecordType::AAAA,
            RecordType::Txt => rr::RecordType::TXT,
        };
        match tokio::time::timeout(self.timeout, self.resolver.lookup(name, kind)).await {
            Err(_) | Ok(Err(NetError::Timeout)) => Err(DnsError::Timeout(self.timeout)),
            Ok(Err(NetError::Dns(NoAnswer::NoRecordsFound(_)))) => Ok(Vec::new()),
            Ok(Err(error)) => Err(self.failure(error)),
            Ok(Ok(lookup)) => Ok(lookup.answers().iter().filter_map(|record| answer(&record.data)).collect()),
        }
    }

    fn failure(&self, error: NetError) -> DnsError {
        match (error, self.refusal.last()) {
            (NetError::NoConnections, Some(refusal)) => DnsError::Certificate(refusal),
            (NetError::NoConnections, None) => DnsError::NoConnection,
            (error, _) => DnsError::Lookup(error),
        }
    }

    /// All addresses of a host that is about to be connected to: IPv4, or IPv6 if there are none.
    pub(crate) async fn addresses(&self, host: &str) -> Result<Vec<IpAddr>, DnsError> {
        let mut name = Name::from_utf8(host).map_err(|_| DnsError::Name(host.to_owned()))?;
        name.set_fqdn(true);
        let lookup = self.resolver.lookup_ip(name).await.map_err(|error| self.failure(error))?;
        Ok(lookup.iter().collect())
    }
}

/// Half of the time each for the query and one retry.
fn options(timeout: Duration, concurrency: usize) -> ResolverOpts {
    let mut options = ResolverOpts::default();
    options.timeout = timeout / 2;
    options.attempts = 1;
    options.cache_size = 0;
    options.use_hosts_file = ResolveHosts::Never;
    options.ip_strategy = LookupIpStrategy::Ipv4thenIpv6;
    options.num_concurrent_reqs = 1;
    options.max_active_requests = concurrency * RecordType::ALL.len();
    options
}

/// Over UDP.
fn plain(address: SocketAddr) -> NameServerConfig {
    name_server(&NameServer { address, transport: Transport::Udp })
}

fn name_server(server: &NameServer) -> NameServerConfig {
    let mut connections = match &server.transport {
        Transport::Udp => vec![ConnectionConfig::udp(), ConnectionConfig::tcp()],
        Transport::Tcp => vec![ConnectionConfig::tcp()],
        Transport::Tls { name } => vec![ConnectionConfig::tls(name.clone())],
        Transport::Https { name, path } => vec![ConnectionConfig::https(name.clone(), Some(path.clone()))],
    };
    for connection in &mut connections {
        connection.port = server.address.port();
    }
    NameServerConfig::new(server.address.ip(), true, connections)
}

fn system_servers() -> Result<Vec<NameServerConfig>, DnsError> {
    match system_conf::read_system_conf() {
        Ok((config, _)) => Ok(config.name_servers().to_vec()),
        Err(NetError::Io(error)) if error.kind() == io::ErrorKind::NotFound => {
            Ok(vec![plain(SocketAddr::from((Ipv4Addr::LOCALHOST, 53)))])
        }
        Err(error) => Err(DnsError::System(error)),
    }
}

fn fully_qualified(text: &str) -> Result<Name, DnsError> {
    let mut name = Name::from_ascii(text).map_err(|_| DnsError::Name(text.to_owned()))?;
    if name.iter().next().is_none() {
        return Err(DnsError::Name(text.to_owned()));
    }
    name.set_fqdn(true);
    if [&*LOCALHOST, &*INVALID, &*ONION].iter().any(|zone| zone.zone_of(&name)) {
        return Err(DnsError::SpecialUse(text.to_owned()));
    }
    Ok(name)
}

/// What an answer's record says; nothing of those on the way, such as CNAME.
fn answer(data: &RData) -> Option<Answer> {
    match data {
        RData::A(address) => Some(Answer::Address(address.0.into())),
        RData::AAAA(address) => Some(Answer::Address(address.0.into())),
        RData::TXT(text) => {
            let text = text.txt_data.concat();
            let mut text = String::from_utf8_lossy(&text).into_owned();
            text.truncate(text.floor_char_boundary(MAX_TEXT));
            Some(Answer::Text(text))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        let long = "a".repeat(64) + ".x";
        let longer = "abc.".repeat(64);
        for (text, fine) in [
            ("abc.def.o3n.io", true),
            ("abc.def.o3n.io.", true),
            ("_x.JEQGC3JA.G72.example.com", true),
            ("", false),
            (".", false),
            ("a..b", false),
            (&long, false),
            (&longer, false),
            ("x.localhost", false),
            ("x.invalid", false),
            ("x.onion.", false),
        ] {
            let name = fully_qualified(text);
            assert_eq!(name.is_ok(), fine, "{text}: {name:?}");
            assert!(name.is_err() || name.is_ok_and(|name| name.is_fqdn()));
        }
    }
}
