//! What is told of each try of an action.

use std::sync::{Arc, Mutex};
use std::time::Instant;

use serin_canary::{Attempt, Failure, Watch};
use serin_event::action::{ActionRequest, Outcome};

use crate::http_server::HttpServer;
use crate::{OK, PATIENCE, dns, engine, get};

/// Keeps what it is told, in order.
#[derive(Default)]
struct Kept(Mutex<Vec<Told>>);

#[derive(Debug)]
struct Told {
    request: ActionRequest,
    earlier: u32,
    times: [Instant; 2],
    outcome: Result<Outcome, Failure>,
}

impl Watch for Kept {
    fn tried(&self, request: &ActionRequest, attempt: &Attempt<'_>) {
        let Attempt { earlier, began, ended, outcome } = *attempt;
        let told =
            Told { request: request.clone(), earlier, times: [began, ended], outcome: outcome.cloned() };
        self.0.lock().unwrap().push(told);
    }
}

/// What is told of an action, by when its result is there.
fn told(config: &str, request: &ActionRequest) -> Vec<Told> {
    let (engine, kept) = (engine(config), Arc::new(Kept::default()));
    engine.submitter().submit_watched(request.clone(), Arc::clone(&kept) as _).unwrap();
    engine.next_result(PATIENCE).expect("a result");
    std::mem::take(&mut *kept.0.lock().unwrap())
}

#[test]
fn each_try_is_told_with_what_came_of_it() {
    let failing = "HTTP/1.1 503 Later\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    let once = Arc::new(Mutex::new(Some(failing)));
    let server = HttpServer::start(move |_| Some(once.lock().unwrap().take().unwrap_or(OK).to_owned()));
    let request = get(format!("http://{}/", server.address));
    let config = "{retry: {times: 2, wait: 1ms}, egress: {allow: [loopback]}}";
    let told = told(config, &request);
    let outcomes: Vec<_> = told.iter().map(|it| (it.earlier, it.outcome.clone())).collect();
    assert_eq!(outcomes, [(0, Ok(Outcome::HttpStatus(503))), (1, Ok(Outcome::HttpStatus(200)))]);
    assert!(told.iter().all(|it| it.request == request && it.times[0] <= it.times[1]), "{told:?}");
    assert!(told[0].times[1] <= told[1].times[0], "{told:?}");
}

#[test]
fn what_failed_is_told_with_why_in_short() {
    let silent = HttpServer::start(|_| None);
    let silent = get(format!("http://{}/", silent.address));
    for (config, request, expected) in [
        (
            "{http: {timeout: 100ms}, retry: {times: 0}, egress: {allow: [loopback]}}",
            &silent,
            Failure::TimedOut,
        ),
        ("{}", &silent, Failure::Denied),
        ("{}", &dns("no..name"), Failure::Failed),
    ] {
        let told = told(config, request);
        let outcomes: Vec<_> = told.iter().map(|it| it.outcome.clone()).collect();
        assert_eq!(outcomes, [Err(expected)], "{config}");
    }
}
