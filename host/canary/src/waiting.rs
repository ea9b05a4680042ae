//! Accepted actions that wait for their first turn.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use serin_event::action::ActionRequest;
use tokio::sync::oneshot;

use crate::limits::Rejected;
use crate::places::{Place, Share};
use crate::watch::Watch;

/// An accepted request.
pub(crate) struct Job {
    pub(crate) request: ActionRequest,
    pub(crate) accepted: Instant,
    /// Who is told how it goes.
    pub(crate) watch: Option<Arc<dyn Watch>>,
}

/// Those that wait, from the oldest to the newest.
#[derive(Clone, Default)]
pub(crate) struct Waiting(Arc<Mutex<Jobs>>);

#[derive(Default)]
struct Jobs {
    next: u64,
    waiting: BTreeMap<u64, Entry>,
    /// Those whose turn nobody waits for yet.
    fresh: BTreeSet<u64>,
}

struct Entry {
    job: Job,
    share: Share,
    /// Where it waits.
    place: Place,
    /// Dropped with it, so that nobody waits any longer for its turn.
    here: Option<oneshot::Sender<()>>,
}

/// The right to a turn, as long as the action waits.
pub(crate) struct Turn {
    number: u64,
    share: Share,
    gone: oneshot::Receiver<()>,
}

/// An action whose turn it is.
pub(crate) struct Due {
    pub(crate) job: Job,
    pub(crate) share: Share,
    /// Where it is carried out.
    pub(crate) running: Place,
}

impl Waiting {
    pub(crate) fn push(&self, job: Job, share: Share, place: Place) {
        let mut jobs = self.lock();
        let number = jobs.next;
        jobs.next += 1;
        jobs.fresh.insert(number);
        jobs.waiting.insert(number, Entry { job, share, place, here: None });
    }

    /// The next whose turn is to be waited for.
    pub(crate) fn next(&self) -> Option<Turn> {
        let mut jobs = self.lock();
        let number = jobs.fresh.pop_first()?;
        let entry = jobs.waiting.get_mut(&number)?;
        let (here, gone) = oneshot::channel();
        entry.here = Some(here);
        Some(Turn { number, share: entry.share.clone(), gone })
    }

    /// Waits for a turn; none if the action has been displaced, or the engine ends.
    pub(crate) async fn due(&self, turn: Turn) -> Option<Due> {
        let Turn { number, share, gone } = turn;
        let running = tokio::select! {
            running = share.run() => running?,
            _ = gone => return None,
        };
        let Entry { job, .. } = self.lock().waiting.remove(&number)?;
        Some(Due { job, share, running })
    }

    /// A place to wait in for a newer action: as long as a part of its is full, the oldest in the smallest such part
    /// gives up its own. Nothing else changes meanwhile but that actions have their turn.
    pub(crate) fn displace(&self, share: &Share, mut displaced: impl FnMut(Job)) -> Result<Place, Rejected> {
        let mut jobs = self.lock();
        loop {
            let rejected = match share.wait() {
                Ok(place) => return Ok(place),
                Err(rejected) => rejected,
            };
            // An action has just had its turn.
            let Some(full) = share.full() else { continue };
            let oldest = jobs.waiting.iter().find(|(_, entry)| share.has_in_common(full, &entry.share));
            let number = *oldest.ok_or(rejected)?.0;
            jobs.fresh.remove(&number);
            if let Some(Entry { job, place, .. }) = jobs.waiting.remove(&number) {
                drop(place);
                displaced(job);
            }
        }
    }

    /// A map is never half changed.
    fn lock(&self) -> MutexGuard<'_, Jobs> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
