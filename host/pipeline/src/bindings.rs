//! The host's side of `wit/plugin.wit`.
#![allow(
    missing_docs,
    unreachable_pub,
    unsafe_code,
    unused_qualifications,
    clippy::all,
    clippy::allow_attributes_without_reason,
    clippy::undocumented_unsafe_blocks,
    clippy::unwrap_used,
    reason = "generated"
)]

wasmtime::component::bindgen!({
    path: "../../wit",
    world: "plugin",
    imports: { "serin:plugin/random.bytes": trappable },
});
