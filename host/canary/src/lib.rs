//! Fires canaries: governed HTTP requests and DNS look-ups.
//!
//! Policies and plugins ask ([`ActionRequest`](serin_event::action::ActionRequest));
//! the [`Engine`] decides whether, does it off the hot path, and reports what
//! became of it. Everything it may reach is bounded by [`CanaryConfig`]: how
//! often, how much, how long, how many at once, and which addresses.

pub mod config;
pub mod demo;
mod dns;
pub mod egress;
mod engine;
mod firing;
mod http;
mod limits;
mod places;
pub mod proxy;
mod quantity;
mod reports;
pub mod resolver;
mod retry;
mod tls;
mod waiting;
mod watch;

pub use config::{CanaryConfig, DemoConfig, DnsConfig, HttpConfig, Preference, Rate, Rates, Retry, Share};
pub use demo::{Demo, DemoError, Hit};
pub use dns::DnsError;
pub use egress::{EgressPolicy, Refused, Scope};
pub use engine::{CanaryError, Engine, Submitter};
pub use firing::FiringError;
pub use http::HttpError;
pub use limits::Rejected;
pub use proxy::Proxy;
pub use reports::Counters;
pub use resolver::Resolver;
pub use tls::TlsError;
pub use watch::{Attempt, Failure, Watch};
