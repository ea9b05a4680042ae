//! Decides, before anything is queued, whether an action may be taken.

use std::collections::{HashSet, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant};

use governor::{DefaultDirectRateLimiter, DefaultKeyedRateLimiter, Quota, RateLimiter};
use serin_event::action::{ActionRequest, Source};

use crate::config::{CanaryConfig, Rate};

/// Most repeats remembered; beyond it the oldest is forgotten.
const MAX_REMEMBERED: usize = 65_536;

/// Why an action was not taken. Its text is the [`Suppressed`](serin_event::action::Outcome::Suppressed) reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[error("{}", self.reason())]
pub enum Rejected {
    /// Equal to an action of the same source within the dedupe window.
    Duplicate,
    /// The source's rate is used up.
    SourceRate,
    /// The rate for all sources together is used up.
    GlobalRate,
    /// Too many actions are waiting.
    QueueFull,
    /// Too many actions for the same target are waiting.
    TargetFull,
    /// Too many actions of the same source are waiting, in all or for the same target.
    SourceFull,
    /// It was taken, and gave its place in the queue to a newer one.
    Displaced,
}

impl Rejected {
    /// The reason in words.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Duplicate => "duplicate",
            Self::SourceRate => "rate limit of the source",
            Self::GlobalRate => "rate limit of all canaries",
            Self::QueueFull => "queue full",
            Self::TargetFull => "queue full for this target",
            Self::SourceFull => "queue full for the source",
            Self::Displaced => "gave way to a newer one",
        }
    }
}

/// Rates and the memory of recent actions.
pub(crate) struct Limits {
    source: DefaultKeyedRateLimiter<Source>,
    global: DefaultDirectRateLimiter,
    recent: Recent,
}

impl Limits {
    pub(crate) fn new(config: &CanaryConfig) -> Self {
        Self {
            source: RateLimiter::keyed(quota(config.rates.source)),
            global: RateLimiter::direct(quota(config.rates.global)),
            recent: Recent::new(config.dedupe),
        }
    }

    /// A duplicate costs no token; an action over its source's rate costs none of the others'.
    pub(crate) fn admit(&mut self, request: &ActionRequest) -> Result<(), Rejected> {
        let now = Instant::now();
        if self.recent.contains(request, now) {
            return Err(Rejected::Duplicate);
        }
        self.source.check_key(&request.source).map_err(|_| Rejected::SourceRate)?;
        self.global.check().map_err(|_| Rejected::GlobalRate)?;
        self.recent.insert(request, now);
        Ok(())
    }

    /// What has not been carried out is no earlier action for its like. Its tokens are spent.
    pub(crate) fn forget(&mut self, request: &ActionRequest) {
        self.recent.forget(request);
    }
}

/// One token comes back every `per / burst`.
fn quota(rate: Rate) -> Quota {
    let token = (rate.per / rate.burst.get()).max(Duration::from_nanos(1));
    Quota::with_period(token).map_or(Quota::per_second(rate.burst), |quota| quota.allow_burst(rate.burst))
}

/// Actions within the dedupe window, by keyed hash: bodies are not kept.
struct Recent {
    window: Duration,
    hasher: RandomState,
    order: VecDeque<(Instant, u64)>,
    known: HashSet<u64>,
}

impl Recent {
    fn new(window: Duration) -> Self {
        Self { window, hasher: RandomState::new(), order: VecDeque::new(), known: HashSet::new() }
    }

    fn contains(&mut self, request: &ActionRequest, now: Instant) -> bool {
        while let Some(&(at, _)) = self.order.front() {
            if now.duration_since(at) < self.window {
                break;
            }
            self.forget_oldest();
        }
        self.known.contains(&self.key(request))
    }

    fn insert(&mut self, request: &ActionRequest, now: Instant) {
        if self.window.is_zero() {
            return;
        }
        if self.order.len() == MAX_REMEMBERED {
            self.forget_oldest();
        }
        let key = self.key(request);
        if self.known.insert(key) {
            self.order.push_back((now, key));
        }
    }

    fn forget_oldest(&mut self) {
        if let Some((_, key)) = self.order.pop_front() {
            self.known.remove(&key);
        }
    }

    fn forget(&mut self, request: &ActionRequest) {
        let key = self.key(request);
        if self.known.remove(&key) {
            self.order.retain(|(_, known)| *known != key);
        }
    }

    fn key(&self, request: &ActionRequest) -> u64 {
        self.hasher.hash_one((&request.source, &request.action))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use serin_event::action::Action;

    fn config(yaml: &str) -> CanaryConfig {
        serde_yaml::from_str(yaml).unwrap()
    }

    fn dns(source: &str, name: &str) -> ActionRequest {
        ActionRequest {
            source: Source::Plugin(source.into()),
            action: Action::Dns { name: name.into(), record: None },
            exec_id: String::new(),
        }
    }

    #[test]
    fn a_source_uses_up_its_own_rate_only() {
        let mut limits =
            Limits::new(&config("rates: {source: {burst: 2, per: 1h}, global: {burst: 3, per: 1h}}"));
        for (source, name, expected) in [
            ("a", "1.x", Ok(())),
            ("a", "2.x", Ok(())),
            ("a", "3.x", Err(Rejected::SourceRate)),
            ("b", "1.x", Ok(())),
            ("b", "2.x", Err(Rejected::GlobalRate)),
        ] {
            assert_eq!(limits.admit(&dns(source, name)), expected, "{source} {name}");
        }
    }

    #[test]
    fn a_repeat_is_a_duplicate_whoever_else_asked_and_costs_nothing() {
        let mut limits = Limits::new(&config("rates: {source: {burst: 2, per: 1h}}"));
        assert_eq!(limits.admit(&dns("a", "x")), Ok(()));
        for _ in 0..10 {
            assert_eq!(limits.admit(&dns("a", "x")), Err(Rejected::Duplicate));
        }
        assert_eq!(limits.admit(&dns("b", "x")), Ok(()));
        assert_eq!(limits.admit(&dns("a", "y")), Ok(()));
    }

    #[test]
    fn a_repeat_is_let_through_after_the_window_or_without_one() {
        let mut recent = Recent::new(Duration::from_secs(10));
        let start = Instant::now();
        recent.insert(&dns("a", "x"), start);
        assert!(recent.contains(&dns("a", "x"), start + Duration::from_secs(9)));
        assert!(!recent.contains(&dns("a", "x"), start + Duration::from_secs(10)));
        assert!(recent.order.is_empty() && recent.known.is_empty());

        let mut limits = Limits::new(&config("dedupe: 0s"));
        assert_eq!(limits.admit(&dns("a", "x")), Ok(()));
        assert_eq!(limits.admit(&dns("a", "x")), Ok(()));
    }

    #[test]
    fn memory_is_bounded() {
        let mut recent = Recent::new(Duration::from_secs(10));
        let now = Instant::now();
        for n in 0..MAX_REMEMBERED + 10 {
            recent.insert(&dns("a", &n.to_string()), now);
        }
        assert_eq!((recent.order.len(), recent.known.len()), (MAX_REMEMBERED, MAX_REMEMBERED));
        assert!(!recent.contains(&dns("a", "0"), now));
        assert!(recent.contains(&dns("a", &(MAX_REMEMBERED + 9).to_string()), now));
    }
}
