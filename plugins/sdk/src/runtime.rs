//! What [`export!`](crate::export) calls.

use serde::de::DeserializeOwned;
use serin_frame::{Frame, SCHEMA};

pub use crate::bindings::serin::plugin::types::{Info, Outcome as Effects};
use crate::{Action, Outcome, Plugin};

/// Makes the plugin and what it says about itself.
///
/// # Errors
/// If the configuration is not what the plugin takes.
pub fn init<P: Plugin>(config: &str, name: &str, version: &str) -> Result<(Info, P), String> {
    let config = read(config).map_err(|error| without_position(&error))?;
    let plugin = P::new(config)?;
    let info = Info {
        name: name.to_owned(),
        version: version.to_owned(),
        schema: u32::from(SCHEMA),
        subscription: plugin.subscription().lower(),
    };
    Ok((info, plugin))
}

/// Reads a configuration. None at all is an empty one to a plugin that takes fields: what it misses is then named.
///
/// # Errors
/// If it is not what the plugin takes.
pub fn read<C: DeserializeOwned>(config: &str) -> serde_json::Result<C> {
    match serde_json::from_str(config) {
        Err(_) if config == "null" => serde_json::from_str("{}"),
        result => result,
    }
}

/// The operator wrote YAML, not the JSON that the position speaks of.
fn without_position(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.rsplit_once(" at line ") {
        Some((message, _)) => message.to_owned(),
        None => text,
    }
}

/// Runs the plugin over a frame.
#[inline]
pub fn on_frame<P: Plugin>(plugin: Option<&mut P>, frame: &[u8]) -> Effects {
    let mut outcome = Outcome::new();
    if let (Some(plugin), Ok(frame)) = (plugin, Frame::new(frame)) {
        for event in frame.events() {
            plugin.on_event(event, &mut outcome);
            outcome.next_event();
        }
    }
    outcome.into_effects()
}

/// Runs the plugin's clock.
pub fn on_tick<P: Plugin>(plugin: Option<&mut P>, now: u64) -> Vec<Action> {
    plugin.map(|plugin| plugin.on_tick(now)).unwrap_or_default()
}

/// Lets the plugin finish.
pub fn flush<P: Plugin>(plugin: Option<&mut P>) -> Vec<Action> {
    plugin.map(Plugin::flush).unwrap_or_default()
}
