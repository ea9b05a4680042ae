//! Resolvers over TCP, TLS and HTTPS.

use std::net::Ipv4Addr;
use std::path::Path;

use serin_event::action::{Answer, Outcome};

use crate::authority::Authority;
use crate::dns_server::{DnsServer, Reply};
use crate::http_server::HttpServer;
use crate::{OK, dns, engine, failure, get, outcome};

const NAME: &str = "resolver.test";

fn home(_: &str) -> Reply {
    Reply::A(vec![Ipv4Addr::LOCALHOST])
}

fn resolved() -> Outcome {
    Outcome::Resolved(vec![Answer::Address(Ipv4Addr::LOCALHOST.into())])
}

/// `spec.canary` with this resolver, and authorities to trust besides the system's.
fn asking(resolver: &str, roots: &Path) -> String {
    format!(
        "{{dns: {{resolver: '{resolver}', roots: {}}}, http: {{roots: {}}}, egress: {{allow: [loopback]}},
           dedupe: 0s, retry: {{times: 0}}}}",
        roots.display(),
        roots.display()
    )
}

#[test]
fn tcp_alone() {
    let server = DnsServer::over_tcp(home, 100);
    let engine = engine(&format!("dns: {{resolver: 'tcp://{}'}}", server.address));
    for name in ["1.test", "2.test"] {
        assert_eq!(outcome(&engine, dns(name)), resolved(), "{name}");
    }
    assert_eq!(server.queries(), [("1.test.".to_owned(), 1), ("2.test.".to_owned(), 1)]);
}

#[test]
fn tls_and_https_carry_look_ups_and_the_hosts_of_requests() {
    let authority = Authority::new();
    let pages = HttpServer::start(|_| Some(OK.into()));
    let tls = DnsServer::over_tls(home, authority.server(NAME, &[]), 100);
    let https = DnsServer::over_https(home, authority.server(NAME, &["h2"]));
    for (resolver, server) in [
        (format!("tls://{}#{NAME}", tls.address), &tls),
        (format!("https://{}/dns-query#{NAME}", https.address), &https),
    ] {
        let engine = engine(&asking(&resolver, &authority.file()));
        assert_eq!(outcome(&engine, dns("1.test")), resolved(), "{resolver}");
        assert_eq!(outcome(&engine, dns("1.test")), resolved(), "{resolver}");
        let url = format!("http://page.test:{}/", pages.address.port());
        assert_eq!(outcome(&engine, get(url)), Outcome::HttpStatus(200), "{resolver}");
        let names: Vec<_> = server.queries().into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["1.test.", "1.test.", "page.test."], "{resolver}");
    }
}

#[test]
fn a_server_that_hangs_up_is_connected_to_again() {
    let authority = Authority::new();
    let server = DnsServer::over_tls(home, authority.server(NAME, &[]), 1);
    let engine = engine(&asking(&format!("tls://{}#{NAME}", server.address), &authority.file()));
    for n in 0..3 {
        assert_eq!(outcome(&engine, dns(&format!("{n}.test"))), resolved());
    }
    assert_eq!(server.queries().len(), 3);
}

#[test]
fn a_certificate_of_another_or_for_another_is_refused() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    for signer in [&authority, &stranger] {
        let name = if std::ptr::eq(signer, &authority) { "other.test" } else { NAME };
        let tls = DnsServer::over_tls(home, signer.server(name, &[]), 100);
        let https = DnsServer::over_https(home, signer.server(name, &["h2"]));
        for (resolver, server) in [
            (format!("tls://{}#{NAME}", tls.address), &tls),
            (format!("https://{}/dns-query#{NAME}", https.address), &https),
        ] {
            let engine = engine(&asking(&resolver, &authority.file()));
            let reason = failure(&engine, dns("1.test"));
            let refused = "the resolver's certificate is refused: invalid peer certificate: ";
            assert!(reason.starts_with(refused), "{resolver}, {name}: {reason}");
            assert_eq!(server.queries(), [], "{resolver}, {name}");
            let reason = failure(&engine, get("http://page.test/"));
            assert!(reason.contains(refused), "{resolver}, {name}: {reason}");
        }
    }
}

#[test]
fn nobody_where_the_resolver_should_be() {
    // Nobody listens on port 1.
    for resolver in ["tcp://127.0.0.1:1", "tls://127.0.0.1:1#resolver.test"] {
        let engine = engine(&format!("{{dns: {{resolver: '{resolver}'}}, retry: {{times: 0}}}}"));
        assert_eq!(failure(&engine, dns("1.test")), "cannot connect to the resolver", "{resolver}");
    }
}

#[test]
fn https_canaries_trust_the_authorities_that_are_named_and_no_others() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let resolver = DnsServer::start(home);
    for (signer, name, trusted) in
        [(&authority, "page.test", true), (&authority, "other.test", false), (&stranger, "page.test", false)]
    {
        let server = HttpServer::over_tls(signer.server(name, &[]), |_| Some(OK.into()));
        let engine = engine(&asking(&resolver.address.to_string(), &authority.file()));
        let request = get(format!("https://page.test:{}/", server.address.port()));
        if trusted {
            assert_eq!(outcome(&engine, request), Outcome::HttpStatus(200), "{name}");
        } else {
            let reason = failure(&engine, request);
            assert!(reason.contains("certificate"), "{name}: {reason}");
            assert_eq!(server.requests(), Vec::<String>::new());
        }
    }
}
