//! Telling how the tries of an action went, while the engine works.

use std::time::Instant;

use serin_event::action::{ActionRequest, Outcome};

use crate::dns::DnsError;
use crate::firing::{Fired, FiringError};
use crate::http::HttpError;

/// One try of carrying out an action.
#[derive(Debug, Clone, Copy)]
pub struct Attempt<'a> {
    /// How many came before.
    pub earlier: u32,
    /// When it began.
    pub began: Instant,
    /// When it was over.
    pub ended: Instant,
    /// What came of it.
    pub outcome: Result<&'a Outcome, Failure>,
}

/// Why an action was not carried out, in short.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// Nobody answered in time.
    TimedOut,
    /// The target is not one that may be connected to.
    Denied,
    /// Anything else.
    Failed,
}

/// Is told of the tries of an action, in the engine's thread: it must not wait for anything.
pub trait Watch: Send + Sync {
    /// A try of the action that this asks for is over.
    fn tried(&self, request: &ActionRequest, attempt: &Attempt<'_>);
}

impl<'a> Attempt<'a> {
    /// The try that has just ended.
    pub(crate) fn new(earlier: u32, began: Instant, fired: &'a Fired) -> Self {
        Self { earlier, began, ended: Instant::now(), outcome: fired.as_ref().map_err(failure) }
    }
}

fn failure(error: &FiringError) -> Failure {
    match error {
        FiringError::Dns(DnsError::Timeout(_))
        | FiringError::Http(HttpError::Timeout(_) | HttpError::Resolve(DnsError::Timeout(_))) => {
            Failure::TimedOut
        }
        FiringError::Http(HttpError::Denied(_)) => Failure::Denied,
        _ => Failure::Failed,
    }
}
