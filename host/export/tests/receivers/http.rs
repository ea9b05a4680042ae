//! The sink `http` against an HTTP server.

use std::io::Read as _;
use std::net::TcpListener;

use flate2::read::GzDecoder;

use crate::http_server::{Request, Server};
use crate::{LONG, count, counters, events, exporter};

fn counts(request: &Request) -> Vec<u64> {
    let mut text = String::new();
    match request.header("content-encoding") {
        Some(_) => GzDecoder::new(request.body.as_slice()).read_to_string(&mut text),
        None => request.body.as_slice().read_to_string(&mut text),
    }
    .unwrap();
    text.lines().map(count).collect()
}

#[test]
fn batches_arrive_in_order_with_their_headers() {
    let server = Server::new(vec![]);
    let mut exporter = exporter(&format!(
        "- http: {{ url: 'http://{}/in?key=k', batch: 3, linger: 1m, headers: {{ Authorization: Bearer t }}, compress: gzip }}",
        server.address
    ));
    exporter.export(events(1, 2)).unwrap();
    exporter.export(events(3, 5)).unwrap();
    exporter.close(LONG);
    let requests = [(); 3].map(|()| server.next());
    for request in &requests {
        assert_eq!(request.head[0], "POST /in?key=k HTTP/1.1");
        assert_eq!(request.header("authorization"), Some("Bearer t"));
        assert_eq!(request.header("content-type"), Some("application/x-ndjson"));
        assert_eq!(request.header("content-encoding"), Some("gzip"));
    }
    assert_eq!(requests.each_ref().map(counts), [vec![1, 2, 3], vec![4, 5, 6], vec![7]]);
    assert_eq!(counters(&exporter).written, 7);
}

#[test]
fn what_the_server_can_not_take_now_is_sent_again_and_what_it_refuses_is_lost() {
    let answers = [503, 429, 200, 400, 302, 200].map(|status| (status, Vec::new()));
    let server = Server::new(answers.into());
    let mut exporter =
        exporter(&format!("- http: {{ url: 'http://{}', batch: 1, linger: 0s }}", server.address));
    exporter.export(events(1, 4)).unwrap();
    exporter.close(LONG);
    let arrived: Vec<u64> = (0..6).flat_map(|_| counts(&server.next())).collect();
    assert_eq!(arrived, [1, 1, 1, 2, 3, 4]);
    let counters = counters(&exporter);
    assert_eq!((counters.written, counters.lost, counters.retries), (2, 2, 2));
}

#[test]
fn a_server_that_comes_up_later_gets_everything() {
    // Taken, and free again: nobody answers there for now.
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut exporter = exporter(&format!("- http: {{ url: 'http://{address}', linger: 0s }}"));
    exporter.export(events(1, 3)).unwrap();
    while counters(&exporter).retries == 0 {}
    let server = Server::start(TcpListener::bind(address).unwrap(), vec![]);
    exporter.export(events(4, 2)).unwrap();
    exporter.close(LONG);
    assert_eq!(counters(&exporter).written, 5);
    assert_eq!([counts(&server.next()), counts(&server.next())].concat(), [1, 2, 3, 4, 5]);
}
