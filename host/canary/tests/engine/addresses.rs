//! Where requests may go, and servers that would lead them elsewhere or hold them.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use serin_event::action::Outcome;

use crate::dns_server::{DnsServer, Reply};
use crate::http_server::HttpServer;
use crate::{OK, engine, failure, get, outcome};

#[test]
fn addresses_out_of_scope_are_not_connected_to() {
    let http = HttpServer::start(|_| Some(OK.into()));
    let port = http.address.port();
    let resolver = DnsServer::start(|name| match name {
        "home.test." => Reply::A(vec![Ipv4Addr::LOCALHOST]),
        "mixed.test." => Reply::A(vec![Ipv4Addr::new(1, 1, 1, 1), Ipv4Addr::LOCALHOST]),
        "cloud.test." => Reply::A(vec![Ipv4Addr::new(169, 254, 169, 254)]),
        _ => Reply::A(vec![Ipv4Addr::new(10, 0, 0, 1)]),
    });
    let rates = "rates: {source: {burst: 100, per: 1m}}";
    let engine = engine(&format!("{{dns: {{resolver: '{}'}}, {rates}}}", resolver.address));
    for (host, needle) in [
        ("169.254.169.254", "denied: 169.254.169.254 is a metadata address"),
        ("127.0.0.1", "denied: 127.0.0.1 is a loopback address"),
        ("2130706433", "denied: 127.0.0.1 is a loopback address"),
        ("0x7f.1", "denied: 127.0.0.1 is a loopback address"),
        ("[::1]", "denied: ::1 is a loopback address"),
        ("[::ffff:127.0.0.1]", "is a loopback address"),
        ("0.0.0.0", "0.0.0.0 is an unspecified address"),
        ("localhost", "denied: 127.0.0.1 is a loopback address"),
        ("home.test", "denied: 127.0.0.1 is a loopback address"),
        ("mixed.test", "denied: 127.0.0.1 is a loopback address"),
        ("cloud.test", "denied: 169.254.169.254 is a metadata address"),
        ("inside.test", "denied: 10.0.0.1 is a private address"),
    ] {
        let reason = failure(&engine, get(format!("http://{host}:{port}/")));
        assert!(reason.contains(needle), "{host}: {reason}");
    }
    assert_eq!(http.requests(), Vec::<String>::new());
    let counters = engine.counters();
    assert_eq!((counters.failed, counters.denied, counters.fired), (12, 12, 0));
}

#[test]
fn a_name_is_connected_to_at_the_address_that_was_checked() {
    let http = HttpServer::start(|_| Some(OK.into()));
    let resolver = DnsServer::start(|_| Reply::A(vec![Ipv4Addr::LOCALHOST]));
    let engine =
        engine(&format!("{{dns: {{resolver: '{}'}}, egress: {{allow: [127.0.0.1]}}}}", resolver.address));
    let url = format!("http://canary.test:{}/", http.address.port());
    assert_eq!(outcome(&engine, get(url)), Outcome::HttpStatus(200));
    assert_eq!(resolver.queries(), vec![("canary.test.".to_owned(), 1)]);
    assert!(http.requests()[0].contains("host: canary.test:"));
}

#[test]
fn redirects_are_reported_and_not_followed() {
    let server = HttpServer::start(|_| {
        Some("HTTP/1.1 302 Found\r\nlocation: /next\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".into())
    });
    let engine = engine("egress: {allow: [loopback]}");
    assert_eq!(outcome(&engine, get(format!("http://{}/", server.address))), Outcome::HttpStatus(302));
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn an_endless_answer_is_cut_off() {
    let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: 999999999\r\n\r\n{}", "x".repeat(1 << 20));
    let server = HttpServer::start(move |_| Some(answer.clone()));
    let engine = engine("{http: {maxAnswer: 1KiB}, egress: {allow: [loopback]}}");
    assert_eq!(outcome(&engine, get(format!("http://{}/", server.address))), Outcome::HttpStatus(200));
}

#[test]
fn a_server_that_answers_byte_by_byte_is_cut_off() {
    let pause = Duration::from_millis(20);
    let engine =
        engine("{http: {timeout: 500ms}, retry: {times: 1, wait: 1ms}, egress: {allow: [loopback]}}");
    let slow = HttpServer::dripping("", pause);
    let url = format!("http://{}/", slow.address);
    assert_eq!(failure(&engine, get(url)), "no answer within 500 ms");
    assert_eq!(slow.requests().len(), 2);
    // Once the status is there, the canary has fired, and is not fired again.
    let slow = HttpServer::dripping("HTTP/1.1 200 OK\r\ncontent-length: 60000\r\n\r\n", pause);
    assert_eq!(outcome(&engine, get(format!("http://{}/", slow.address))), Outcome::HttpStatus(200));
    assert_eq!(slow.requests().len(), 1);
}

#[test]
fn a_name_that_leads_elsewhere_the_next_time_is_checked_the_next_time() {
    let http = HttpServer::start(|_| Some(OK.into()));
    let count = Arc::new(AtomicU32::new(0));
    let resolver = DnsServer::start(move |_| match count.fetch_add(1, Ordering::SeqCst) {
        0 => Reply::A(vec![Ipv4Addr::LOCALHOST]),
        _ => Reply::A(vec![Ipv4Addr::new(169, 254, 169, 254)]),
    });
    let engine = engine(&format!(
        "{{dns: {{resolver: '{}'}}, egress: {{allow: [loopback]}}, dedupe: 0s}}",
        resolver.address
    ));
    let url = format!("http://rebound.test:{}/", http.address.port());
    assert_eq!(outcome(&engine, get(&url)), Outcome::HttpStatus(200));
    let reason = failure(&engine, get(&url));
    assert!(reason.contains("denied: 169.254.169.254 is a metadata address"), "{reason}");
    assert_eq!(http.requests().len(), 1);
}
