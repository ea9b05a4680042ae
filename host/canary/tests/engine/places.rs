//! Many requests at once: nobody holds up the others.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use serin_canary::Rejected;
use serin_event::action::{ActionRequest, Answer, Outcome, Source};

use crate::dns_server::{DnsServer, Reply};
use crate::http_server::HttpServer;
use crate::{OK, PATIENCE, dns, engine, get, outcome};

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
