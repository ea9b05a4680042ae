//! What plugins keep beyond the end of the agent: `grants.kv.persist`.
//!
//! A file for each, written as a whole: what a plugin may keep is small, and files that are replaced can't be half
//! written, need no compaction and can be looked at. A database would cost a write to the disk for each change, or
//! would have to gather changes as this does.

mod file;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use crate::kv::{Kv, KvGrant};
use crate::sandbox::SharedKv;
use crate::state::{self, StateError};

/// The folder's name in the folder of what the agent keeps.
const FOLDER: &str = "kv";
/// Between two looks at what has changed.
const PAUSE: Duration = Duration::from_secs(10);
/// Writing takes no more than this part of the time.
const PART: u32 = 20;

/// The facts of the plugins of a pipeline, and a thread that writes them.
#[derive(Debug)]
pub struct Facts {
    shared: Arc<Shared>,
    /// Dropped to end the thread.
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    folder: PathBuf,
    /// By the plugin's name in the pipeline.
    kept: Mutex<BTreeMap<Arc<str>, Kept>>,
    /// Held while files are written.
    writing: Mutex<()>,
}

#[derive(Debug, Clone)]
struct Kept {
    kv: SharedKv,
    /// The plugin is gone, so this is written once more.
    is_last: bool,
}

impl Facts {
    /// In the folder in which the agent keeps what outlives it.
    ///
    /// # Errors
    /// If there is no folder for them and none can be created.
    pub fn open(state: &Path) -> Result<Self, StateError> {
        let folder = state.join(FOLDER);
        state::create(&folder)?;
        let (stop, stopped) = mpsc::channel();
        let shared = Arc::new(Shared { folder, kept: Mutex::default(), writing: Mutex::default() });
        let of_thread = Arc::clone(&shared);
        let builder = std::thread::Builder::new().name("serin-facts".into());
        let thread = builder.spawn(move || of_thread.write_time_and_again(&stopped));
        let thread = thread.map_err(|source| StateError { folder: shared.folder.clone(), source })?;
        Ok(Self { shared, stop: Some(stop), thread: Some(thread) })
    }

    /// What is kept for a plugin: what runs under its name has, or else what its file says. A file that can't be read
    /// is reported and counts as none; facts beyond the grant are left out.
    pub(crate) fn load(&self, plugin: &str, grant: KvGrant) -> Kv {
        if let Some(kept) = self.shared.kept().get(plugin) {
            return lock(&kept.kv).clone();
        }
        self.shared.read(plugin, grant, SystemTime::now())
    }

    /// Keeps these, unless something is kept under the same name.
    pub(crate) fn add(&self, plugins: impl Iterator<Item = (Arc<str>, SharedKv)>) {
        let mut kept = self.shared.kept();
        for (name, kv) in plugins {
            kept.entry(name).or_insert(Kept { kv, is_last: false });
        }
    }

    /// Keeps these from now on, and the others once more.
    pub(crate) fn replace(&self, plugins: impl Iterator<Item = (Arc<str>, SharedKv)>) {
        let mut kept = self.shared.kept();
        kept.values_mut().for_each(|kept| kept.is_last = true);
        kept.extend(plugins.map(|(name, kv)| (name, Kept { kv, is_last: false })));
    }

    /// Writes what has changed.
    pub(crate) fn write(&self) {
        self.shared.write_changes();
    }
}

impl Drop for Facts {
    fn drop(&mut self) {
        self.stop = None;
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the thread that writes facts of plugins panicked");
        }
    }
}

impl Shared {
    fn write_time_and_again(&self, stopped: &Receiver<()>) {
        let mut pause = PAUSE;
        loop {
            let ends = stopped.recv_timeout(pause) != Err(RecvTimeoutError::Timeout);
            let started = Instant::now();
            self.write_changes();
            if ends {
                return;
            }
            pause = PAUSE.max(started.elapsed() * PART);
        }
    }

    /// No lock is held while the disk is waited for but that of writing.
    fn write_changes(&self) {
        let _writing = lock(&self.writing);
        let kept = self.kept().clone();
        for (plugin, Kept { kv, is_last }) in kept {
            let Some(facts) = lock(&kv).changes(Instant::now()) else {
                self.forget(&plugin, &kv, is_last);
                continue;
            };
            let path = self.path(&plugin);
            match file::write(&path, &facts, SystemTime::now()) {
                Ok(()) => self.forget(&plugin, &kv, is_last),
                Err(error) => {
                    tracing::warn!(plugin = &*plugin, "facts are not kept, {}: {error}", path.display());
                    lock(&kv).change();
                }
            }
        }
    }

    /// Unless it is kept again by now.
    fn forget(&self, plugin: &Arc<str>, kv: &SharedKv, is_last: bool) {
        let mut kept = self.kept();
        if is_last && kept.get(plugin).is_some_and(|kept| kept.is_last && Arc::ptr_eq(&kept.kv, kv)) {
            kept.remove(plugin);
        }
    }

    fn read(&self, plugin: &str, grant: KvGrant, now: SystemTime) -> Kv {
        let path = self.path(plugin);
        let facts = file::read(&path, now).unwrap_or_else(|broken| {
            tracing::warn!(plugin, "{} is ignored, nothing is known at first: {broken}", path.display());
            Vec::new()
        });
        let (kv, left_out) = Kv::of(facts, grant, Instant::now());
        if left_out > 0 {
            tracing::warn!(plugin, "{left_out} facts of {} are more than is granted", path.display());
        }
        kv
    }

    /// A plugin's name is letters, digits and `-`.
    fn path(&self, plugin: &str) -> PathBuf {
        self.folder.join(format!("{plugin}.json"))
    }

    fn kept(&self) -> MutexGuard<'_, BTreeMap<Arc<str>, Kept>> {
        lock(&self.kept)
    }
}

/// What these hold is never half done.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::os::unix::fs::PermissionsExt;

    use super::*;

    const GRANT: KvGrant = KvGrant { keys: 10, bytes: 1000, persist: true };

    fn set(kv: &SharedKv, key: &str, value: &[u8], ttl: Duration) {
        lock(kv).set(GRANT, key, value.to_vec(), ttl, Instant::now()).unwrap();
    }

    fn one(name: &str, kv: &SharedKv) -> impl Iterator<Item = (Arc<str>, SharedKv)> + use<> {
        std::iter::once((name.into(), Arc::clone(kv)))
    }

    fn get(kv: &Kv, key: &str) -> Option<Vec<u8>> {
        kv.get(key, Instant::now()).map(<[u8]>::to_vec)
    }

    #[test]
    fn facts_are_there_after_a_restart_and_for_their_plugin_alone() {
        let state = tempfile::tempdir().unwrap();
        let facts = Facts::open(state.path()).unwrap();
        let kv = SharedKv::default();
        facts.add(one("p", &kv));
        set(&kv, "a\n\"", &[0, 255, 7], Duration::ZERO);
        set(&kv, "gone", b"x", Duration::ZERO);
        lock(&kv).delete("gone", Instant::now());
        drop(facts);

        let file = state.path().join("kv/p.json");
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(std::fs::metadata(state.path().join("kv")).unwrap().permissions().mode() & 0o777, 0o700);
        let facts = Facts::open(state.path()).unwrap();
        let kv = facts.load("p", GRANT);
        assert_eq!((get(&kv, "a\n\""), get(&kv, "gone")), (Some(vec![0, 255, 7]), None));
        assert_eq!(get(&facts.load("q", GRANT), "a\n\""), None);
    }

    #[test]
    fn times_go_by_the_wall_clock() {
        let state = tempfile::tempdir().unwrap();
        let facts = Facts::open(state.path()).unwrap();
        let kv = SharedKv::default();
        set(&kv, "hour", b"x", Duration::from_secs(3600));
        set(&kv, "day", b"x", Duration::from_secs(24 * 3600));
        set(&kv, "good", b"x", Duration::ZERO);
        facts.add(one("p", &kv));
        facts.write();
        let later = |hours: u64| {
            let kv = facts.shared.read("p", GRANT, SystemTime::now() + Duration::from_secs(hours * 3600));
            ["hour", "day", "good"].map(|key| get(&kv, key).is_some())
        };
        assert_eq!((later(0), later(2)), ([true; 3], [false, true, true]));
        assert_eq!(later(30), [false, false, true]);
    }

    #[test]
    fn what_has_not_changed_is_not_written() {
        let state = tempfile::tempdir().unwrap();
        let facts = Facts::open(state.path()).unwrap();
        let (kv, file) = (SharedKv::default(), state.path().join("kv/p.json"));
        facts.add(one("p", &kv));
        facts.write();
        assert!(!file.exists());
        set(&kv, "a", b"x", Duration::ZERO);
        facts.write();
        std::fs::remove_file(&file).unwrap();
        facts.write();
        assert!(!file.exists());
        // What can't be written is tried again.
        set(&kv, "b", b"x", Duration::ZERO);
        let partial = state.path().join("kv/p.json.partial");
        std::fs::create_dir(&partial).unwrap();
        facts.write();
        assert!(!file.exists());
        std::fs::remove_dir(&partial).unwrap();
        facts.write();
        assert!(file.exists());
    }

    #[test]
    fn a_damaged_file_counts_as_none_and_is_written_anew() {
        let state = tempfile::tempdir().unwrap();
        let file = state.path().join("kv/p.json");
        std::fs::create_dir(state.path().join("kv")).unwrap();
        for broken in [
            "",
            "{",
            "[]",
            r#"{"version":2,"facts":{}}"#,
            r#"{"version":1,"facts":{"a":{"value":"!"}}}"#,
            r#"{"version":1,"facts":{"a":{"value":"eA==","more":1}}}"#,
        ] {
            std::fs::write(&file, broken).unwrap();
            let facts = Facts::open(state.path()).unwrap();
            let kv = SharedKv::new(Mutex::new(facts.load("p", GRANT)));
            assert_eq!(get(&lock(&kv), "a"), None, "{broken}");
            facts.add(one("p", &kv));
            set(&kv, "a", b"x", Duration::ZERO);
            drop(facts);
            let facts = Facts::open(state.path()).unwrap();
            assert_eq!(get(&facts.load("p", GRANT), "a"), Some(b"x".to_vec()), "{broken}");
        }
    }

    #[test]
    fn a_smaller_grant_leaves_facts_out() {
        let state = tempfile::tempdir().unwrap();
        let facts = Facts::open(state.path()).unwrap();
        let kv = SharedKv::default();
        (0..10).for_each(|n| set(&kv, &n.to_string(), b"x", Duration::ZERO));
        facts.add(one("p", &kv));
        drop(facts);
        let facts = Facts::open(state.path()).unwrap();
        let kv = facts.load("p", KvGrant { keys: 3, ..GRANT });
        assert_eq!((0..10).filter(|n| get(&kv, &n.to_string()).is_some()).count(), 3);
        assert_eq!(kv.refused, 0);
    }

    #[test]
    fn a_plugin_that_goes_is_written_once_more_and_one_that_comes_back_has_what_it_had() {
        let state = tempfile::tempdir().unwrap();
        let facts = Facts::open(state.path()).unwrap();
        let (old, file) = (SharedKv::default(), state.path().join("kv/p.json"));
        facts.add(one("p", &old));
        set(&old, "a", b"1", Duration::ZERO);
        facts.replace(std::iter::empty());
        // Not yet written, and there all the same.
        let new = SharedKv::new(Mutex::new(facts.load("p", GRANT)));
        assert_eq!(get(&lock(&new), "a"), Some(b"1".to_vec()));
        facts.replace(one("p", &new));
        set(&new, "a", b"2", Duration::ZERO);
        facts.write();
        facts.replace(std::iter::empty());
        facts.write();
        assert!(facts.shared.kept().is_empty() && file.exists());
        assert_eq!(get(&facts.load("p", GRANT), "a"), Some(b"2".to_vec()));
    }
}
