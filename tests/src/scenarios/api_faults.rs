//! Clients of the API that are slow, many, or talk nonsense: what is promised of them.

use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rustix::process::{Resource, Rlimit, Signal, prlimit};
use serde_json::Value;
use serin_api::proto::get_events_response::Event as Kind;
use serin_api::proto::loss::At;
use serin_api::proto::{EventType, Filter, GetEventsRequest, GetEventsResponse, Loss};
use tonic::Code;

use super::{Scenario, scenario};
use crate::agent::Agent;
use crate::kernel::Kernel;
use crate::policy::{PASSWD, on_symlinkat};
use crate::trigger::{self, Waiting};

/// More than a client's queue and all buffers on the way hold, less than the agent's backlog.
const HITS: u64 = 8_000;
/// Clients that may follow events at once.
const MAX_CLIENTS: usize = 128;

pub(crate) fn scenarios() -> Vec<Scenario> {
    vec![
        scenario("api_faults::a_slow_client_is_told_what_it_lost_and_holds_up_nobody", slow_client),
        scenario("api_faults::many_clients_follow_and_one_too_many_is_refused", many_clients),
        scenario("api_faults::nonsense_is_survived", nonsense),
        scenario("api_faults::policies_that_are_too_large_are_refused", oversized_policy),
        scenario("api_faults::without_descriptors_clients_wait", out_of_descriptors),
    ]
}

/// Hits, and what was lost.
fn hits() -> GetEventsRequest {
    let kinds = [EventType::ProcessKprobe, EventType::Loss].map(i32::from).to_vec();
    let filter = Filter { event_set: kinds, ..Filter::default() };
    GetEventsRequest { allow_list: vec![filter], ..Default::default() }
}

fn slow_client(_: &Kernel) -> Result<()> {
    let mut agent = Agent::with_links()?;
    let mut api = agent.api()?;
    let mut events = api.events(hits())?;
    let mut flood = Waiting::flood(HITS)?;
    let pid = flood.pid();
    flood.go()?;
    flood.end()?;
    agent.settle()?;
    let printed = agent.hits_of(pid).len() as u64;
    ensure!(printed == HITS, "{HITS} hits, but {printed} printed");
    agent.wait_for_log("a client of the API reads too slowly and loses events")?;
    // What it lost is told before the next that fits, so there must be room first. If it found some before, there is more
    // than one loss.
    let mut lost = 0;
    for _ in 0..1_000 {
        lost += lost_by_client(&api.wait(events.message())?.context("the stream has ended")?);
    }
    let last = trigger::symlink("/etc/passwd", "")?.pid;
    loop {
        let event = api.wait(events.message())?.context("the stream has ended")?;
        lost += lost_by_client(&event);
        if is_hit_of(&event, last) {
            break;
        }
    }
    let (_, log) = agent.finish(Signal::TERM)?;
    let counted = log.iter().find(|line| line.contains("clients of the API: ")).context("not counted")?;
    ensure!(lost > 0 && counted.ends_with(&format!("lost {lost}")), "told of {lost}, but {counted}");
    Ok(())
}

/// How much the client is told to have lost by its own fault.
fn lost_by_client(event: &GetEventsResponse) -> u64 {
    match event.event {
        Some(Kind::Loss(Loss { at: Some(At::Client(true)), count })) => count,
        _ => 0,
    }
}

fn is_hit_of(event: &GetEventsResponse, pid: u32) -> bool {
    match &event.event {
        Some(Kind::ProcessKprobe(hit)) => {
            hit.process.as_ref().is_some_and(|process| process.pid == Some(pid))
        }
        _ => false,
    }
}

fn many_clients(_: &Kernel) -> Result<()> {
    let mut agent = Agent::with_links()?;
    let mut clients = Vec::new();
    for _ in 0..MAX_CLIENTS {
        let mut api = agent.api()?;
        let events = api.events(hits())?;
        clients.push((api, events));
    }
    let refused = agent.api()?.events(hits()).err().context("one too many was served")?;
    ensure!(refused.code() == Code::ResourceExhausted, "{refused}");
    let pid = trigger::symlink("/etc/passwd", "")?.pid;
    agent.wait_for("hit", |event| event["process_kprobe"]["process"]["pid"] == pid)?;
    for (api, events) in &mut clients {
        api.wait_for(events, |event| is_hit_of(event, pid))?;
    }
    // Those who go make room.
    drop(clients);
    let started = std::time::Instant::now();
    while let Err(refused) = agent.api()?.events(hits()) {
        ensure!(started.elapsed() < Duration::from_secs(30), "no room: {refused}");
    }
    agent.stop()?;
    Ok(())
}

/// What no client of gRPC sends.
const NONSENSE: [&[u8]; 5] = [
    b"",
    b"GET / HTTP/1.1\r\nHost: serin\r\n\r\n",
    b"\x16\x03\x01\x00\x05hello",
    // The preface of HTTP/2 and a frame of the largest length, which does not come.
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\xff\xff\xff\x00\x00\x00\x00\x00\x01",
    // The same with headers that are none.
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00\x00\x00\x04\x01\x05\x00\x00\x00\x01\xff\xff\xff\xff",
];

/// Waits until the agent ends a connection, with an answer or without.
fn wait_for_end(mut stream: UnixStream) -> Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    match stream.read_to_end(&mut Vec::new()) {
        Err(error) if error.kind() != ErrorKind::ConnectionReset => Err(error.into()),
        _ => Ok(()),
    }
}

fn nonsense(_: &Kernel) -> Result<()> {
    let mut agent = Agent::with_links()?;
    for bytes in NONSENSE {
        let mut stream = UnixStream::connect(agent.socket())?;
        stream.write_all(bytes)?;
        stream.shutdown(std::net::Shutdown::Write)?;
        wait_for_end(stream).with_context(|| format!("{bytes:?}"))?;
    }
    ensure!(agent.api()?.only()?.name == "links", "the API does not answer as before");
    trigger::symlink("/etc/passwd", "")?;
    agent.settle()?;
    agent.stop()?;
    Ok(())
}

fn oversized_policy(_: &Kernel) -> Result<()> {
    let agent = Agent::with_links()?;
    let policy = |bytes| on_symlinkat("large", PASSWD) + "\n#" + &"x".repeat(bytes);
    let mut api = agent.api()?;
    for (bytes, code, words) in
        [(2 << 20, Code::InvalidArgument, "1048576"), (5 << 20, Code::OutOfRange, "too large")]
    {
        let refused = api.add(&policy(bytes)).err().context("it was taken")?;
        ensure!(refused.code() == code && refused.message().contains(words), "{refused}");
    }
    ensure!(api.only()?.name == "links", "not the policies from before");
    agent.stop()?;
    Ok(())
}

fn out_of_descriptors(_: &Kernel) -> Result<()> {
    let mut agent = Agent::with_links()?;
    let mut before = agent.api()?;
    let mut events = before.events(hits())?;
    let limit = |soft| Rlimit { current: Some(soft), maximum: Some(4096) };
    let usual = prlimit(Some(agent.pid()?), Resource::Nofile, limit(3))?;
    let mut waiting = UnixStream::connect(agent.socket())?;
    waiting.write_all(NONSENSE[1])?;
    // Those who are connected get their events, and so does standard output.
    let pid = trigger::symlink("/etc/passwd", "")?.pid;
    let is_hit = |event: &Value| event["process_kprobe"]["process"]["pid"] == pid;
    agent.wait_for("hit", is_hit)?;
    before.wait_for(&mut events, |event| matches!(event.event, Some(Kind::ProcessKprobe(_))))?;
    prlimit(Some(agent.pid()?), Resource::Nofile, limit(usual.current.unwrap_or(1024).min(4096)))?;
    wait_for_end(waiting).context("the one who waited was not served")?;
    ensure!(agent.api()?.only()?.name == "links");
    agent.stop()?;
    Ok(())
}
