//! Has the kernel forget calls that never return, from time to time.

use std::sync::{Arc, Weak};
use std::time::Duration;

use anyhow::{Context, Result};

use crate::live::LivePolicies;

/// How often: a few are left behind in an hour, if any, and there is room for thousands.
const INTERVAL: Duration = Duration::from_secs(10);

/// Starts a thread that does, for as long as the policies are there.
///
/// # Errors
/// The thread cannot be started.
pub(crate) fn watch(policies: &Arc<LivePolicies>) -> Result<()> {
    let policies = Arc::downgrade(policies);
    let thread = std::thread::Builder::new().name("serin-calls".into());
    thread.spawn(move || follow(&policies)).context("cannot start a thread")?;
    Ok(())
}

fn follow(policies: &Weak<LivePolicies>) {
    loop {
        std::thread::sleep(INTERVAL);
        let Some(policies) = policies.upgrade() else { return };
        if !policies.forget_calls() {
            return;
        }
    }
}
