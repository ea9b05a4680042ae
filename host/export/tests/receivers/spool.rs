//! Sinks with a spool, against servers that are away.

use std::net::TcpListener;
use std::time::Duration;

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use prost::Message as _;

use crate::http_server::{Request, Server};
use crate::otlp::text;
use crate::{LONG, count, counters, events, exporter};

/// The entry of a sink at this address, with a queue that holds little.
fn entry(kind: &str, address: impl std::fmt::Display, spool: &tempfile::TempDir) -> String {
    let path = spool.path().join("spool");
    format!(
        "- {kind}: {{ url: 'http://{address}', batch: 100, linger: 0s }}\n  queue: 20\n  overflow: block\n  spool: {{ path: {}, size: 4MiB }}",
        path.display()
    )
}

fn counts(kind: &str, request: &Request) -> Vec<u64> {
    if kind == "http" {
        return std::str::from_utf8(&request.body).unwrap().lines().map(count).collect();
    }
    let request = ExportLogsServiceRequest::decode(request.body.as_slice()).unwrap();
    let [of_resource] = request.resource_logs.as_slice() else { panic!("not one resource: {request:?}") };
    of_resource.scope_logs[0].log_records.iter().map(|record| count(text(&record.body))).collect()
}

#[test]
fn an_outage_longer_than_the_queue_and_a_restart_lose_nothing() {
    for kind in ["http", "otlp"] {
        let spool = tempfile::tempdir().unwrap();
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let mut first = exporter(&entry(kind, address, &spool));
        for from in (1..500).step_by(50) {
            first.export(events(from, 50)).unwrap();
        }
        first.close(LONG);
        let ended = counters(&first);
        assert_eq!((ended.written, ended.lost, ended.dropped), (0, 0, 0), "{kind}");
        assert_eq!(ended.spool.unwrap().records, 500, "{kind}");
        drop(first);

        let mut second = exporter(&entry(kind, address, &spool));
        second.export(events(501, 10)).unwrap();
        while counters(&second).retries == 0 {}
        let server = Server::start(TcpListener::bind(address).unwrap(), vec![]);
        let mut arrived = Vec::new();
        while arrived.len() < 510 {
            arrived.extend(counts(kind, &server.next()));
        }
        second.close(LONG);
        assert_eq!(arrived, (1..=510).collect::<Vec<_>>(), "{kind}");
        let ended = counters(&second);
        assert_eq!((ended.written, ended.spool.unwrap().records), (510, 0), "{kind}");
    }
}

#[test]
fn what_a_server_refuses_leaves_the_spool() {
    let spool = tempfile::tempdir().unwrap();
    let server = Server::new([200, 400, 503, 200].map(|status| (status, Vec::new())).into());
    let mut exporter = exporter(&entry("http", server.address, &spool).replace("batch: 100", "batch: 1"));
    exporter.export(events(1, 3)).unwrap();
    let arrived: Vec<u64> = (0..4).flat_map(|_| counts("http", &server.next())).collect();
    assert_eq!(arrived, [1, 2, 3, 3]);
    exporter.close(LONG);
    let ended = counters(&exporter);
    assert_eq!((ended.written, ended.lost, ended.spool.unwrap().records), (2, 1, 0));
}

#[test]
fn a_server_that_does_not_answer_holds_up_no_end() {
    let spool = tempfile::tempdir().unwrap();
    // It takes connections, and never reads.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut exporter = exporter(&entry("http", silent.local_addr().unwrap(), &spool));
    exporter.export(events(1, 3)).unwrap();
    drop(silent.accept().map(std::mem::forget));
    exporter.close(Duration::from_millis(1));
    let ended = counters(&exporter);
    assert_eq!((ended.lost, ended.spool.unwrap().records), (0, 3));
}
