//! Does nothing with any event: what `serin plugin bench` measures others against.

use serin_plugin::{EventView, Outcome, Plugin};

/// The plugin.
#[derive(Debug)]
pub struct Empty;

impl Plugin for Empty {
    type Config = ();

    fn new((): ()) -> Result<Self, String> {
        Ok(Self)
    }

    fn on_event(&mut self, _: EventView<'_>, _: &mut Outcome) {}
}

serin_plugin::export!(Empty);
