//! Detaching hooks in programs without waiting for processes.
//!
//! The kernel lets go of a place in a file once no program on any such place is under way, and one that has memory brought in may
//! be under way for as long as whoever provides that memory likes: another process, by FUSE or userfaultfd(2). So a thread
//! of its own detaches these hooks, and is waited for only while it gets on.

use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use crate::link::Link;

/// How long one link may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Detaches what it is given, one after the other.
#[derive(Default)]
pub(crate) struct Detacher {
    thread: Option<Sender<Vec<Link>>>,
    progress: Arc<Progress>,
}

#[derive(Default)]
struct Progress {
    /// Links that are still to go.
    left: Mutex<usize>,
    changed: Condvar,
}

impl Detacher {
    /// Detaches links, and returns when they have gone or the kernel keeps one for too long; the rest go later then.
    pub(crate) fn detach(&mut self, links: Vec<Link>) {
        if links.is_empty() {
            return;
        }
        let is_stuck = self.progress.add(links.len()) > 0;
        if let Err(links) = self.hand_over(links) {
            // Without a thread there is nothing but to wait.
            links.into_iter().for_each(|link| self.progress.let_go(link));
        }
        if !is_stuck && !self.progress.wait() {
            tracing::warn!(
                "a process keeps the kernel from letting go of a hook in its program: it waits there for memory that \
                 somebody is to provide (FUSE, userfaultfd). The hook goes once it does, or is killed; until then this \
                 process cannot end"
            );
        }
    }

    fn hand_over(&mut self, links: Vec<Link>) -> Result<(), Vec<Link>> {
        let thread = match &self.thread {
            Some(thread) => thread,
            None => match start(Arc::clone(&self.progress)) {
                Some(thread) => self.thread.insert(thread),
                None => return Err(links),
            },
        };
        thread.send(links).map_err(|error| error.0)
    }
}

fn start(progress: Arc<Progress>) -> Option<Sender<Vec<Link>>> {
    let (sender, links) = mpsc::channel::<Vec<Link>>();
    let detach = move || links.into_iter().flatten().for_each(|link| progress.let_go(link));
    thread::Builder::new().name("serin-detach".into()).spawn(detach).ok()?;
    Some(sender)
}

impl Progress {
    /// How many were left before.
    fn add(&self, links: usize) -> usize {
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        *left += links;
        *left - links
    }

    fn let_go<L>(&self, link: L) {
        drop(link);
        *self.left.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
        self.changed.notify_all();
    }

    /// Waits until all have gone; false if none goes any more.
    fn wait(&self) -> bool {
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        while *left > 0 {
            let before = *left;
            let waited = self.changed.wait_timeout_while(left, PATIENCE, |left| *left == before);
            let (now, timed_out) = waited.unwrap_or_else(PoisonError::into_inner);
            if timed_out.timed_out() {
                return false;
            }
            left = now;
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_detaches_is_waited_for_until_all_have_gone() {
        let progress = Arc::new(Progress::default());
        assert_eq!((progress.add(3), progress.add(1)), (0, 3));
        let other = Arc::clone(&progress);
        let detaching = thread::spawn(move || (0..4).for_each(|link| other.let_go(link)));
        assert!(progress.wait());
        assert!(detaching.join().is_ok() && progress.wait());
    }
}
