//! What `serin status` asks over the API.

use anyhow::Result;
use serin_api::client::Address;
use serin_api::proto::GetStatusRequest;

use super::{said, with_client};

/// The status of an agent, as JSON.
pub(crate) fn status(address: &Address) -> Result<String> {
    with_client(address, async |mut client| {
        Ok(client.get_status(GetStatusRequest {}).await.map_err(said)?.into_inner().json)
    })
}
