//! Unit tests of plugins, run natively: `cargo test`.

use serin_frame::FrameWriter;
pub use serin_frame::{KprobeWriter, ProcessWriter, RecordWriter};

use crate::Plugin;
pub use crate::runtime::Effects;

/// Lets the plugin look at one event, which `write` fills; gives what the plugin made of it.
pub fn on_event<P: Plugin>(plugin: &mut P, write: impl FnOnce(&mut RecordWriter<'_>)) -> Effects {
    let mut writer = FrameWriter::default();
    let record = writer.record(write);
    let mut frame = Vec::new();
    writer.frame([record], &mut frame);
    crate::runtime::on_frame(Some(plugin), &frame)
}

/// What [`hash::program`](crate::hash::program) answers for a path from now on, in this thread; of others it says that
/// they are gone.
#[cfg(not(target_arch = "wasm32"))]
pub fn program_digest(path: &str, answer: Result<crate::hash::Digest, crate::hash::Missing>) {
    crate::hash::set(path, answer);
}

/// What time [`clock`](crate::clock) tells from now on in this thread, in nanoseconds since the Unix epoch.
#[cfg(not(target_arch = "wasm32"))]
pub fn time(now: u64) {
    crate::clock::set(now);
}

/// What [`redact::mask`](crate::redact::mask) has masked in this thread since this was asked last.
#[cfg(not(target_arch = "wasm32"))]
pub fn masked() -> Vec<(crate::redact::Place, std::ops::Range<usize>)> {
    crate::redact::take()
}

/// Makes a plugin from its configuration as JSON, as the agent does.
///
/// # Errors
/// What the operator would see.
pub fn init<P: Plugin>(config: &str) -> Result<P, String> {
    crate::runtime::init(config, "test", "0.0.0").map(|(_, plugin)| plugin)
}
