//! The API over TCP, for clients with certificates.

use std::fs::{Permissions, set_permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Output, Stdio};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::client::{follow, same_event};
use super::{Scenario, scenario};
use crate::agent::{Agent, Setup};
use crate::certificates::Authority;
use crate::kernel::Kernel;
use crate::policy::{PASSWD, on_symlinkat};

pub(crate) fn scenarios() -> Vec<Scenario> {
    vec![
        scenario("remote::commands_work_with_a_certificate", commands),
        scenario("remote::certificates_are_replaced_while_clients_follow", renewal),
        scenario("remote::without_certificates_nothing_is_served", refusals),
    ]
}

/// What serves the API over TCP.
fn serving(authority: &Authority) -> [String; 8] {
    let file = |name| authority.file(name);
    let [address, cert, key, ca] = ["--api-address", "--api-cert", "--api-key", "--api-client-ca"];
    [
        address.into(),
        "127.0.0.1:0".into(),
        cert.into(),
        file("server.pem"),
        key.into(),
        file("server.key"),
        ca.into(),
        file("ca.pem"),
    ]
}

/// An agent that serves the API over TCP with the policy `links`, and where.
pub(super) fn start(authority: &Authority) -> Result<(Agent, String)> {
    authority.sign("server")?;
    let setup = Setup::new()?.policy(&on_symlinkat("links", PASSWD))?.arguments(serving(authority));
    let agent = setup.start()?;
    let words = "the API is served on ";
    let line = agent.log.iter().find_map(|line| Some(line.split_once(words)?.1.to_owned()));
    let address = line.and_then(|line| Some(line.split(' ').next()?.to_owned()));
    Ok((agent, format!("https://{}", address.context("no address in the log")?)))
}

/// A command of serin's as a client with this certificate.
fn serin(url: &str, authority: &Authority, client: &Authority, arguments: &[&str]) -> Command {
    let mut command = Command::new(crate::root().join("target/release/serin"));
    command.args(arguments).args(["--server", url, "--ca", &authority.file("ca.pem")]);
    command.args(["--cert", &client.file("client.pem"), "--key", &client.file("client.key")]);
    command.stdin(Stdio::null());
    command
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

fn commands(_: &Kernel) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let authority = Authority::new(folder.path())?;
    authority.sign("client")?;
    let (mut agent, url) = start(&authority)?;
    let list = serin(&url, &authority, &authority, &["policy", "list", "--json"]).output()?;
    let listed: Value = serde_json::from_slice(&list.stdout).with_context(|| said(&list))?;
    ensure!(listed["policies"][0]["name"] == "links", "{listed}");
    let status = serin(&url, &authority, &authority, &["status", "--json"]).output()?;
    let status: Value = serde_json::from_slice(&status.stdout).with_context(|| said(&status))?;
    ensure!(status["ready"] == true && status["policies"][0]["name"] == "links", "{status}");
    let events = serin(&url, &authority, &authority, &["events", "--policy", "links"]);
    let (mut following, lines) = follow(events)?;
    same_event(&mut agent, &mut following, &lines)?;
    let stranger = Authority::new(&folder.path().join("stranger"))?;
    stranger.sign("client")?;
    for arguments in
        [&["policy", "list"][..], &["plugin", "list"], &["plugin", "reload"], &["log-level", "off"]]
    {
        let refused = serin(&url, &authority, &stranger, arguments).output()?;
        ensure!(refused.status.code() == Some(1), "a stranger was served: {}", said(&refused));
    }
    for (arguments, answer) in [
        (&["plugin", "list", "--json"][..], "{}"),
        (&["plugin", "reload"], "0 plugins reloaded"),
        (&["log-level"], "info"),
    ] {
        let output = serin(&url, &authority, &authority, arguments).output()?;
        ensure!(
            output.status.success() && said(&output).trim() == answer,
            "{arguments:?}: {}",
            said(&output)
        );
    }
    agent.stop()?;
    ensure!(following.wait()?.success(), "following did not end with the agent");
    Ok(())
}

/// First by a change of the files, then by SIGHUP.
fn renewal(_: &Kernel) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let authority = Authority::new(folder.path())?;
    authority.sign("client")?;
    let (mut agent, url) = start(&authority)?;
    let (mut following, lines) =
        follow(serin(&url, &authority, &authority, &["events", "--policy", "links"]))?;
    same_event(&mut agent, &mut following, &lines)?;
    std::fs::write(authority.file("server.pem"), "nonsense")?;
    agent.wait_for_log(
        "the API's certificates were not reloaded, those before go on: there is no CERTIFICATE in",
    )?;
    let list = || serin(&url, &authority, &authority, &["policy", "list"]).output();
    let listed = list()?;
    ensure!(listed.status.success(), "a bad certificate took the place of a good one: {}", said(&listed));
    for again in [false, true] {
        authority.sign("server")?;
        agent.log.clear();
        if again {
            agent.signal(rustix::process::Signal::HUP)?;
        }
        agent.wait_for_log("the API's certificates were reloaded")?;
        let listed = list()?;
        ensure!(listed.status.success(), "{}", said(&listed));
    }
    same_event(&mut agent, &mut following, &lines)?;
    agent.stop()?;
    ensure!(following.wait()?.success(), "following did not end with the agent");
    Ok(())
}

fn refusals(_: &Kernel) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let authority = Authority::new(folder.path())?;
    authority.sign("server")?;
    let log = Setup::new()?.arguments(["--api-address", "127.0.0.1:0"]).refusal()?;
    ensure!(log.contains("api-address needs api-cert, api-key and api-client-ca"), "{log}");
    let key = authority.file("server.key");
    set_permissions(&key, Permissions::from_mode(0o644))?;
    let log = Setup::new()?.arguments(serving(&authority)).refusal()?;
    ensure!(log.contains(&format!("run `chmod 0600 {key}`")), "{log}");
    Ok(())
}
