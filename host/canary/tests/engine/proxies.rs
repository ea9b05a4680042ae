//! Requests that a proxy carries.

use std::net::Ipv4Addr;

use serin_canary::{CanaryConfig, Engine};
use serin_event::action::{Action, Method, Outcome};

use crate::authority::Authority;
use crate::dns_server::{DnsServer, Reply};
use crate::http_server::HttpServer;
use crate::proxy_server::ProxyServer;
use crate::{OK, engine, failure, get, outcome, request};

/// `spec.canary` with this proxy and resolver. Only the proxy's address may be connected to.
fn through(proxy: &str, resolver: &DnsServer, http: &str) -> String {
    format!(
        "{{dns: {{resolver: '{}'}}, http: {{proxy: '{proxy}'{http}}}, egress: {{allow: [127.0.0.2]}}, retry: {{times: 0}}}}",
        resolver.address
    )
}

#[test]
fn a_proxy_carries_requests_and_resolves_their_hosts() {
    let authority = Authority::new();
    let proxy = ProxyServer::start();
    let resolver = DnsServer::start(|_| Reply::NoSuchName);
    let plain = HttpServer::start(|_| Some(OK.into()));
    let secure = HttpServer::over_tls(authority.server("page.test", &[]), |_| Some(OK.into()));
    let roots = format!(", roots: {}", authority.file().display());
    let engine = engine(&through(&format!("http://{}", proxy.address), &resolver, &roots));

    let [plain_port, secure_port] = [&plain, &secure].map(|server| server.address.port());
    let post = Action::Http {
        method: Method::Post,
        url: format!("http://page.test:{plain_port}/a?b"),
        headers: vec![],
        body: b"body".to_vec(),
    };
    assert_eq!(outcome(&engine, request(post)), Outcome::HttpStatus(200));
    assert_eq!(outcome(&engine, get(format!("https://page.test:{secure_port}/c"))), Outcome::HttpStatus(200));

    let expected = [
        format!("POST http://page.test:{plain_port}/a?b HTTP/1.1"),
        format!("CONNECT page.test:{secure_port} HTTP/1.1"),
    ];
    assert_eq!(proxy.requests(), expected);
    assert!(plain.requests()[0].starts_with("POST /a?b HTTP/1.1\r\n"), "{:?}", plain.requests());
    assert!(plain.requests()[0].ends_with("\r\n\r\nbody"), "{:?}", plain.requests());
    assert!(secure.requests()[0].starts_with("GET /c HTTP/1.1\r\n"), "{:?}", secure.requests());
    assert_eq!(resolver.queries(), [], "their names are the proxy's business");
}

#[test]
fn a_proxy_is_not_asked_for_what_may_not_be_reached() {
    let proxy = ProxyServer::start();
    let resolver = DnsServer::start(|_| Reply::NoSuchName);
    let rates = "}, rates: {source: {burst: 100, per: 1m}";
    let engine = engine(&through(&format!("http://{}", proxy.address), &resolver, rates));
    for (url, needle) in [
        ("http://127.0.0.1:80/", "denied: 127.0.0.1 is a loopback address"),
        ("https://[::1]/", "denied: ::1 is a loopback address"),
        ("http://10.0.0.1/", "denied: 10.0.0.1 is a private address"),
        ("http://0xa9fea9fe/", "denied: 169.254.169.254 is a metadata address"),
        ("http://localhost:80/", "denied: 127.0.0.1 is a loopback address"),
        ("https://a.LOCALHOST./", "denied: 127.0.0.1 is a loopback address"),
        ("http://metadata.google.internal/", "denied: 169.254.169.254 is a metadata address"),
    ] {
        let reason = failure(&engine, get(url));
        assert!(reason.contains(needle), "{url}: {reason}");
    }
    assert_eq!(engine.counters().denied, 7);
    assert_eq!(proxy.requests(), Vec::<String>::new());
}

#[test]
fn what_a_proxy_refuses_has_failed() {
    let proxy = ProxyServer::start();
    let resolver = DnsServer::start(|_| Reply::NoSuchName);
    let engine = engine(&through(&format!("http://{}", proxy.address), &resolver, ""));
    let reason = failure(&engine, get("https://forbidden.test:443/"));
    assert!(reason.contains("tunnel") || reason.contains("unsuccessful"), "{reason}");
    // To a plain request, its answer is the answer.
    assert_eq!(outcome(&engine, get("http://forbidden.test:8080/")), Outcome::HttpStatus(403));
}

#[test]
fn the_proxy_itself_must_be_allowed() {
    let proxy = ProxyServer::start();
    let resolver = DnsServer::start(|name| match name {
        "good.test." => Reply::A(vec![Ipv4Addr::new(127, 0, 0, 2)]),
        _ => Reply::A(vec![Ipv4Addr::new(10, 0, 0, 1)]),
    });
    let page = HttpServer::start(|_| Some(OK.into()));
    let url = || format!("http://page.test:{}/", page.address.port());
    let named = |name: &str| through(&format!("http://{name}:{}", proxy.address.port()), &resolver, "");
    assert_eq!(outcome(&engine(&named("good.test")), get(url())), Outcome::HttpStatus(200));
    let reason = failure(&engine(&named("bad.test")), get(url()));
    assert!(reason.contains("denied: 10.0.0.1 is a private address"), "{reason}");
    assert_eq!(proxy.requests().len(), 1);

    let config: CanaryConfig = serde_yaml::from_str(&named("127.0.0.1")).unwrap();
    let error = Engine::start(config).err().unwrap().to_string();
    assert!(error.starts_with("`spec.canary.http.proxy`: 127.0.0.1 is a loopback address"), "{error}");
}
