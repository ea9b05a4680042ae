//! The engine against real servers on loopback.
#![allow(clippy::unwrap_used, reason = "tests")]

mod addresses;
mod authority;
mod dns_server;
mod http_server;
mod look_ups;
mod places;
mod preference;
mod proxies;
mod proxy_server;
mod transports;
mod watched;

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use http_server::HttpServer;
use serin_canary::{CanaryConfig, Engine, Hit};
use serin_event::action::{Action, ActionRequest, Answer, Method, Outcome, Source};

const PATIENCE: Duration = Duration::from_secs(20);
const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nhi";

fn engine(yaml: &str) -> Engine {
    let config: CanaryConfig = serde_yaml::from_str(yaml).unwrap();
    Engine::start(config).unwrap()
}

fn request(action: Action) -> ActionRequest {
    ActionRequest { source: Source::Plugin("bait".into()), action, exec_id: "id".into() }
}

fn dns(name: &str) -> ActionRequest {
    request(Action::Dns { name: name.into(), record: None })
}

fn get(url: impl Into<String>) -> ActionRequest {
    request(Action::Http { method: Method::Get, url: url.into(), headers: vec![], body: vec![] })
}

fn outcome(engine: &Engine, request: ActionRequest) -> Outcome {
    engine.submitter().submit(request.clone()).unwrap();
    let result = engine.next_result(PATIENCE).expect("a result");
    assert_eq!(result.request, request);
    assert!(result.duration > 0);
    result.outcome
}

fn failure(engine: &Engine, request: ActionRequest) -> String {
    match outcome(engine, request) {
        Outcome::Failed(reason) => reason,
        other => panic!("expected a failure, got {other:?}"),
    }
}

#[test]
fn requests_arrive_as_asked_for() {
    let server = HttpServer::start(|_| Some(OK.into()));
    let engine = engine("egress: {allow: [loopback]}");
    let url = format!("http://{}/t/abc?x=1", server.address);
    assert_eq!(outcome(&engine, get(&url)), Outcome::HttpStatus(200));
    let post = Action::Http {
        method: Method::Post,
        url,
        headers: vec![("x-token".into(), "abc".into())],
        body: b"{\"who\":\"root\"}".to_vec(),
    };
    assert_eq!(outcome(&engine, request(post)), Outcome::HttpStatus(200));

    let requests = server.requests();
    assert!(requests[0].starts_with("GET /t/abc?x=1 HTTP/1.1\r\n"), "{requests:?}");
    assert!(requests[0].contains(&format!("host: {}\r\n", server.address)), "{requests:?}");
    assert!(requests[1].starts_with("POST /t/abc?x=1 HTTP/1.1\r\n"), "{requests:?}");
    assert!(requests[1].contains("x-token: abc\r\n"), "{requests:?}");
    assert!(requests[1].ends_with("\r\n\r\n{\"who\":\"root\"}"), "{requests:?}");
}

#[test]
fn what_cannot_be_sent_says_why() {
    let engine = engine("{http: {maxBody: 4B}, retry: {times: 0}, egress: {allow: [loopback]}}");
    for (url, needle) in [
        ("canary", "`canary` is not an absolute http or https URL"),
        ("ftp://127.0.0.1/", "is not an absolute http or https URL"),
        ("file:///etc/passwd", "is not an absolute http or https URL"),
        ("http://127.0.0.1:1/", "refused"),
    ] {
        let reason = failure(&engine, get(url));
        assert!(reason.contains(needle), "{url}: {reason}");
    }
    let post = Action::Http {
        method: Method::Post,
        url: "http://127.0.0.1:1/".into(),
        headers: vec![],
        body: vec![0; 5],
    };
    assert!(failure(&engine, request(post)).contains("the body has 5 bytes"));
}

#[test]
fn what_fails_for_the_time_being_is_done_again() {
    let count = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&count);
    let busy = "HTTP/1.1 503 Busy\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    let server = HttpServer::start(move |_| {
        let busy_yet = counted.fetch_add(1, Ordering::SeqCst) < 2;
        Some(if busy_yet { busy } else { OK }.into())
    });
    for (times, status, requests) in [(0, 503, 1), (1, 503, 2), (5, 200, 3)] {
        count.store(0, Ordering::SeqCst);
        let engine =
            engine(&format!("{{egress: {{allow: [loopback]}}, retry: {{times: {times}, wait: 1ms}}}}"));
        let url = format!("http://{}/", server.address);
        assert_eq!(outcome(&engine, get(url)), Outcome::HttpStatus(status), "{times}");
        assert_eq!(count.load(Ordering::SeqCst), requests, "{times}");
    }
}

#[test]
fn the_demo_listeners_answer_and_show_what_came() {
    let engine = engine(
        "{dns: {resolver: demo}, egress: {allow: [loopback]}, demo: {dns: '127.0.0.1:0', http: '127.0.0.1:0'}}",
    );
    let port = engine.demo().unwrap().http().port();
    let home = Outcome::Resolved(vec![Answer::Address(Ipv4Addr::LOCALHOST.into())]);
    assert_eq!(outcome(&engine, dns("abc.def.o3n.io")), home);
    assert_eq!(outcome(&engine, get(format!("http://t.test:{port}/a?b"))), Outcome::HttpStatus(200));
    let body = vec![b'x'; 60_000];
    let post =
        Action::Http { method: Method::Post, url: format!("http://t.test:{port}/p"), headers: vec![], body };
    assert_eq!(outcome(&engine, request(post)), Outcome::HttpStatus(200));

    let demo = engine.demo().unwrap();
    let hits: Vec<String> = (0..5)
        .map(|_| match demo.hits().recv_timeout(PATIENCE).unwrap() {
            Hit::Dns { name, kind, .. } => format!("{kind} {name}"),
            Hit::Http { method, target, host, .. } => format!("{method} {host} {target}"),
        })
        .collect();
    let expected = [
        "A abc.def.o3n.io.".to_owned(),
        "A t.test.".to_owned(),
        format!("GET t.test:{port} /a?b"),
        "A t.test.".to_owned(),
        format!("POST t.test:{port} /p"),
    ];
    assert_eq!(hits, expected);
}

#[test]
fn what_keeps_the_engine_from_starting_is_named() {
    let taken = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    for (yaml, needle) in [
        (
            format!("demo: {{dns: '{address}', http: '127.0.0.1:0'}}"),
            format!("the demo DNS listener cannot listen on {address}"),
        ),
        ("dns: {resolver: demo}".to_owned(), "there is no `spec.canary.demo`".to_owned()),
    ] {
        let config: CanaryConfig = serde_yaml::from_str(&yaml).unwrap();
        let error = Engine::start(config).err().unwrap().to_string();
        assert!(error.contains(&needle), "{error}");
    }
}
