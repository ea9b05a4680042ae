//! What is asked of a DNS server, and what its answers mean.

use std::net::Ipv4Addr;

use serin_event::action::{Action, ActionRequest, Answer, Outcome, RecordType, Source};

use crate::dns_server::{DnsServer, Reply};
use crate::{dns, engine, failure, outcome, request};

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
