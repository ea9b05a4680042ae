//! Sockets, packets and addresses: read by every type, matched by every operator.

mod addresses;
mod packets;
mod sockets;

use std::collections::BTreeSet;
use std::net::{SocketAddr, TcpListener};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::{Scenario, scenario};
use crate::agent::{Agent, Setup};
use crate::kernel::Kernel;
use crate::trigger::Ended;

pub(crate) fn scenarios() -> Vec<Scenario> {
    vec![
        scenario("network::an_address_of_a_system_call", addresses::address),
        scenario("network::an_address_of_a_unix_socket", addresses::unix_address),
        scenario("network::every_operator_of_an_address", addresses::address_operators),
        scenario("network::connections_by_address", sockets::connections).needs(Kernel::function_hooks),
        scenario("network::connections_over_ipv6", sockets::connections_v6).needs(Kernel::function_hooks),
        scenario("network::every_operator_of_a_socket", sockets::socket_operators)
            .needs(Kernel::function_hooks),
        scenario("network::listening_sockets", sockets::listen).needs(Kernel::function_hooks),
        scenario("network::accepted_connections", sockets::accept).needs(Kernel::function_hooks),
        scenario("network::tracked_sockets_show_their_owners", sockets::tracked)
            .needs(Kernel::function_hooks),
        scenario("network::what_is_done_with_a_returned_socket", sockets::returned)
            .needs(Kernel::function_hooks),
        scenario("network::datagrams", packets::datagrams).needs(Kernel::function_hooks),
        scenario("network::every_operator_of_a_packet", packets::packet_operators)
            .needs(Kernel::function_hooks),
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
