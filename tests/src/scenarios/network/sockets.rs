//! Sockets, and who owns them.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use super::{argument, case, check_operators, listener, policy, shipped, succeeded};
use crate::agent::Setup;
use crate::kernel::Kernel;
use crate::trigger;

/// The shipped policy reports who opens and closes connections to this host's own address.
pub(super) fn connections(_: &Kernel) -> Result<()> {
    let mut agent = Setup::new()?.policy(&shipped("tcp-connect.yaml")?)?.start()?;
    let (_other, other) = listener("127.0.0.2")?;
    let missed = succeeded(trigger::connect(other)?)?;
    let (_listener, address) = listener("127.0.0.1")?;
    let ended = succeeded(trigger::connect(address)?)?;
    let opened = argument(&mut agent, &ended, "tcp_connect")?["sock_arg"].clone();
    let closed = argument(&mut agent, &ended, "tcp_close")?["sock_arg"].clone();
    for (sock, state) in [(&opened, "TCP_SYN_SENT"), (&closed, "TCP_ESTABLISHED")] {
        let mut expected = json!({
            "family": "AF_INET", "type": "SOCK_STREAM", "protocol": "IPPROTO_TCP", "state": state,
            "saddr": "127.0.0.1", "daddr": "127.0.0.1", "dport": address.port(),
        });
        ensure!(sock["sport"].as_u64().is_some_and(|port| port > 0), "no source port: {sock}");
        ensure!(sock["cookie"].is_string(), "no cookie: {sock}");
        expected["sport"] = sock["sport"].clone();
        expected["cookie"] = sock["cookie"].clone();
        ensure!(*sock == expected, "socket: {sock}");
    }
    ensure!(opened["cookie"] == closed["cookie"], "two sockets: {opened}, {closed}");
    agent.settle()?;
    ensure!(agent.hits_of(missed.pid).is_empty(), "another address was reported");
    agent.stop()?;
    Ok(())
}

pub(super) fn connections_v6(_: &Kernel) -> Result<()> {
    let filters = "[{index: 0, operator: DAddr, values: ['::1', 127.0.0.0/8]}]";
    let mut agent = Setup::new()?.policy(&policy("connect", "tcp_connect", (0, "sock"), filters))?.start()?;
    let (_listener, address) = listener("::1")?;
    let ended = succeeded(trigger::connect(address)?)?;
    let sock = argument(&mut agent, &ended, "tcp_connect")?["sock_arg"].clone();
    ensure!(
        sock["family"] == "AF_INET6" && sock["daddr"] == "::1" && sock["saddr"] == "::1",
        "socket: {sock}"
    );
    // An IPv6 socket that talks IPv4 is no way around a filter on IPv4 addresses.
    let (_listener, address) = listener("127.0.0.1")?;
    let mapped: SocketAddr = format!("[::ffff:127.0.0.1]:{}", address.port()).parse()?;
    let ended = succeeded(trigger::connect(mapped)?)?;
    let sock = argument(&mut agent, &ended, "tcp_connect")?["sock_arg"].clone();
    ensure!(sock["family"] == "AF_INET6" && sock["daddr"] == "::ffff:127.0.0.1", "socket: {sock}");
    agent.stop()?;
    Ok(())
}

pub(super) fn socket_operators(_: &Kernel) -> Result<()> {
    let (_listener, address) = listener("127.0.0.1")?;
    let port = address.port();
    let cases = [
        case("SAddr, values: [127.0.0.1]", true),
        case("NotSAddr, values: [127.0.0.1]", false),
        case("DAddr, values: [10.0.0.0/8, 127.0.0.1/32]", true),
        case("DAddr, values: ['::/96', 10.0.0.0/8]", false),
        case("NotDAddr, values: [10.0.0.0/8]", true),
        case("NotDAddr, values: [127.0.0.1]", false),
        case("SPort, values: [1]", false),
        case("NotSPort, values: [1]", true),
        case("SPortPriv", false),
        case("NotSportPriv", true),
        case(format!("DPort, values: [1, {port}]"), true),
        case(format!("DPort, values: ['1:{}']", port - 1), false),
        case(format!("NotDPort, values: [{port}]"), false),
        case("DPortPriv", false),
        case("NotDPortPriv", true),
        case("Protocol, values: [IPPROTO_TCP]", true),
        case("Protocol, values: [IPPROTO_UDP, 1]", false),
        case("Family, values: [AF_INET]", true),
        case("Family, values: [AF_INET6]", false),
        case("State, values: [TCP_SYN_SENT]", true),
        case("State, values: [TCP_ESTABLISHED]", false),
    ];
    check_operators("tcp_connect", (0, "sock"), &cases, || succeeded(trigger::connect(address)?))
}

/// The shipped policy reports sockets that begin to listen.
pub(super) fn listen(_: &Kernel) -> Result<()> {
    let address: SocketAddr = "127.0.0.1:31337".parse()?;
    let other: SocketAddr = "127.0.0.1:31338".parse()?;
    let filters = "[{index: 0, operator: SPort, values: [1337, 31337]}]";
    let by_port = policy("by-port", "inet_csk_listen_start", (0, "sock"), filters);
    // A socket is handed to listen(2) as another structure, which leads to the same.
    let filters = "[{index: 0, operator: SPort, values: [31337]}]";
    let socket = policy("socket", "inet_listen", (0, "socket"), filters);
    let setup = Setup::new()?.policy(&shipped("tcp-listen.yaml")?)?.policy(&by_port)?.policy(&socket)?;
    let mut agent = setup.start()?;
    let listened = succeeded(trigger::listen(address)?)?;
    let elsewhere = succeeded(trigger::listen(other)?)?;
    agent.settle()?;
    for hit in agent.hits_of(listened.pid) {
        let sock = &hit["args"][0]["sock_arg"];
        ensure!(sock["saddr"] == "127.0.0.1" && sock["sport"] == 31337, "socket: {sock}");
        ensure!(sock["type"] == "SOCK_STREAM" && sock["protocol"] == "IPPROTO_TCP", "socket: {sock}");
    }
    let policies = |pid| -> BTreeSet<_> {
        agent.hits_of(pid).iter().filter_map(|hit| hit["policy_name"].as_str()).collect()
    };
    ensure!(
        policies(listened.pid) == ["by-port", "socket", "tcp-listen"].into(),
        "{:?}",
        policies(listened.pid)
    );
    ensure!(policies(elsewhere.pid) == ["tcp-listen"].into(), "{:?}", policies(elsewhere.pid));
    agent.stop()?;
    Ok(())
}

/// The shipped policy reports connections that were accepted, whoever runs when the last packet arrives.
pub(super) fn accept(_: &Kernel) -> Result<()> {
    let mut agent = Setup::new()?.policy(&shipped("tcp-accept.yaml")?)?.start()?;
    let (_listener, address) = listener("127.0.0.1")?;
    succeeded(trigger::connect(address)?)?;
    for (function, state) in [("tcp_create_openreq_child", "TCP_LISTEN"), ("tcp_set_state", "TCP_SYN_RECV")] {
        let event = agent.wait_for(function, |event| {
            let hit = &event["process_kprobe"];
            hit["function_name"] == function && hit["args"][0]["sock_arg"]["sport"] == address.port()
        })?;
        let sock = &event["process_kprobe"]["args"][0]["sock_arg"];
        ensure!(sock["state"] == state, "{function}: {sock}");
    }
    agent.settle()?;
    let changes: Vec<_> = agent
        .events
        .iter()
        .map(|event| &event["process_kprobe"])
        .filter(|hit| hit["function_name"] == "tcp_set_state")
        .collect();
    let accepted = |hit: &&&Value| {
        hit["args"][0]["sock_arg"]["state"] == "TCP_SYN_RECV" && hit["args"][1]["int_arg"] == 1
    };
    ensure!(changes.iter().all(|hit| accepted(&hit)), "other changes were reported as well: {changes:?}");
    agent.stop()?;
    Ok(())
}

/// What the network does with a socket while another process runs belongs to the one that owns the socket.
pub(super) fn tracked(_: &Kernel) -> Result<()> {
    let setup =
        Setup::new()?.policy(&shipped("socket-tracking.yaml")?)?.policy(&shipped("tcp-accept.yaml")?)?;
    let mut agent = setup.start()?;
    let (_listener, address) = listener("127.0.0.1")?;
    let connected = succeeded(trigger::connect(address)?)?;
    agent.settle()?;
    let of = |pid: u32, function: &str| {
        let hits = agent.hits_of(pid);
        hits.into_iter().filter(|hit| hit["function_name"] == function).collect::<Vec<_>>()
    };
    let this = std::process::id();
    for function in ["tcp_create_openreq_child", "tcp_set_state"] {
        let accepted = of(this, function);
        // A slow machine may have the handshake's last packet sent again.
        ensure!(!accepted.is_empty(), "no {function} of the process that listens");
        ensure!(of(connected.pid, function).is_empty(), "{function} is shown as the connecting process's");
    }
    agent.stop()?;
    Ok(())
}

/// A socket that is returned is reported and can be compared; it is tracked from then on until it is untracked.
pub(super) fn returned(_: &Kernel) -> Result<()> {
    let policy = |name: &str, action: &str, filter: &str| {
        format!(
            "\
apiVersion: cilium.io/v1alpha1
kind: TracingPolicy
metadata: {{name: {name}}}
spec:
  kprobes:
  - call: tcp_create_openreq_child
    syscall: false
    args: [{{index: 0, type: sock}}]
    return: true
    returnArg: {{index: 0, type: sock, label: new}}
    returnArgAction: {action}
    selectors: [matchReturnArgs: [{{index: 0, operator: {filter}}}]]
"
        )
    };
    let setup = Setup::new()?
        .policy(&policy("all", "TrackSock", "Family, values: [AF_INET]"))?
        .policy(&policy("none", "UntrackSock", "Family, values: [AF_INET6]"))?;
    let mut agent = setup.start()?;
    let (_listener, address) = listener("127.0.0.1")?;
    succeeded(trigger::connect(address)?)?;
    let event =
        agent.wait_for("what was returned", |event| event["process_kprobe"]["policy_name"] == "all")?;
    let new = &event["process_kprobe"]["return"];
    ensure!(new["label"] == "new", "returned: {new}");
    let sock = &new["sock_arg"];
    ensure!(sock["sport"] == address.port() && sock["state"] == "TCP_SYN_RECV", "returned: {new}");
    agent.settle()?;
    let wrong = agent.events.iter().find(|event| event["process_kprobe"]["policy_name"] == "none");
    ensure!(wrong.is_none(), "reported though what was returned does not match: {wrong:?}");
    agent.stop()?;
    Ok(())
}
