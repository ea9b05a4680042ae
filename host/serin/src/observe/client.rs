//! `serin status`: asks a running agent.

use std::io::{IsTerminal as _, Read as _, Write as _};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use super::endpoint::connect;
use super::snapshot::Snapshot;
use super::{Endpoint, table};
use crate::cli::StatusArguments;

/// How long an agent may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Prints what an agent says of itself, as a table or as JSON.
///
/// # Errors
/// Nobody answers, or the agent is not ready.
pub(crate) fn status(arguments: &StatusArguments) -> Result<()> {
    let body = match arguments.server.address() {
        None => ask(&arguments.metrics)?,
        Some(address) => crate::client::status(&address)?,
    };
    let snapshot: Snapshot =
        serde_json::from_str(&body).context("the answer is of another version's agent")?;
    if arguments.json {
        println!("{body}");
    } else {
        print!("{}", table::render(&snapshot, std::io::stdout().is_terminal()));
    }
    ensure!(snapshot.ready, "the agent is starting or ending");
    Ok(())
}

fn ask(endpoint: &Endpoint) -> Result<String> {
    let no_agent = || format!("no agent answers on {endpoint}; another endpoint is chosen by --metrics");
    let mut stream = connect(endpoint, PATIENCE).with_context(no_agent)?;
    stream
        .write_all(b"GET /status HTTP/1.1\r\nHost: serin\r\nConnection: close\r\n\r\n")
        .with_context(no_agent)?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).with_context(no_agent)?;
    let Some((head, body)) = answer.split_once("\r\n\r\n") else { bail!("no answer on {endpoint}") };
    let status = head.lines().next().unwrap_or_default();
    ensure!(status.contains(" 200 "), "{endpoint} answers {status}");
    Ok(body.to_owned())
}
