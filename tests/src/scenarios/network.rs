//! Sockets, packets and addresses: read by every type, matched by every operator.

use std::collections::BTreeSet;
use std::fs::File;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::unix::net::UnixListener;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::{Scenario, scenario};
use crate::agent::{Agent, Setup};
use crate::bpf::EmptyProgram;
use crate::kernel::Kernel;
use crate::trigger::{self, Ended};

pub(crate) fn scenarios() -> Vec<Scenario> {
    vec![
        scenario("network::an_address_of_a_system_call", address),
        scenario("network::an_address_of_a_unix_socket", unix_address),
        scenario("network::every_operator_of_an_address", address_operators),
        scenario("network::connections_by_address", connections).needs(Kernel::function_hooks),
        scenario("network::connections_over_ipv6", connections_v6).needs(Kernel::function_hooks),
        scenario("network::every_operator_of_a_socket", socket_operators).needs(Kernel::function_hooks),
        scenario("network::listening_sockets", listen).needs(Kernel::function_hooks),
        scenario("network::accepted_connections", accept).needs(Kernel::function_hooks),
        scenario("network::tracked_sockets_show_their_owners", tracked).needs(Kernel::function_hooks),
        scenario("network::what_is_done_with_a_returned_socket", returned).needs(Kernel::function_hooks),
        scenario("network::datagrams", datagrams).needs(Kernel::function_hooks),
        scenario("network::every_operator_of_a_packet", packet_operators).needs(Kernel::function_hooks),
    ]
}

/// A policy with one hook that reads one argument; `filters` is YAML of a list in a line.
fn policy(name: &str, call: &str, (index, kind): (u8, &str), filters: &str) -> String {
    let syscall = call.starts_with("sys_");
    format!(
        "\
apiVersion: cilium.io/v1alpha1
kind: TracingPolicy
metadata: {{name: {name}}}
spec:
  kprobes:
  - call: {call}
    syscall: {syscall}
    args: [{{index: {index}, type: {kind}}}]
    selectors:
    - matchArgs: {filters}
"
    )
}

/// A policy of the library.
fn shipped(name: &str) -> Result<String> {
    let path = crate::root().join("policies/functions").join(name);
    std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
}

/// The port of a socket that listens on an address of this host.
fn listener(address: &str) -> Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind((address, 0)).with_context(|| format!("cannot listen on {address}"))?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

fn succeeded(ended: Ended) -> Result<Ended> {
    ensure!(ended.errno == Some(0), "the trigger failed: {ended:?}");
    Ok(ended)
}

/// The first argument of a process's first call of this function.
fn argument(agent: &mut Agent, ended: &Ended, function: &str) -> Result<Value> {
    let event = agent.wait_for(function, |event| {
        let hit = &event["process_kprobe"];
        hit["process"]["pid"] == ended.pid && hit["function_name"] == function
    })?;
    Ok(event["process_kprobe"]["args"][0].clone())
}

/// Loads a policy for each case, named by its number, and holds those that match against the cases that should.
fn check_operators(
    call: &str,
    argument: (u8, &str),
    cases: &[(String, bool)],
    trigger: impl FnOnce() -> Result<Ended>,
) -> Result<()> {
    let mut setup = Setup::new()?;
    for (number, (filter, _)) in cases.iter().enumerate() {
        let (index, _) = argument;
        let filters = format!("[{{index: {index}, operator: {filter}}}]");
        setup = setup.policy(&policy(&format!("case-{number}"), call, argument, &filters))?;
    }
    let mut agent = setup.start()?;
    let ended = trigger()?;
    agent.settle()?;
    let matched: BTreeSet<_> =
        agent.hits_of(ended.pid).iter().filter_map(|hit| hit["policy_name"].as_str()).collect();
    for (number, (filter, expected)) in cases.iter().enumerate() {
        let found = matched.contains(format!("case-{number}").as_str());
        ensure!(found == *expected, "`{filter}`: matched is {found}");
    }
    agent.stop()?;
    Ok(())
}

fn case(filter: impl Into<String>, expected: bool) -> (String, bool) {
    (filter.into(), expected)
}

fn address(_: &Kernel) -> Result<()> {
    let filters = "[{index: 1, operator: SAddr, values: [127.0.0.1, '::1']}]";
    let mut agent =
        Setup::new()?.policy(&policy("connect", "sys_connect", (1, "sockaddr"), filters))?.start()?;
    for (to, family) in [("127.0.0.1", "AF_INET"), ("::1", "AF_INET6")] {
        let (_listener, address) = listener(to)?;
        let ended = succeeded(trigger::connect(address)?)?;
        let argument = argument(&mut agent, &ended, "__x64_sys_connect")?;
        let expected = json!({ "family": family, "addr": to, "port": address.port() });
        ensure!(argument["sockaddr_arg"] == expected, "argument: {argument}");
    }
    let (_listener, other) = listener("127.0.0.2")?;
    let missed = succeeded(trigger::connect(other)?)?;
    agent.settle()?;
    ensure!(agent.hits_of(missed.pid).is_empty(), "another address was reported");
    agent.stop()?;
    Ok(())
}

fn unix_address(_: &Kernel) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("socket").to_string_lossy().into_owned();
    let _listener = UnixListener::bind(&path)?;
    let filters = format!("[{{index: 1, operator: Equal, values: ['{path}', '@serin-test']}}]");
    let connect = policy("connect", "sys_connect", (1, "sockaddr_un"), &filters);
    let mut agent = Setup::new()?.policy(&connect)?.start()?;
    let missed = trigger::connect_unix("@serin-other")?;
    // Nobody listens on an abstract name, but the hook runs before that is found out.
    for name in [path.as_str(), "@serin-test"] {
        let ended = trigger::connect_unix(name)?;
        let argument = argument(&mut agent, &ended, "__x64_sys_connect")?;
        let expected = json!({ "family": "AF_UNIX", "path": name });
        ensure!(argument["sockaddrun_arg"] == expected, "argument: {argument}");
    }
    agent.settle()?;
    ensure!(agent.hits_of(missed.pid).is_empty(), "another name was reported");
    agent.stop()?;
    let cases = [
        case("Family, values: [AF_UNIX]", true),
        case("Family, values: [AF_INET]", false),
        case("Prefix, values: ['@serin']", true),
        case("NotPrefix, values: ['@serin']", false),
        case("Postfix, values: [test]", true),
        case("SubString, values: [n-t]", true),
        case("NotEqual, values: ['@serin-test']", false),
    ];
    check_operators("sys_connect", (1, "sockaddr_un"), &cases, || trigger::connect_unix("@serin-test"))?;
    // What has neither addresses nor ports is matched by no operator of them, negated or not.
    let cases = [
        case("SAddr, values: [0.0.0.0/0, '::/0']", false),
        case("NotSAddr, values: [10.0.0.1]", false),
        case("NotSPort, values: [1]", false),
        case("SPortPriv", false),
        case("Family, values: [1]", true),
    ];
    check_operators("sys_connect", (1, "sockaddr"), &cases, || trigger::connect_unix("@serin-test"))
}

fn address_operators(_: &Kernel) -> Result<()> {
    let (_listener, address) = listener("127.0.0.1")?;
    let port = address.port();
    let cases = [
        case("SAddr, values: [127.0.0.1]", true),
        case("SAddr, values: [10.0.0.0/8, 127.0.0.0/8]", true),
        case("SAddr, values: [10.0.0.0/8, '::/96', '::1']", false),
        case("NotSAddr, values: [10.0.0.0/8]", true),
        case("NotSAddr, values: [127.0.0.1/8]", false),
        case(format!("SPort, values: [1, {port}]"), true),
        case(format!("SPort, values: ['1:{}']", port - 1), false),
        case(format!("NotSPort, values: ['{port}:65535']"), false),
        case("NotSPort, values: [1]", true),
        case("SPortPriv", false),
        case("NotSportPriv", true),
        case("Family, values: [AF_INET]", true),
        case("Family, values: [AF_INET6, 1]", false),
    ];
    check_operators("sys_connect", (1, "sockaddr"), &cases, || succeeded(trigger::connect(address)?))
}

/// The shipped policy reports who opens and closes connections to this host's own address.
fn connections(_: &Kernel) -> Result<()> {
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

fn connections_v6(_: &Kernel) -> Result<()> {
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

fn socket_operators(_: &Kernel) -> Result<()> {
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
fn listen(_: &Kernel) -> Result<()> {
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
fn accept(_: &Kernel) -> Result<()> {
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
fn tracked(_: &Kernel) -> Result<()> {
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
fn returned(_: &Kernel) -> Result<()> {
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

/// The kernel looks at packets by the hooked function only if somebody has a program there.
fn filtered_cgroup() -> Result<EmptyProgram> {
    let cgroup = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"]
        .iter()
        .find(|path| std::path::Path::new(path).join("cgroup.procs").exists())
        .context("no unified hierarchy of cgroups")?;
    EmptyProgram::on_packets_of(&File::open(cgroup)?).context("cannot attach a program to a cgroup's packets")
}

/// The shipped policy reports datagrams to this host's own address.
fn datagrams(_: &Kernel) -> Result<()> {
    let _program = filtered_cgroup()?;
    let receiver = UdpSocket::bind("127.0.0.1:0")?;
    let mut agent = Setup::new()?.policy(&shipped("udp-datagrams.yaml")?)?.start()?;
    let ended = succeeded(trigger::send(receiver.local_addr()?)?)?;
    let other = UdpSocket::bind("127.0.0.2:0")?;
    let missed = succeeded(trigger::send(other.local_addr()?)?)?;
    let (_listener, address) = listener("127.0.0.1")?;
    let tcp = succeeded(trigger::connect(address)?)?;
    agent.settle()?;
    let hits = agent.hits_of(ended.pid);
    let hit = hits.first().context("no datagram was reported")?;
    let packet = &hit["args"][1]["skb_arg"];
    ensure!(packet["family"] == "AF_INET" && packet["protocol"] == "IPPROTO_UDP", "packet: {packet}");
    ensure!(packet["saddr"] == "127.0.0.1" && packet["daddr"] == "127.0.0.1", "packet: {packet}");
    ensure!(packet["dport"] == receiver.local_addr()?.port() && packet["proto"] == 17, "packet: {packet}");
    // 20 bytes of IP, 8 of UDP, 5 of text.
    ensure!(packet["len"] == 33, "packet: {packet}");
    let sock = &hit["args"][0]["sock_arg"];
    ensure!(sock["type"] == "SOCK_DGRAM" && sock["sport"] == packet["sport"], "socket: {sock}");
    // BPF_CGROUP_INET_EGRESS
    ensure!(hit["args"][2] == json!({ "int_arg": 1, "label": "send" }), "direction: {hit}");
    for missed in [missed, tcp] {
        ensure!(agent.hits_of(missed.pid).is_empty(), "reported as well: {missed:?}");
    }
    agent.stop()?;
    Ok(())
}

fn packet_operators(_: &Kernel) -> Result<()> {
    let _program = filtered_cgroup()?;
    for (address, other, family, ports) in
        [("127.0.0.1", "127.0.0.2", "AF_INET", "127.0.0.0/8"), ("::1", "::2", "AF_INET6", "::/64")]
    {
        let receiver = UdpSocket::bind((address, 0))?;
        let to = receiver.local_addr()?;
        let port = to.port();
        let cases = [
            case(format!("SAddr, values: ['{address}']"), true),
            case(format!("NotSAddr, values: ['{address}']"), false),
            case(format!("DAddr, values: ['{ports}']"), true),
            case(format!("DAddr, values: ['{other}']"), false),
            case(format!("NotDAddr, values: ['{other}']"), true),
            case(format!("DPort, values: [{port}]"), true),
            case(format!("NotDPort, values: ['{port}:65535']"), false),
            case("SPort, values: ['1:65535']", true),
            case("SPortPriv", false),
            case("Protocol, values: [IPPROTO_UDP]", true),
            case("Protocol, values: [IPPROTO_TCP]", false),
            case(format!("Family, values: [{family}]"), true),
            case("Family, values: [AF_UNIX]", false),
        ];
        check_operators("__cgroup_bpf_run_filter_skb", (1, "skb"), &cases, || succeeded(trigger::send(to)?))?;
    }
    Ok(())
}
