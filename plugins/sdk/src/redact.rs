//! Masks parts of events' texts, for everything behind the plugin. A plugin that calls this needs
//! `grants: { redact: true }`, and should have `onFailure: drop`: what it did not see, it did not mask.
//!
//! What is masked becomes `[redacted]`, and the event gets an annotation `redacted` that names the texts. The agent checks
//! what is asked for when the call has ended, as it does with effects.

use std::ops::Range;

#[cfg(target_arch = "wasm32")]
use crate::bindings::serin::plugin::redact as host;

#[cfg(not(target_arch = "wasm32"))]
use self::native as host;
use crate::Outcome;

/// A text of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// An argument of the process, from 0.
    ProcessArgument(u32),
    /// An argument of its parent, from 0.
    ParentArgument(u32),
    /// An argument of the hook, from 0, that is a string, bytes or a file; what its `data` has read counts on.
    HookArgument(u32),
}

/// Masks these bytes of a text of the current event. A character of which a part is meant is masked as a whole.
pub fn mask(outcome: &Outcome, place: Place, bytes: Range<usize>) {
    let place = match place {
        Place::ProcessArgument(index) => host::Place::ProcessArgument(index),
        Place::ParentArgument(index) => host::Place::ParentArgument(index),
        Place::HookArgument(index) => host::Place::HookArgument(index),
    };
    // No text is that long.
    let at = |byte: usize| u32::try_from(byte).unwrap_or(u32::MAX);
    host::mask(outcome.event(), place, at(bytes.start), at(bytes.end));
}

#[cfg(not(target_arch = "wasm32"))]
pub(crate) use self::native::take;

/// Stands in for the agent in a plugin's own unit tests: remembers what was masked.
#[cfg(not(target_arch = "wasm32"))]
mod native {
    use std::cell::RefCell;
    use std::ops::Range;

    /// As in the bindings.
    #[derive(Debug, Clone, Copy)]
    #[allow(clippy::enum_variant_names, reason = "the bindings' names")]
    pub(super) enum Place {
        ProcessArgument(u32),
        ParentArgument(u32),
        HookArgument(u32),
    }

    std::thread_local! {
        static MASKED: RefCell<Vec<(super::Place, Range<usize>)>> = RefCell::default();
    }

    pub(super) fn mask(_: u32, place: Place, start: u32, end: u32) {
        let place = match place {
            Place::ProcessArgument(index) => super::Place::ProcessArgument(index),
            Place::ParentArgument(index) => super::Place::ParentArgument(index),
            Place::HookArgument(index) => super::Place::HookArgument(index),
        };
        MASKED.with_borrow_mut(|masked| masked.push((place, start as usize..end as usize)));
    }

    pub(crate) fn take() -> Vec<(super::Place, Range<usize>)> {
        MASKED.take()
    }
}
