//! Addresses that system calls are given.

use std::os::unix::net::UnixListener;

use anyhow::{Result, ensure};
use serde_json::json;

use super::{argument, case, check_operators, listener, policy, succeeded};
use crate::agent::Setup;
use crate::kernel::Kernel;
use crate::trigger;

pub(super) fn address(_: &Kernel) -> Result<()> {
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

pub(super) fn unix_address(_: &Kernel) -> Result<()> {
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

pub(super) fn address_operators(_: &Kernel) -> Result<()> {
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
