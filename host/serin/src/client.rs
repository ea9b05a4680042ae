//! Commands for an agent that runs, over its API.

mod events;
mod policy;

use std::path::Path;

use anyhow::{Error, Result};
use serin_api::client::{self, Client};
use tokio::runtime::Builder;
use tonic::Status;

pub(crate) use self::events::events;
pub(crate) use self::policy::{add, configure, delete, list};

/// Does something with a connection.
fn with_client<T>(socket: &Path, work: impl AsyncFnOnce(Client) -> Result<T>) -> Result<T> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async { work(client::connect(socket).await?).await })
}

/// What the agent says is wrong, without what gRPC says about it.
fn said(status: Status) -> Error {
    Error::msg(status.message().to_owned())
}
