//! Who may wait and who may run, of all actions and of each target's.
//!
//! A target that swallows what it is sent holds its share of the places and no
//! more, so that others are reached meanwhile.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use reqwest::Url;
use serin_event::action::Action;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::config::CanaryConfig;
use crate::limits::Rejected;

/// Targets without an action are forgotten once there are this many.
const MANY_TARGETS: usize = 1024;

/// What answers an action, or doesn't.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Target {
    /// The resolver, for all look-ups.
    Resolver,
    /// A host as URLs name it; all its ports are one target.
    Host(String),
}

impl Target {
    pub(crate) fn of(action: &Action) -> Self {
        match action {
            Action::Dns { .. } => Self::Resolver,
            // What is no URL with a host fails before anything is sent.
            Action::Http { url, .. } => {
                let host = Url::parse(url).ok().and_then(|url| url.host_str().map(str::to_owned));
                Self::Host(host.unwrap_or_default().trim_end_matches('.').to_owned())
            }
        }
    }
}

/// The places there are.
#[derive(Debug, Clone)]
struct Rooms {
    /// To wait for the first turn.
    waiting: Arc<Semaphore>,
    /// To be carried out.
    running: Arc<Semaphore>,
    /// To wait to be done again.
    again: Arc<Semaphore>,
}

impl Rooms {
    fn new(running: usize, waiting: usize) -> Self {
        let room = |places| Arc::new(Semaphore::new(places));
        Self { waiting: room(waiting), running: room(running), again: room(waiting) }
    }
}

/// The places of an engine.
#[derive(Debug, Clone)]
pub(crate) struct Places(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    all: Rooms,
    queue: usize,
    concurrency: usize,
    /// How many of each room a target may have.
    share: (usize, usize),
    targets: Mutex<HashMap<Target, Weak<Rooms>>>,
}

/// The places that one target's actions may take.
#[derive(Debug, Clone)]
pub(crate) struct Share {
    all: Rooms,
    target: Arc<Rooms>,
}

/// A place that is taken; free again when dropped.
#[derive(Debug)]
pub(crate) struct Place(#[expect(dead_code, reason = "held")] [OwnedSemaphorePermit; 2]);

impl Places {
    pub(crate) fn new(config: &CanaryConfig) -> Self {
        let (concurrency, queue) = (config.concurrency, config.queue);
        let share = (config.target_share.of(concurrency), config.target_share.of(queue));
        let all = Rooms::new(concurrency, queue);
        Self(Arc::new(Shared { all, queue, concurrency, share, targets: Mutex::default() }))
    }

    /// What a target may take. Its actions share one as long as any of them is there.
    pub(crate) fn of(&self, target: Target) -> Share {
        let Shared { all, share: (running, waiting), targets, .. } = &*self.0;
        // A map of weak references is never half changed.
        let mut targets = targets.lock().unwrap_or_else(PoisonError::into_inner);
        if targets.len() >= MANY_TARGETS {
            targets.retain(|_, rooms| rooms.strong_count() > 0);
        }
        let known = targets.get(&target).and_then(Weak::upgrade);
        let target = known.unwrap_or_else(|| {
            let rooms = Arc::new(Rooms::new(*running, *waiting));
            targets.insert(target, Arc::downgrade(&rooms));
            rooms
        });
        Share { all: all.clone(), target }
    }

    /// Actions that wait for their first turn.
    pub(crate) fn waiting(&self) -> u64 {
        (self.0.queue - self.0.all.waiting.available_permits()) as u64
    }

    /// Actions that wait to be done again.
    pub(crate) fn waiting_again(&self) -> u64 {
        (self.0.queue - self.0.all.again.available_permits()) as u64
    }

    /// Actions that are carried out now.
    pub(crate) fn running(&self) -> u64 {
        (self.0.concurrency - self.0.all.running.available_permits()) as u64
    }
}

impl Share {
    /// A place to wait for the first turn.
    pub(crate) fn wait(&self) -> Result<Place, Rejected> {
        let target = take(&self.target.waiting).ok_or(Rejected::TargetFull)?;
        Ok(Place([target, take(&self.all.waiting).ok_or(Rejected::QueueFull)?]))
    }

    /// A place to wait to be done again, if there is one.
    pub(crate) fn wait_again(&self) -> Option<Place> {
        Some(Place([take(&self.target.again)?, take(&self.all.again)?]))
    }

    /// Waits for a place to be carried out; none once the engine ends. In turn of its target first: so no more of
    /// a target's wait among the others than it has places.
    pub(crate) async fn run(&self) -> Option<Place> {
        let target = Arc::clone(&self.target.running).acquire_owned().await.ok()?;
        Some(Place([target, Arc::clone(&self.all.running).acquire_owned().await.ok()?]))
    }
}

fn take(room: &Arc<Semaphore>) -> Option<OwnedSemaphorePermit> {
    Arc::clone(room).try_acquire_owned().ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use serin_event::action::Method;

    fn places(yaml: &str) -> Places {
        Places::new(&serde_yaml::from_str(yaml).unwrap())
    }

    fn host(name: &str) -> Target {
        Target::Host(name.to_owned())
    }

    #[test]
    fn a_host_is_one_target_however_it_is_written() {
        let of = |url: &str| {
            let url = url.to_owned();
            Target::of(&Action::Http { method: Method::Get, url, headers: vec![], body: vec![] })
        };
        for (url, name) in [
            ("http://a.test/x", "a.test"),
            ("https://A.test.:8443/y?z", "a.test"),
            ("http://127.0.0.1/", "127.0.0.1"),
            ("http://2130706433:8080/", "127.0.0.1"),
            ("http://0x7f.1/", "127.0.0.1"),
            ("nonsense", ""),
        ] {
            assert_eq!(of(url), host(name), "{url}");
        }
        assert_eq!(Target::of(&Action::Dns { name: "a.test".into() }), Target::Resolver);
        assert_eq!(Target::of(&Action::Dns { name: "b.test".into() }), Target::Resolver);
    }

    #[test]
    fn a_target_has_its_share_and_all_together_have_what_there_is() {
        let places = places("{queue: 4, targetShare: 50%}");
        let (a, b, c) = (places.of(host("a")), places.of(host("b")), places.of(host("c")));
        let of_a = [a.wait().unwrap(), a.wait().unwrap()];
        assert_eq!(a.wait().unwrap_err(), Rejected::TargetFull);
        let of_b = [b.wait().unwrap(), b.wait().unwrap()];
        assert_eq!(c.wait().unwrap_err(), Rejected::QueueFull);
        assert_eq!(places.waiting(), 4);
        drop((of_a, of_b));
        assert!(c.wait().is_ok() && a.wait().is_ok());
        assert_eq!(places.waiting(), 0);
    }

    #[test]
    fn a_target_is_the_same_as_long_as_it_holds_a_place() {
        let places = places("{queue: 2, targetShare: 50%}");
        let share = places.of(host("a"));
        let _place = share.wait().unwrap();
        assert_eq!(places.of(host("a")).wait().unwrap_err(), Rejected::TargetFull);
        assert!(places.of(host("b")).wait().is_ok());
    }

    #[test]
    fn targets_that_come_and_go_are_forgotten() {
        let places = places("{}");
        let kept = places.of(host("kept"));
        for n in 0..10 * MANY_TARGETS {
            places.of(host(&n.to_string()));
        }
        let targets = places.0.targets.lock().unwrap();
        assert!(targets.len() <= MANY_TARGETS, "{}", targets.len());
        assert!(targets[&host("kept")].ptr_eq(&Arc::downgrade(&kept.target)));
    }
}
