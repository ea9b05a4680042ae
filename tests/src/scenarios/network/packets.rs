//! Packets.

use std::fs::File;
use std::net::UdpSocket;

use anyhow::{Context, Result, ensure};
use serde_json::json;

use super::{case, check_operators, listener, shipped, succeeded};
use crate::agent::Setup;
use crate::bpf::EmptyProgram;
use crate::kernel::Kernel;
use crate::trigger;

/// The kernel looks at packets by the hooked function only if somebody has a program there.
fn filtered_cgroup() -> Result<EmptyProgram> {
    let cgroup = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"]
        .iter()
        .find(|path| std::path::Path::new(path).join("cgroup.procs").exists())
        .context("no unified hierarchy of cgroups")?;
    EmptyProgram::on_packets_of(&File::open(cgroup)?).context("cannot attach a program to a cgroup's packets")
}

/// The shipped policy reports datagrams to this host's own address.
pub(super) fn datagrams(_: &Kernel) -> Result<()> {
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

pub(super) fn packet_operators(_: &Kernel) -> Result<()> {
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
