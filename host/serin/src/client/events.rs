//! `serin events`

use std::io::{self, ErrorKind, Write};
use std::path::Path;

use anyhow::{Context, Result};
use serin_api::json;
use serin_api::proto::{EventType, Filter, GetEventsRequest};

use super::{said, with_client};

/// Kinds of events that Tetragon has not.
const OWN: &[EventType] =
    &[EventType::Loss, EventType::ActionResult, EventType::Alert, EventType::PluginError];

/// Prints events as JSON lines until the agent ends or nobody reads them.
pub(crate) fn events(socket: &Path, filter: Filter) -> Result<()> {
    let request = GetEventsRequest { allow_list: allowing(filter), ..GetEventsRequest::default() };
    with_client(socket, async |mut client| {
        let mut events = client.get_events(request).await.map_err(said)?.into_inner();
        while let Some(event) = events.message().await.map_err(said)? {
            let mut line = json(&event).context("the agent sent what can't be printed")?;
            line.push('\n');
            match io::stdout().lock().write_all(line.as_bytes()) {
                Err(error) if error.kind() == ErrorKind::BrokenPipe => return Ok(()),
                written => written?,
            }
        }
        Ok(())
    })
}

/// The filter, and another one for serin's own kinds of events, which must be asked for by name. Losses always come, as
/// they may be of anything.
fn allowing(filter: Filter) -> Vec<Filter> {
    let of_kinds = |kinds: &[EventType]| Filter {
        event_set: kinds.iter().map(|kind| (*kind).into()).collect(),
        ..Filter::default()
    };
    let everything = filter == Filter::default();
    let own = if everything { OWN } else { &[EventType::Loss] };
    vec![filter, of_kinds(own)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn losses_come_in_any_case_and_all_that_is_our_own_with_everything() {
        let own = |filter| allowing(filter).pop().map(|filter| filter.event_set);
        let numbers = |kinds: &[EventType]| Some(kinds.iter().map(|kind| i32::from(*kind)).collect());
        assert_eq!(own(Filter::default()), numbers(OWN));
        assert_eq!(own(Filter { pid: vec![1], ..Filter::default() }), numbers(&[EventType::Loss]));
    }
}
