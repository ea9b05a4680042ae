//! What the reader thread is told of hooks and containers, which come and go while it reads.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use serin_process::{HookInfo, Hooks, Pods};

use crate::hooks::Canaries;

/// A program that runs while its hook is detached may still write a record, for a moment.
const LAST_RECORDS: Duration = Duration::from_secs(1);

/// A change that the reader is told of.
pub(crate) enum Change {
    /// Hooks that are about to be attached: told before the first of their records can come.
    Add { infos: Vec<(u32, HookInfo)>, canaries: Canaries },
    /// Hooks that have been detached.
    Remove(Vec<u32>),
    /// What is known of containers now.
    Containers(Pods),
}

/// The hooks by id.
pub(crate) struct HookTable {
    pub(crate) hooks: Hooks,
    pub(crate) canaries: Canaries,
    /// What is known of containers, if it has changed.
    pub(crate) pods: Option<Pods>,
    changes: Receiver<Change>,
    /// Hooks that have been detached, since when.
    detached: Vec<(Instant, Vec<u32>)>,
}

impl HookTable {
    /// An empty table, and where to send changes.
    pub(crate) fn new() -> (Sender<Change>, Self) {
        let (sender, changes) = channel();
        let (hooks, canaries) = (Hooks::new(), Canaries::default());
        (sender, Self { hooks, canaries, pods: None, changes, detached: Vec::new() })
    }

    /// Takes in changes. To be called between reading records and looking at them. `emptied` says that the ring
    /// buffer had no more.
    pub(crate) fn update(&mut self, emptied: bool) {
        self.update_at(Instant::now(), emptied);
    }

    fn update_at(&mut self, now: Instant, emptied: bool) {
        let over = |since: Instant| emptied && now.duration_since(since) >= LAST_RECORDS;
        for (_, hooks) in self.detached.extract_if(.., |(since, _)| over(*since)) {
            for hook in hooks {
                self.hooks.remove(&hook);
                self.canaries.remove(hook);
            }
        }
        for change in self.changes.try_iter() {
            match change {
                Change::Add { infos, canaries } => {
                    self.hooks.extend(infos);
                    self.canaries.extend(canaries);
                }
                Change::Remove(hooks) => self.detached.push((now, hooks)),
                Change::Containers(pods) => self.pods = Some(pods),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serin_event::Place;

    use super::*;

    fn info() -> HookInfo {
        HookInfo {
            place: Place::Function,
            function_name: "f".into(),
            policy_name: "p".into(),
            message: "".into(),
            tags: [].into(),
            labels: vec![],
            data: 0,
            return_label: "".into(),
            actions: vec![],
            return_actions: vec![],
        }
    }

    #[test]
    fn hooks_are_known_until_their_last_record_has_been_read() {
        let (changes, mut table) = HookTable::new();
        let start = Instant::now();
        let mut known_after = |change: Option<Change>, seconds, emptied| {
            change.into_iter().for_each(|change| assert!(changes.send(change).is_ok()));
            table.update_at(start + Duration::from_secs(seconds), emptied);
            let mut known: Vec<_> = table.hooks.keys().copied().collect();
            known.sort_unstable();
            known
        };
        let add = |hook| Change::Add { infos: vec![(hook, info())], canaries: Canaries::default() };
        assert_eq!(known_after(Some(add(1)), 0, true), [1]);
        assert_eq!(known_after(Some(add(2)), 0, true), [1, 2]);
        assert_eq!(known_after(Some(Change::Remove(vec![1])), 0, true), [1, 2]);
        assert_eq!(known_after(None, 5, false), [1, 2]);
        assert_eq!(known_after(None, 6, true), [2]);
    }
}
