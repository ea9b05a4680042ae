//! The Wasm engine and its clock.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::Thread;
use std::time::Duration;

use wasmtime::{Config, Engine};

/// The unit in which plugins' time is measured.
pub(crate) const TICK: Duration = Duration::from_millis(1);

/// An engine whose plugins can be stopped: a thread counts up its epoch while any of them runs.
pub(crate) struct Runtime {
    pub(crate) engine: Engine,
    /// Threads that run plugins.
    running: Arc<AtomicUsize>,
    ticker: Thread,
}

impl std::fmt::Debug for Runtime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Runtime").finish_non_exhaustive()
    }
}

impl Runtime {
    pub(crate) fn new() -> wasmtime::Result<Self> {
        let mut config = Config::new();
        config.wasm_component_model(true);
        config.epoch_interruption(true);
        let engine = Engine::new(&config)?;
        let running = Arc::new(AtomicUsize::new(0));
        let ticker = start_ticker(&engine, Arc::clone(&running))?;
        Ok(Self { engine, running, ticker })
    }

    /// Lets time pass for plugins until the guard is dropped.
    pub(crate) fn run(&self) -> impl Drop + use<> {
        struct Running(Arc<AtomicUsize>);

        impl Drop for Running {
            fn drop(&mut self) {
                self.0.fetch_sub(1, Ordering::Relaxed);
            }
        }

        if self.running.fetch_add(1, Ordering::SeqCst) == 0 {
            self.ticker.unpark();
        }
        Running(Arc::clone(&self.running))
    }
}

/// Ends with the engine.
fn start_ticker(engine: &Engine, running: Arc<AtomicUsize>) -> std::io::Result<Thread> {
    let engine = engine.weak();
    let ticker = std::thread::Builder::new().name("plugin-clock".to_owned()).spawn(move || {
        while let Some(engine) = engine.upgrade() {
            engine.increment_epoch();
            drop(engine);
            if running.load(Ordering::SeqCst) > 0 {
                std::thread::sleep(TICK);
            } else {
                std::thread::park_timeout(Duration::from_secs(1));
            }
        }
    })?;
    Ok(ticker.thread().clone())
}

/// How many ticks make up at least this time; one more, because the first may be cut short.
pub(crate) fn ticks(time: Duration) -> u64 {
    let whole = time.as_micros().div_ceil(TICK.as_micros());
    u64::try_from(whole).unwrap_or(u64::MAX).saturating_add(1)
}
