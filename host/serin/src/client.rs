//! Commands for an agent that runs, over its API.

mod events;
mod log_level;
mod plugin;
mod policy;
mod record;
mod status;

use std::error::Error as _;

use anyhow::{Error, Result};
use serin_api::client::{self, Address, Client, OwnClient};
use tokio::runtime::Builder;
use tonic::Status;

pub(crate) use self::events::{Following, Output, colours, events};
pub(crate) use self::log_level::{Level, log_level};
pub(crate) use self::plugin::{list as list_plugins, reload};
pub(crate) use self::policy::{add, check, configure, delete, list};
pub(crate) use self::record::record;
pub(crate) use self::status::status;

/// Does something with a connection.
fn with_client<T>(address: &Address, work: impl AsyncFnOnce(Client) -> Result<T>) -> Result<T> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async { work(client::connect(address).await?).await })
}

/// Does something with a connection to serin's own service.
fn with_own_client<T>(address: &Address, work: impl AsyncFnOnce(OwnClient) -> Result<T>) -> Result<T> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async { work(client::connect_own(address).await?).await })
}

/// What the agent says is wrong, without what gRPC says about it; or why it can't be asked.
fn said(status: Status) -> Error {
    let mut message = status.message().to_owned();
    let mut source = status.source();
    while let Some(error) = source {
        message = error.to_string();
        source = error.source();
    }
    Error::msg(message)
}
