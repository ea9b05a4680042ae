//! `serin events`

use std::io::{self, ErrorKind, IsTerminal as _, Write};
use std::time::Duration;

use anyhow::{Context, Result};
use serin_api::client::Address;
use serin_api::json;
use serin_api::proto::{AggregationOptions, EventType, Filter, GetEventsRequest, GetEventsResponse};
use serin_export::compact;

use super::{said, with_client};

/// Kinds of events that Tetragon has not.
const OWN: &[EventType] =
    &[EventType::Loss, EventType::ActionResult, EventType::Alert, EventType::PluginError];

/// How events are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Output {
    /// JSON lines
    Json,
    /// One short line each, for reading along; coloured on a terminal
    Compact,
}

/// What to ask the agent for, and how to print it.
pub(crate) struct Following {
    pub(crate) filter: Filter,
    /// Have equal events come once in a window of this length.
    pub(crate) window: Option<Duration>,
    pub(crate) output: Output,
}

/// Prints events until the agent ends or nobody reads them.
pub(crate) fn events(address: &Address, following: Following) -> Result<()> {
    let Following { filter, window, output } = following;
    let options =
        |size: Duration| AggregationOptions { window_size: size.try_into().ok(), channel_buffer_size: 0 };
    let request = GetEventsRequest {
        allow_list: allowing(filter),
        aggregation_options: window.map(options),
        ..GetEventsRequest::default()
    };
    with_client(address, async |mut client| {
        let mut events = client.get_events(request).await.map_err(said)?.into_inner();
        while let Some(event) = events.message().await.map_err(said)? {
            let mut line = line(event, output)?;
            line.push('\n');
            match io::stdout().lock().write_all(line.as_bytes()) {
                Err(error) if error.kind() == ErrorKind::BrokenPipe => return Ok(()),
                written => written?,
            }
        }
        Ok(())
    })
}

/// An event as it is printed.
fn line(mut event: GetEventsResponse, output: Output) -> Result<String> {
    let unprintable = "the agent sent what can't be printed";
    if output == Output::Json {
        return json(&event).context(unprintable);
    }
    // Events do not know it, only messages do.
    let count = event.aggregation_info.take().map_or(1, |info| info.count);
    let text = json(&event).context(unprintable)?;
    let line = compact(&serin_event::json::read(&text).context(unprintable)?, colours());
    Ok(if count > 1 { format!("{line} ×{count}") } else { line })
}

/// Whether compact lines are coloured: <https://no-color.org>.
pub(crate) fn colours() -> bool {
    io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// The filter, and another one for serin's own kinds of events, which must be asked for by name. Losses always come, as
/// they may be of anything.
pub(super) fn allowing(filter: Filter) -> Vec<Filter> {
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
    use serin_api::proto::get_events_response::Event as Kind;
    use serin_api::proto::{AggregationInfo, Process, ProcessExec};

    use super::*;

    #[test]
    fn lines_are_json_or_compact() -> Result<()> {
        let process = Process { pid: Some(7), binary: "/bin/ls".into(), ..Process::default() };
        let event = GetEventsResponse {
            event: Some(Kind::ProcessExec(ProcessExec { process: Some(process), parent: None })),
            node_name: "gull".into(),
            time: Some(Default::default()),
            aggregation_info: Some(AggregationInfo { count: 3 }),
            ..GetEventsResponse::default()
        };
        assert_eq!(line(event.clone(), Output::Compact)?, "🚀 process gull /bin/ls ×3");
        let json: serde_json::Value = serde_json::from_str(&line(event, Output::Json)?)?;
        assert_eq!(json["aggregation_info"]["count"], "3");
        Ok(())
    }

    #[test]
    fn losses_come_in_any_case_and_all_that_is_our_own_with_everything() {
        let own = |filter| allowing(filter).pop().map(|filter| filter.event_set);
        let numbers = |kinds: &[EventType]| Some(kinds.iter().map(|kind| i32::from(*kind)).collect());
        assert_eq!(own(Filter::default()), numbers(OWN));
        assert_eq!(own(Filter { pid: vec![1], ..Filter::default() }), numbers(&[EventType::Loss]));
    }
}
