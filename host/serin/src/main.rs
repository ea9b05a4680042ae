//! The serin agent.
fn main() {}
