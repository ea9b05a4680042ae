//! Which actions a full queue keeps.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serin_canary::{Engine, Rejected};
use serin_event::action::{Action, ActionRequest, Outcome, Source};

use crate::http_server::HttpServer;
use crate::{OK, PATIENCE, engine, get};

const DISPLACED: Outcome = Outcome::Suppressed("gave way to a newer one");

/// A server that answers nobody before it is told to.
struct Gate {
    server: HttpServer,
    open: Arc<AtomicBool>,
}

impl Gate {
    fn new() -> Self {
        let open = Arc::new(AtomicBool::new(false));
        let opened = Arc::clone(&open);
        let server = HttpServer::start(move |_| {
            while !opened.load(Ordering::SeqCst) {
                std::thread::sleep(Duration::from_millis(1));
            }
            Some(OK.into())
        });
        Self { server, open }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}/{path}", self.server.address)
    }

    /// Has one action run, so that all others wait.
    fn occupy(&self, engine: &Engine) {
        let source = Source::Policy("first".into());
        engine.submitter().submit(ActionRequest { source, ..get(self.url("first")) }).unwrap();
        let started = Instant::now();
        while self.server.requests().is_empty() {
            assert!(started.elapsed() < PATIENCE, "{:?}", engine.counters());
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

/// An engine that does one thing at a time.
fn one_by_one(fields: &str) -> Engine {
    engine(&format!(
        "{{egress: {{allow: [loopback]}}, http: {{timeout: 60s}}, concurrency: 1, targetShare: 100%, prefer: newest,
           rates: {{source: {{burst: 1000, per: 1s}}, global: {{burst: 1000, per: 1s}}}}, {fields}}}"
    ))
}

fn path(request: &ActionRequest) -> &str {
    let Action::Http { url, .. } = &request.action else { panic!("{request:?}") };
    url.rsplit('/').next().unwrap()
}

#[test]
fn the_newest_take_the_places_of_the_oldest() {
    let gate = Gate::new();
    let engine = one_by_one("queue: 3, sourceShare: 100%");
    gate.occupy(&engine);
    for n in 0..6 {
        assert_eq!(engine.submitter().submit(get(gate.url(&n.to_string()))), Ok(()), "{n}");
    }
    for n in 0..3 {
        let result = engine.next_result(PATIENCE).unwrap();
        assert_eq!((path(&result.request), &result.outcome), (&*n.to_string(), &DISPLACED));
    }
    let counters = engine.counters();
    assert_eq!((counters.accepted, counters.displaced, counters.waiting, counters.running), (7, 3, 3, 1));
    gate.open.store(true, Ordering::SeqCst);
    for expected in ["first", "3", "4", "5"] {
        let result = engine.next_result(PATIENCE).unwrap();
        assert_eq!((path(&result.request), result.outcome), (expected, Outcome::HttpStatus(200)));
    }
    let (_, counters) = engine.shutdown(PATIENCE);
    assert_eq!((counters.fired, counters.displaced, counters.queue_full, counters.target_full), (4, 3, 0, 0));
}

#[test]
fn a_source_displaces_its_own_before_those_of_others() {
    let gate = Gate::new();
    let engine = one_by_one("queue: 8, sourceShare: 50%");
    gate.occupy(&engine);
    let of = |name: &str, n: usize| ActionRequest {
        source: Source::Plugin(name.into()),
        ..get(gate.url(&format!("{name}{n}")))
    };
    // Half of eight for each.
    (0..4).for_each(|n| engine.submitter().submit(of("quiet", n)).unwrap());
    (0..50).for_each(|n| engine.submitter().submit(of("loud", n)).unwrap());
    let displaced: Vec<_> =
        engine.results().map(|result| (path(&result.request).to_owned(), result.outcome)).collect();
    let expected: Vec<_> = (0..46).map(|n| (format!("loud{n}"), DISPLACED)).collect();
    assert_eq!(displaced, expected);
    assert_eq!(engine.counters().waiting, 8);
}

#[test]
fn what_is_turned_away_displaces_nothing_and_what_is_displaced_is_no_duplicate() {
    let gate = Gate::new();
    let engine = engine(
        "{egress: {allow: [loopback]}, http: {timeout: 60s}, concurrency: 1, queue: 1, targetShare: 100%,
           sourceShare: 100%, prefer: newest, rates: {source: {burst: 3, per: 1h}}}",
    );
    gate.occupy(&engine);
    let submit = |path: &str| engine.submitter().submit(get(gate.url(path)));
    assert_eq!(submit("a"), Ok(()));
    assert_eq!(submit("a"), Err(Rejected::Duplicate));
    assert_eq!(submit("b"), Ok(()));
    assert_eq!(submit("a"), Ok(()), "it was displaced");
    assert_eq!(submit("c"), Err(Rejected::SourceRate));
    let counters = engine.counters();
    assert_eq!((counters.duplicates, counters.rate_limited, counters.displaced), (1, 1, 2));
}
