//! Lines in the agent's own log. A plugin that calls these needs `grants: { log: true }`.

#[cfg(target_arch = "wasm32")]
use crate::bindings::serin::plugin::log::{Level, write};

#[cfg(not(target_arch = "wasm32"))]
use self::native::{Level, write};

/// For the plugin's author.
pub fn debug(message: &str) {
    write(Level::Debug, message);
}

/// For the operator.
pub fn info(message: &str) {
    write(Level::Info, message);
}

/// The plugin goes on, but the operator should act.
pub fn warn(message: &str) {
    write(Level::Warn, message);
}

/// The plugin can't do its work.
pub fn error(message: &str) {
    write(Level::Error, message);
}

/// Stands in for the agent in a plugin's own unit tests.
#[cfg(not(target_arch = "wasm32"))]
mod native {
    #[derive(Debug)]
    pub(super) enum Level {
        Debug,
        Info,
        Warn,
        Error,
    }

    pub(super) fn write(level: Level, message: &str) {
        eprintln!("{level:?}: {message}");
    }
}
