//! Asking the reader thread which processes it remembers.
//!
//! It answers between two rounds: one look at each process, for 32,768 of them about a millisecond, and leaves all else to
//! whoever asked.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serin_process::{ProcessCache, Remembered};

/// How long the reader may take: it comes round ten times a second, unless it has more than it can take.
const PATIENCE: Duration = Duration::from_secs(5);

type Answer = Sender<Vec<Remembered>>;

/// Where to ask.
pub(crate) struct Census(Mutex<Sender<Answer>>);

/// What the reader thread has of it.
pub(crate) struct Questions(Receiver<Answer>);

/// The two ends.
pub(crate) fn channel_of_questions() -> (Census, Questions) {
    let (sender, receiver) = channel();
    (Census(Mutex::new(sender)), Questions(receiver))
}

/// What has been asked for; nobody else can ask while it is there, which bounds what answers take.
pub(crate) struct Taken<'a> {
    pub(crate) processes: Vec<Remembered>,
    _turn: MutexGuard<'a, Sender<Answer>>,
}

impl Census {
    /// All processes that are remembered; nothing if the reader thread does not answer.
    pub(crate) fn take(&self) -> Option<Taken<'_>> {
        let turn = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (answer, answered) = channel();
        turn.send(answer).ok()?;
        let processes = answered.recv_timeout(PATIENCE).ok()?;
        Some(Taken { processes, _turn: turn })
    }
}

impl Questions {
    /// Answers whoever has asked.
    pub(crate) fn answer(&self, processes: &ProcessCache) {
        for answer in self.0.try_iter() {
            // Whoever asked may have given up.
            let _ = answer.send(processes.remembered());
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use serin_process::{Clock, Config};

    use super::*;

    #[test]
    fn who_asks_is_answered_until_the_reader_has_gone() {
        let (census, questions) = channel_of_questions();
        let reader = std::thread::spawn(move || {
            let cache = ProcessCache::new(Config::new("gull"), Clock::system());
            let answer = questions.0.recv().unwrap();
            answer.send(cache.remembered()).unwrap();
        });
        assert!(census.take().unwrap().processes.is_empty());
        reader.join().unwrap();
        assert!(census.take().is_none());
    }
}
