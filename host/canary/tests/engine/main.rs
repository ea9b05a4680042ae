//! The engine against real servers on loopback.
#![allow(clippy::unwrap_used, reason = "tests")]

mod authority;
mod dns_server;
mod http_server;
mod preference;
mod proxies;
mod proxy_server;
mod transports;

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use dns_server::{DnsServer, Reply};
use http_server::HttpServer;
use serin_canary::{CanaryConfig, Engine, Hit, Rejected};
use serin_event::action::{Action, ActionRequest, Answer, Method, Outcome, RecordType, Source};

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
fn a_look_up_is_one_a_query_each_time() {
    let server = DnsServer::start(|_| Reply::A(vec![Ipv4Addr::new(192, 0, 2, 7)]));
    let engine = engine(&format!("{{dns: {{resolver: '{}'}}, dedupe: 0s}}", server.address));
    for name in ["abc.def.o3n.io", "abc.def.o3n.io", "abc.def.o3n.io."] {
        let resolved = Outcome::Resolved(vec![Answer::Address(Ipv4Addr::new(192, 0, 2, 7).into())]);
        assert_eq!(outcome(&engine, dns(name)), resolved, "{name}");
    }
    assert_eq!(server.queries(), vec![("abc.def.o3n.io.".to_owned(), 1); 3]);
}

/// A: 192.0.2.7, AAAA: 2001:db8::7, TXT: two strings, then one that looks like an address, then a long one.
fn of_each_record(kind: u16) -> Vec<Vec<u8>> {
    let text = |text: &str| [&[text.len() as u8], text.as_bytes()].concat();
    match kind {
        1 => vec![vec![192, 0, 2, 7]],
        28 => vec![[&[0x20, 1, 0xd, 0xb8][..], &[0; 11], &[7]].concat()],
        16 => vec![
            [text("v=1 "), text("x")].concat(),
            text("1.2.3.4"),
            [text(&"a".repeat(255)), text("bcd")].concat(),
        ],
        _ => vec![],
    }
}

#[test]
fn plugins_choose_their_records_and_policies_ask_for_a() {
    let server = DnsServer::start(|_| Reply::Records(of_each_record));
    let engine =
        engine(&format!("{{dns: {{resolver: '{}', records: [AAAA, A]}}, dedupe: 0s}}", server.address));
    let v4 = Answer::Address("192.0.2.7".parse().unwrap());
    let v6 = Answer::Address("2001:db8::7".parse().unwrap());
    let long = "a".repeat(255) + "b";
    let texts = ["v=1 x", "1.2.3.4", &long].map(|text| Answer::Text(text.to_owned())).to_vec();
    let policy = Source::Policy("p".into());
    let plugin = Source::Plugin("bait".into());
    for (source, record, expected) in [
        (&policy, None, vec![v4.clone()]),
        (&plugin, None, vec![v6.clone(), v4.clone()]),
        (&plugin, Some(RecordType::A), vec![v4]),
        (&plugin, Some(RecordType::Aaaa), vec![v6]),
        (&plugin, Some(RecordType::Txt), texts),
    ] {
        let action = Action::Dns { name: "a.test".into(), record };
        let asked = ActionRequest { source: source.clone(), ..request(action) };
        assert_eq!(outcome(&engine, asked), Outcome::Resolved(expected), "{source:?} {record:?}");
    }
    let mut kinds: Vec<u16> = server.queries().into_iter().map(|(_, kind)| kind).collect();
    kinds.sort_unstable();
    assert_eq!(kinds, [1, 1, 1, 16, 28, 28]);
}

#[test]
fn one_answer_of_several_has_fired_and_many_are_cut() {
    let server = DnsServer::start(|name| match name {
        "many.test." => Reply::Records(|kind| if kind == 16 { vec![vec![1, b'x']; 40] } else { vec![] }),
        _ => Reply::ServerFailure,
    });
    let engine = engine(&format!(
        "{{dns: {{resolver: '{}', records: [A, TXT], timeout: 400ms}}, retry: {{times: 0}}}}",
        server.address
    ));
    assert_eq!(outcome(&engine, dns("many.test")), Outcome::Resolved(vec![Answer::Text("x".into()); 32]));
    assert!(failure(&engine, dns("broken.test")).contains("erver Failure"));
}

#[test]
fn no_such_name_has_fired_but_failure_and_silence_have_not() {
    let server = DnsServer::start(|name| match name {
        "gone.test." => Reply::NoSuchName,
        "empty.test." => Reply::A(vec![]),
        "broken.test." => Reply::ServerFailure,
        _ => Reply::Silence,
    });
    let engine = engine(&format!(
        "{{dns: {{resolver: '{}', timeout: 400ms}}, retry: {{times: 1, wait: 1ms}}}}",
        server.address
    ));
    assert_eq!(outcome(&engine, dns("gone.test")), Outcome::Resolved(vec![]));
    assert_eq!(outcome(&engine, dns("empty.test")), Outcome::Resolved(vec![]));
    assert!(failure(&engine, dns("broken.test")).contains("erver Failure"));
    assert!(failure(&engine, dns("silent.test")).contains("within 400 ms"));
    assert!(failure(&engine, dns("a..b")).contains("`a..b` is not a domain name"));
    assert!(failure(&engine, dns("x.localhost")).contains("special-use name"));
    let counters = engine.counters();
    assert_eq!((counters.accepted, counters.fired, counters.failed), (6, 2, 4));
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

#[test]
fn a_silent_server_times_out_and_holds_up_nobody() {
    let silent = HttpServer::start(|_| None);
    let server = DnsServer::start(|_| Reply::NoSuchName);
    let engine = engine(&format!(
        "{{dns: {{resolver: '{}'}}, http: {{timeout: 2s}}, retry: {{times: 0}}, egress: {{allow: [loopback]}}, concurrency: 2, sourceShare: 100%}}",
        server.address
    ));
    engine.submitter().submit(get(format!("http://{}/", silent.address))).unwrap();
    engine.submitter().submit(dns("quick.test")).unwrap();
    let first = engine.next_result(PATIENCE).unwrap();
    assert_eq!(first.outcome, Outcome::Resolved(vec![]));
    let second = engine.next_result(PATIENCE).unwrap();
    assert_eq!(second.outcome, Outcome::Failed("no answer within 2000 ms".into()));
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
fn a_target_that_swallows_everything_holds_up_neither_who_asks_nor_the_others() {
    let hole = HttpServer::start(|_| None);
    let server = DnsServer::start(|_| Reply::NoSuchName);
    let engine = engine(&format!(
        "{{dns: {{resolver: '{}'}}, http: {{timeout: 60s}}, egress: {{allow: [loopback]}}, concurrency: 4,
           queue: 64, rates: {{source: {{burst: 3, per: 1h}}}}}}",
        server.address
    ));
    let taken = (0..1000)
        .filter(|n| engine.submitter().submit(get(format!("http://{}/{n}", hole.address))).is_ok())
        .count();
    // Its rate is what keeps a plugin from taking all that may run at once.
    assert_eq!(taken, 3);
    let other = ActionRequest { source: Source::Plugin("other".into()), ..dns("quick.test") };
    engine.submitter().submit(other.clone()).unwrap();
    let ended = engine.results().chain(std::iter::from_fn(|| engine.next_result(PATIENCE)));
    let mut ended = ended.filter(|result| !matches!(result.outcome, Outcome::Suppressed(_)));
    assert_eq!(ended.next().map(|result| result.request), Some(other));
    assert_eq!(engine.counters().rate_limited, 997, "all is answered, and nothing of the hole has ended");
}

#[test]
fn a_target_holds_its_share_of_the_places_and_the_others_are_answered() {
    let hole = HttpServer::start(|_| None);
    let healthy = HttpServer::start(|_| Some(OK.into()));
    let server = DnsServer::start(|_| Reply::A(vec![Ipv4Addr::LOCALHOST]));
    let engine = engine(&format!(
        "{{dns: {{resolver: '{}'}}, http: {{timeout: 60s}}, egress: {{allow: [loopback]}}, concurrency: 8,
           queue: 40, targetShare: 25%, sourceShare: 100%, rates: {{source: {{burst: 1000, per: 1s}}, global: {{burst: 1000, per: 1s}}}}}}",
        server.address
    ));
    let swallowed = |n| get(format!("http://hole.test:{}/{n}", hole.address.port()));
    // A quarter of eight run, and as soon as they do, a quarter of forty can wait.
    (0..2).for_each(|n| engine.submitter().submit(swallowed(n)).unwrap());
    let started = Instant::now();
    while hole.requests().len() < 2 {
        assert!(started.elapsed() < PATIENCE, "{:?}", hole.requests());
        std::thread::sleep(Duration::from_millis(5));
    }
    (2..12).for_each(|n| engine.submitter().submit(swallowed(n)).unwrap());
    assert_eq!(engine.submitter().submit(swallowed(12)), Err(Rejected::TargetFull));
    let held_back = engine.next_result(PATIENCE).unwrap();
    assert_eq!(held_back.outcome, Outcome::Suppressed("queue full for this target"));

    for n in 0..50 {
        let url = format!("http://healthy.test:{}/{n}", healthy.address.port());
        assert_eq!(outcome(&engine, get(url)), Outcome::HttpStatus(200), "{n}");
        let resolved = Outcome::Resolved(vec![Answer::Address(Ipv4Addr::LOCALHOST.into())]);
        assert_eq!(outcome(&engine, dns(&format!("{n}.quick.test"))), resolved, "{n}");
    }
    assert_eq!(hole.requests().len(), 2, "the hole got no more than its share");
    let counters = engine.counters();
    assert_eq!((counters.running, counters.waiting, counters.waiting_again), (2, 10, 0));
    assert_eq!((counters.accepted, counters.fired, counters.failed), (112, 100, 0));
    assert_eq!((counters.target_full, counters.queue_full), (1, 0));
}

#[test]
fn a_source_whose_targets_swallow_everything_leaves_the_others_their_places() {
    let hole = HttpServer::start(|_| None);
    let healthy = HttpServer::start(|_| Some(OK.into()));
    let resolver = DnsServer::start(|name| match name.ends_with(".silent.test.") {
        true => Reply::Silence,
        false => Reply::A(vec![Ipv4Addr::LOCALHOST]),
    });
    let engine = engine(&format!(
        "{{dns: {{resolver: '{}', timeout: 60s}}, http: {{timeout: 60s}}, egress: {{allow: [loopback]}}, concurrency: 8,
           queue: 40, rates: {{source: {{burst: 1000, per: 1s}}, global: {{burst: 1000, per: 1s}}}}}}",
        resolver.address
    ));
    let swallowed = |n| get(format!("http://hole-{n}.test:{}/", hole.address.port()));
    // Each name is a target of its own. Half of eight run, and half of forty can wait.
    (0..3).for_each(|n| engine.submitter().submit(swallowed(n)).unwrap());
    engine.submitter().submit(dns("1.silent.test")).unwrap();
    let started = Instant::now();
    while hole.requests().len() < 3 || engine.counters().running < 4 {
        assert!(started.elapsed() < PATIENCE, "{:?}", engine.counters());
        std::thread::sleep(Duration::from_millis(5));
    }
    (3..23).for_each(|n| engine.submitter().submit(swallowed(n)).unwrap());
    assert_eq!(engine.submitter().submit(swallowed(23)), Err(Rejected::SourceFull));
    let held_back = engine.next_result(PATIENCE).unwrap();
    assert_eq!(held_back.outcome, Outcome::Suppressed("queue full for the source"));

    for source in [Source::Plugin("other".into()), Source::Policy("other".into())] {
        let other = |request| ActionRequest { source: source.clone(), ..request };
        for n in 0..20 {
            let url = format!("http://healthy.test:{}/{n}", healthy.address.port());
            assert_eq!(outcome(&engine, other(get(url))), Outcome::HttpStatus(200), "{n}");
            // The resolver is a target of both.
            let resolved = Outcome::Resolved(vec![Answer::Address(Ipv4Addr::LOCALHOST.into())]);
            assert_eq!(outcome(&engine, other(dns(&format!("{n}.quick.test")))), resolved, "{n}");
        }
    }
    let counters = engine.counters();
    assert_eq!((counters.running, counters.waiting, counters.fired), (4, 20, 80));
    assert_eq!((counters.source_full, counters.target_full, counters.queue_full), (1, 0, 0));
}

#[test]
fn a_resolver_that_is_silent_leaves_hosts_that_need_none_their_places() {
    let silent = DnsServer::start(|_| Reply::Silence);
    let healthy = HttpServer::start(|_| Some(OK.into()));
    let engine = engine(&format!(
        "{{dns: {{resolver: '{}', timeout: 60s}}, egress: {{allow: [loopback]}}, concurrency: 2, targetShare: 50%, sourceShare: 100%}}",
        silent.address
    ));
    (0..4).for_each(|n| engine.submitter().submit(dns(&format!("{n}.test"))).unwrap());
    assert_eq!(outcome(&engine, get(format!("http://{}/", healthy.address))), Outcome::HttpStatus(200));
}

#[test]
fn what_is_held_back_is_reported_and_counted() {
    let server = DnsServer::start(|_| Reply::NoSuchName);
    let engine = engine(&format!(
        "{{dns: {{resolver: '{}'}}, rates: {{source: {{burst: 2, per: 1h}}}}}}",
        server.address
    ));
    assert_eq!(engine.submitter().submit(dns("1.test")), Ok(()));
    assert_eq!(engine.submitter().submit(dns("1.test")), Err(Rejected::Duplicate));
    assert_eq!(engine.submitter().submit(dns("2.test")), Ok(()));
    assert_eq!(engine.submitter().submit(dns("3.test")), Err(Rejected::SourceRate));
    let (results, counters) = engine.shutdown(PATIENCE);
    let held_back: Vec<_> = results
        .iter()
        .filter_map(|result| match result.outcome {
            Outcome::Suppressed(reason) => Some(reason),
            _ => None,
        })
        .collect();
    assert_eq!(held_back, ["duplicate", "rate limit of the source"]);
    assert_eq!(results.len(), 4);
    assert_eq!((counters.fired, counters.duplicates, counters.rate_limited), (2, 1, 1));
    assert_eq!(server.queries().len(), 2);
}

#[test]
fn a_full_queue_turns_away_without_using_up_the_rate() {
    let silent = DnsServer::start(|_| Reply::Silence);
    let engine = engine(&format!(
        "{{dns: {{resolver: '{}', timeout: 60s}}, concurrency: 1, queue: 2, targetShare: 100%, sourceShare: 100%, rates: {{source: {{burst: 9, per: 1h}}}}}}",
        silent.address
    ));
    let accepted = (0..50).filter(|n| engine.submitter().submit(dns(&format!("{n}.test"))).is_ok()).count();
    // One under way, two waiting for the place that it has.
    assert!((2..=3).contains(&accepted), "{accepted}");
    let full = Outcome::Suppressed("queue full for this target");
    let suppressed = engine.results().filter(|result| result.outcome == full).count();
    assert_eq!(suppressed, 50 - accepted);
    let (_, counters) = engine.shutdown(Duration::ZERO);
    assert_eq!((counters.accepted, counters.target_full), (accepted as u64, suppressed as u64));
    assert_eq!((counters.queue_full, counters.rate_limited, counters.fired, counters.failed), (0, 0, 0, 0));
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
