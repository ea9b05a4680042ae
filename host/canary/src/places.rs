//! Who may wait and who may run: of all actions, of each target's and of each source's.
//!
//! A target that swallows what it is sent holds its share of the places and no more, so that others are reached meanwhile.
//! So does a source, a plugin or policy, however many such targets it has, of all places and of those of each target: what
//! is swallowed of one source leaves places to the others, also with a target that they share, such as the resolver.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use reqwest::Url;
use serin_event::action::{Action, ActionRequest, Source};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::config::CanaryConfig;
use crate::limits::Rejected;

/// Targets and sources without an action are forgotten once there are this many.
const MANY_PARTS: usize = 4096;

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

/// Whose actions share places.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Part {
    Target(Target),
    Source(Source),
    /// A source's with one target.
    Both(Source, Target),
}

/// How many places there are.
#[derive(Debug, Clone, Copy)]
struct Size {
    running: usize,
    waiting: usize,
}

impl Size {
    fn share(self, share: crate::config::Share) -> Self {
        Self { running: share.of(self.running), waiting: share.of(self.waiting) }
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
    fn new(size: Size) -> Self {
        let room = |places| Arc::new(Semaphore::new(places));
        Self { waiting: room(size.waiting), running: room(size.running), again: room(size.waiting) }
    }
}

/// The places of an engine.
#[derive(Debug, Clone)]
pub(crate) struct Places(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    all: Rooms,
    size: Size,
    /// Of a target.
    target: Size,
    /// Of a source.
    source: Size,
    /// Of a source with one target.
    both: Size,
    parts: Mutex<HashMap<Part, Weak<Rooms>>>,
}

/// The places that an action may take: one of each.
#[derive(Debug, Clone)]
pub(crate) struct Share {
    all: Rooms,
    target: Arc<Rooms>,
    source: Arc<Rooms>,
    both: Arc<Rooms>,
}

/// What is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Full {
    /// The source's part of the target's.
    Both,
    /// The source's part.
    Source,
    /// The target's part.
    Target,
    /// The queue.
    All,
}

/// A place that is taken; free again when dropped.
#[derive(Debug)]
pub(crate) struct Place(#[expect(dead_code, reason = "held")] [OwnedSemaphorePermit; 4]);

impl Places {
    pub(crate) fn new(config: &CanaryConfig) -> Self {
        let size = Size { running: config.concurrency, waiting: config.queue };
        let (target, source) = (size.share(config.target_share), size.share(config.source_share));
        let both = target.share(config.source_share);
        let (all, parts) = (Rooms::new(size), Mutex::default());
        Self(Arc::new(Shared { all, size, target, source, both, parts }))
    }

    /// What an action may take. Those of one target, or source, share as long as any of them is there.
    pub(crate) fn of(&self, request: &ActionRequest) -> Share {
        let (target, source) = (Target::of(&request.action), request.source.clone());
        // A map of weak references is never half changed.
        let mut parts = self.0.parts.lock().unwrap_or_else(PoisonError::into_inner);
        if parts.len() >= MANY_PARTS {
            parts.retain(|_, rooms| rooms.strong_count() > 0);
        }
        Share {
            all: self.0.all.clone(),
            both: rooms(&mut parts, Part::Both(source.clone(), target.clone()), self.0.both),
            target: rooms(&mut parts, Part::Target(target), self.0.target),
            source: rooms(&mut parts, Part::Source(source), self.0.source),
        }
    }

    /// Actions that wait for their first turn.
    pub(crate) fn waiting(&self) -> u64 {
        (self.0.size.waiting - self.0.all.waiting.available_permits()) as u64
    }

    /// Actions that wait to be done again.
    pub(crate) fn waiting_again(&self) -> u64 {
        (self.0.size.waiting - self.0.all.again.available_permits()) as u64
    }

    /// Actions that are carried out now.
    pub(crate) fn running(&self) -> u64 {
        (self.0.size.running - self.0.all.running.available_permits()) as u64
    }
}

fn rooms(parts: &mut HashMap<Part, Weak<Rooms>>, part: Part, size: Size) -> Arc<Rooms> {
    parts.get(&part).and_then(Weak::upgrade).unwrap_or_else(|| {
        let rooms = Arc::new(Rooms::new(size));
        parts.insert(part, Arc::downgrade(&rooms));
        rooms
    })
}

impl Share {
    /// A place to wait for the first turn.
    pub(crate) fn wait(&self) -> Result<Place, Rejected> {
        let target = take(&self.target.waiting).ok_or(Rejected::TargetFull)?;
        let source = take(&self.source.waiting).ok_or(Rejected::SourceFull)?;
        let both = take(&self.both.waiting).ok_or(Rejected::SourceFull)?;
        Ok(Place([target, source, both, take(&self.all.waiting).ok_or(Rejected::QueueFull)?]))
    }

    /// The smallest part that has no place to wait for the first turn.
    pub(crate) fn full(&self) -> Option<Full> {
        let is_full = |rooms: &Rooms| rooms.waiting.available_permits() == 0;
        let parts: [(Full, &Rooms); 4] = [
            (Full::Both, &self.both),
            (Full::Source, &self.source),
            (Full::Target, &self.target),
            (Full::All, &self.all),
        ];
        parts.into_iter().find(|(_, rooms)| is_full(rooms)).map(|(full, _)| full)
    }

    /// Whether both are of the same such part.
    pub(crate) fn has_in_common(&self, part: Full, other: &Self) -> bool {
        match part {
            Full::Both => Arc::ptr_eq(&self.both, &other.both),
            Full::Source => Arc::ptr_eq(&self.source, &other.source),
            Full::Target => Arc::ptr_eq(&self.target, &other.target),
            Full::All => true,
        }
    }

    /// A place to wait to be done again, if there is one.
    pub(crate) fn wait_again(&self) -> Option<Place> {
        let (target, source) = (take(&self.target.again)?, take(&self.source.again)?);
        Some(Place([target, source, take(&self.both.again)?, take(&self.all.again)?]))
    }

    /// Waits for a place to be carried out; none once the engine ends.
    ///
    /// What waits for its source's turn holds no place of its target that others have use for, and the other way
    /// round. Those of all come last: so no more of a part wait among the others than it has places.
    pub(crate) async fn run(&self) -> Option<Place> {
        let both = Arc::clone(&self.both.running).acquire_owned().await.ok()?;
        let (mut first, mut second) = (&self.target.running, &self.source.running);
        loop {
            let held = Arc::clone(first).acquire_owned().await.ok()?;
            if let Some(other) = take(second) {
                let all = Arc::clone(&self.all.running).acquire_owned().await.ok()?;
                return Some(Place([held, other, both, all]));
            }
            drop(held);
            std::mem::swap(&mut first, &mut second);
        }
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

    /// A request of a plugin to a host.
    fn to(source: &str, name: &str) -> ActionRequest {
        let url = format!("http://{name}/");
        let action = Action::Http { method: Method::Get, url, headers: vec![], body: vec![] };
        ActionRequest { source: Source::Plugin(source.into()), action, exec_id: String::new() }
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
        assert_eq!(Target::of(&Action::Dns { name: "a.test".into(), record: None }), Target::Resolver);
        assert_eq!(Target::of(&Action::Dns { name: "b.test".into(), record: None }), Target::Resolver);
    }

    #[test]
    fn a_target_has_its_share_and_all_together_have_what_there_is() {
        let places = places("{queue: 4, targetShare: 50%, sourceShare: 100%}");
        let [a, b, c] =
            [("p", "a"), ("p", "b"), ("q", "c")].map(|(source, name)| places.of(&to(source, name)));
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
    fn a_source_has_its_share_of_all_and_of_each_target() {
        let places = places("{queue: 8, targetShare: 50%, sourceShare: 50%}");
        let of = |source, name| {
            let share = places.of(&to(source, name));
            share.wait().map(|place| (share, place))
        };
        let _held = [of("p", "a").unwrap(), of("p", "a").unwrap()];
        assert_eq!(of("p", "a").unwrap_err(), Rejected::SourceFull, "half of the target's half");
        let _held = [of("p", "b").unwrap(), of("p", "c").unwrap()];
        assert_eq!(of("p", "d").unwrap_err(), Rejected::SourceFull, "half of all, over all targets");
        let _held = [of("q", "a").unwrap(), of("q", "a").unwrap()];
        assert_eq!(of("r", "a").unwrap_err(), Rejected::TargetFull);
        assert!(of("r", "b").is_ok());
    }

    #[test]
    fn a_part_is_the_same_as_long_as_it_holds_a_place() {
        let places = places("{queue: 2, targetShare: 50%, sourceShare: 100%}");
        let share = places.of(&to("p", "a"));
        let _place = share.wait().unwrap();
        assert_eq!(places.of(&to("p", "a")).wait().unwrap_err(), Rejected::TargetFull);
        assert!(places.of(&to("p", "b")).wait().is_ok());
    }

    #[tokio::test]
    async fn what_waits_for_its_source_leaves_its_target_to_others() {
        let places = places("{concurrency: 4, targetShare: 25%, sourceShare: 50%}");
        let mut held = Vec::new();
        for name in ["dead", "deader"] {
            let share = places.of(&to("p", name));
            let place = share.run().await.unwrap();
            held.push((share, place));
        }
        let waiting = places.of(&to("p", "live"));
        let waiting = tokio::spawn(async move { waiting.run().await.map(drop) });
        tokio::task::yield_now().await;
        let live = places.of(&to("q", "live"));
        for _ in 0..10 {
            assert!(live.run().await.is_some());
        }
        assert!(!waiting.is_finished());
        held.pop();
        assert!(waiting.await.unwrap().is_some());
    }

    #[test]
    fn parts_that_come_and_go_are_forgotten() {
        let places = places("{}");
        let kept = places.of(&to("p", "kept"));
        for n in 0..2 * MANY_PARTS {
            places.of(&to(&n.to_string(), &n.to_string()));
        }
        let parts = places.0.parts.lock().unwrap();
        assert!(parts.len() <= MANY_PARTS + 2, "{}", parts.len());
        assert!(parts[&Part::Target(host("kept"))].ptr_eq(&Arc::downgrade(&kept.target)));
    }
}
