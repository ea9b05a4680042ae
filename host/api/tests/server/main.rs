//! The server, over its socket.
#![allow(clippy::unwrap_used, reason = "tests")]

mod debug;
mod own;
mod parrot;
mod remote;

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serin_api::client::{self, Address, Client};
use serin_api::proto::get_events_response::Event as Kind;
use serin_api::proto::loss::At;
use serin_api::proto::*;
use serin_api::{Hub, Listen, ServeError, Server};
use serin_event::{Event, EventKind, Process};
use tempfile::TempDir;
use tonic::{Code, Streaming};

use crate::parrot::Parrot;

/// A socket, and no TCP.
fn at(socket: &Path) -> Listen {
    Listen { socket: socket.into(), remote: None }
}

struct Served {
    folder: TempDir,
    agent: Arc<Parrot>,
    hub: Arc<Hub>,
    server: Option<Server>,
}

impl Served {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (agent, hub) = (Arc::new(Parrot::default()), Arc::new(Hub::default()));
        let socket = folder.path().join("new/serin.sock");
        let server = Server::start(&at(&socket), agent.clone(), hub.clone()).unwrap();
        Self { folder, agent, hub, server: Some(server) }
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("new/serin.sock")
    }

    async fn client(&self) -> Client {
        client::connect(&Address::Socket(self.socket())).await.unwrap()
    }

    async fn events(&self, request: GetEventsRequest) -> Streaming<GetEventsResponse> {
        self.client().await.get_events(request).await.unwrap().into_inner()
    }
}

fn exec(pid: u32) -> Event {
    let process = Process { pid, binary: "/bin/ls".into(), ..Process::default() };
    Event {
        time: 1,
        node_name: "gull".into(),
        kind: EventKind::Exec,
        process: Some(Arc::new(process)),
        parent: None,
        tid: pid,
        annotations: Vec::new(),
        alerts: Vec::new(),
    }
}

fn pid(event: &GetEventsResponse) -> Option<u32> {
    match &event.event {
        Some(Kind::ProcessExec(exec)) => exec.process.as_ref()?.pid,
        _ => None,
    }
}

#[tokio::test]
async fn answers_what_clients_ask() {
    let served = Served::start();
    let mut client = served.client().await;
    let version = client.get_version(GetVersionRequest {}).await.unwrap().into_inner().version;
    assert_eq!(version, "1.2.3");
    let health = client.get_health(GetHealthStatusRequest::default()).await.unwrap().into_inner();
    assert_eq!(health.health_status[0].details, "running");
    let status = client.get_status(GetStatusRequest {}).await.unwrap().into_inner().json;
    assert_eq!(status, "{\"ready\":true}");
    let domain = "grpc".to_owned();
    let listed =
        client.list_tracing_policies(ListTracingPoliciesRequest { domain }).await.unwrap().into_inner();
    assert_eq!(listed.policies.iter().map(|policy| policy.name.as_str()).collect::<Vec<_>>(), ["b", "c"]);
    let domains = client.list_domains(ListDomainsRequest {}).await.unwrap().into_inner().domains;
    assert_eq!(domains, ["grpc", "static"]);
    let sensors = client.list_sensors(ListSensorsRequest {}).await.unwrap().into_inner().sensors;
    assert_eq!((sensors[0].name.as_str(), sensors[0].collection.as_str()), ("a-hook", "a"));
}

#[tokio::test]
async fn passes_on_what_changes_policies() {
    let served = Served::start();
    let mut client = served.client().await;
    let add = |yaml: &str| AddTracingPolicyRequest { yaml: yaml.into(), replace: true, ..Default::default() };
    client.add_tracing_policy(add("right")).await.unwrap();
    let wrong = client.add_tracing_policy(add("wrong")).await.unwrap_err();
    assert_eq!((wrong.code(), wrong.message()), (Code::InvalidArgument, "wrong.yaml:1:1"));
    let name = || "p".to_owned();
    let delete = DeleteTracingPolicyRequest { name: name(), ..Default::default() };
    let missing = client.delete_tracing_policy(delete.clone()).await.unwrap_err();
    assert_eq!((missing.code(), missing.message()), (Code::NotFound, "there is no policy `p`"));
    let elsewhere = DeleteTracingPolicyRequest { namespace: "default".into(), ..delete };
    assert_eq!(client.delete_tracing_policy(elsewhere).await.unwrap_err().code(), Code::InvalidArgument);
    let mode = Some(TracingPolicyMode::TpModeMonitor.into());
    let configure = ConfigureTracingPolicyRequest { name: name(), mode, ..Default::default() };
    client.configure_tracing_policy(configure).await.unwrap();
    client
        .enable_tracing_policy(EnableTracingPolicyRequest { name: name(), ..Default::default() })
        .await
        .unwrap();
    client
        .disable_tracing_policy(DisableTracingPolicyRequest { name: name(), ..Default::default() })
        .await
        .unwrap();
    let calls = served.agent.0.lock().unwrap().clone();
    assert_eq!(
        calls,
        [
            "add right true",
            "add wrong true",
            "configure p None Some(TpModeMonitor)",
            "configure p Some(true) None",
            "configure p Some(false) None"
        ]
    );
}

#[tokio::test]
async fn streams_what_passes_the_filters() {
    let served = Served::start();
    let filter = Filter { pid: vec![2, 3], ..Filter::default() };
    let mut all = served.events(GetEventsRequest::default()).await;
    let mut some = served.events(GetEventsRequest { allow_list: vec![filter], ..Default::default() }).await;
    served.hub.publish(&[exec(1), exec(2), exec(3)]);
    for expected in [1, 2, 3] {
        assert_eq!(pid(&all.message().await.unwrap().unwrap()), Some(expected));
    }
    for expected in [2, 3] {
        assert_eq!(pid(&some.message().await.unwrap().unwrap()), Some(expected));
    }
}

#[tokio::test]
async fn equal_events_come_once_in_a_window() {
    let served = Served::start();
    let window_size = Duration::from_millis(50).try_into().ok();
    let options = AggregationOptions { window_size, channel_buffer_size: 0 };
    let request = GetEventsRequest { aggregation_options: Some(options), ..Default::default() };
    let mut events = served.events(request).await;
    served.hub.publish(&[exec(1), exec(2), exec(1)]);
    for expected in [(Some(1), 2), (Some(2), 1)] {
        let event = events.message().await.unwrap().unwrap();
        assert_eq!((pid(&event), event.aggregation_info.unwrap().count), expected);
    }
    let nonsense = Some(AggregationOptions { window_size: Some(Default::default()), channel_buffer_size: 0 });
    let request = GetEventsRequest { aggregation_options: nonsense, ..Default::default() };
    assert_eq!(served.client().await.get_events(request).await.unwrap_err().code(), Code::InvalidArgument);
}

/// What waits for the end of its window is not lost when there is none.
#[tokio::test]
async fn ending_the_server_ends_windows() {
    let mut served = Served::start();
    let options = Some(AggregationOptions::default());
    let mut events =
        served.events(GetEventsRequest { aggregation_options: options, ..Default::default() }).await;
    served.hub.publish(&[exec(1), exec(1)]);
    let server = served.server.take();
    let ended = tokio::task::spawn_blocking(move || drop(server));
    let event = events.message().await.unwrap().unwrap();
    assert_eq!(event.aggregation_info.unwrap().count, 2);
    assert!(events.message().await.unwrap().is_none());
    ended.await.unwrap();
}

#[tokio::test]
async fn refuses_filters_that_are_wrong() {
    let served = Served::start();
    let filter = Filter { binary_regex: vec!["(".into()], ..Filter::default() };
    let request = GetEventsRequest { deny_list: vec![filter], ..Default::default() };
    let refused = served.client().await.get_events(request).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert!(refused.message().starts_with("deny_list[0].binary_regex"), "{refused}");
}

#[tokio::test]
async fn a_client_that_does_not_read_stops_nobody_and_is_told() {
    let served = Served::start();
    let kinds = vec![EventType::ProcessExec.into(), EventType::Loss.into()];
    let filter = Filter { event_set: kinds, ..Filter::default() };
    let mut slow = served.events(GetEventsRequest { allow_list: vec![filter], ..Default::default() }).await;
    let batch: Vec<_> = (0..1_000).map(exec).collect();
    // Far more than its queue and all buffers on the way hold.
    const EVENTS: u64 = 200_000;
    for _ in 0..EVENTS / 1_000 {
        served.hub.publish(&batch);
    }
    let expected_lost = served.hub.counters().lost;
    assert!(expected_lost > 0);
    let expected = EVENTS - expected_lost;
    let (mut delivered, mut lost, mut ended) = (0, 0, false);
    while delivered <= expected {
        // Its queue is empty by now: one more event brings out the loss before it.
        if delivered == expected && !std::mem::replace(&mut ended, true) {
            served.hub.publish(&[exec(7)]);
        }
        let event = slow.message().await.unwrap().unwrap();
        match event.event {
            Some(Kind::Loss(Loss { at: Some(At::Client(true)), count })) => lost += count,
            _ => delivered += 1,
        }
    }
    assert_eq!((lost, served.hub.counters().lost), (expected_lost, expected_lost));
}

#[tokio::test]
async fn ending_it_ends_the_streams_and_removes_the_socket() {
    let mut served = Served::start();
    let mut events = served.events(GetEventsRequest::default()).await;
    served.hub.publish(&[exec(1)]);
    let server = served.server.take();
    let ended = tokio::task::spawn_blocking(move || drop(server));
    assert_eq!(pid(&events.message().await.unwrap().unwrap()), Some(1));
    assert!(events.message().await.unwrap().is_none());
    ended.await.unwrap();
    assert!(!served.socket().exists());
    assert!(client::connect(&Address::Socket(served.socket())).await.is_err());
}

#[test]
fn the_socket_is_the_owners_alone() {
    let served = Served::start();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&served.socket()), 0o600);
    assert_eq!(mode(served.socket().parent().unwrap()), 0o700);
    let again = Server::start(&at(&served.socket()), served.agent.clone(), Arc::default());
    assert!(matches!(again, Err(ServeError::InUse(_))), "{again:?}");
}

#[test]
fn a_socket_left_behind_is_replaced_and_a_file_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("serin.sock");
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    drop(Server::start(&at(&path), Arc::new(Parrot::default()), Arc::default()).unwrap());
    std::fs::write(&path, "precious").unwrap();
    let refused = Server::start(&at(&path), Arc::new(Parrot::default()), Arc::default());
    assert!(matches!(refused, Err(ServeError::NotASocket(_))), "{refused:?}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "precious");
}
