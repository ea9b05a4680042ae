//! The gRPC API: Tetragon's service `tetragon.FineGuidanceSensors`, and serin's own `serin.v1alpha1.AgentService`, over a
//! UNIX socket, and over TCP for clients with certificates.
//!
//! ```text
//! worker ──Event──▶ Hub ──message, shared──▶ queue of client 1 ─▶ filters ─▶ field filters ─▶ aggregation ─▶ socket
//!                                        └─▶ queue of client n ─▶ …
//! client ──▶ Services ──▶ Service ──▶ Agent: policies, probes, plugins
//! ```
//! The worker never waits: what does not fit a client's queue is counted, and told to it. Messages have the names and
//! numbers of Tetragon's API, so that its clients work; see `proto/` of `host/message`.

mod agent;
mod aggregate;
mod certificates;
pub mod client;
mod counted;
mod debug;
mod fields;
mod filter;
mod hub;
mod incoming;
mod listen;
mod own;
pub mod proto;
mod renewal;
mod server;
mod service;
mod services;
mod transport;

pub use agent::{Agent, AgentError, PolicyName};
pub use certificates::{CertificateError, CertificateFiles};
pub use hub::{Hub, HubCounters};
pub use listen::{Listen, Remote, ServeError};
pub use serin_message::{json, plugins_json, policies_json, process_to_message, to_message};
pub use server::Server;
