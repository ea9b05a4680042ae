//! One running instance of a plugin.

use std::time::Duration;

use wasmtime::{Engine, Store, Trap};

use crate::MAX_OUTCOME;
use crate::bindings::exports::serin::plugin::frames::{Action, Info};
use crate::bindings::serin::plugin::types::Outcome;
use crate::bindings::{Plugin, PluginPre};
use crate::engine::ticks;
use crate::error::Failure;
use crate::redact::Masks;
use crate::sandbox::{OutOfMemory, Sandbox, SharedKv};

/// How long starting an instance may take, `init` included.
const START_TIME: Duration = Duration::from_secs(5);

pub(crate) struct Instance {
    store: Store<Sandbox>,
    plugin: Plugin,
    time: Duration,
}

impl std::fmt::Debug for Instance {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Instance").field("time", &self.time).finish_non_exhaustive()
    }
}

impl Instance {
    pub(crate) fn new(
        engine: &Engine,
        component: &PluginPre<Sandbox>,
        sandbox: Sandbox,
    ) -> Result<Self, Failure> {
        let time = sandbox.time();
        let mut store = Store::new(engine, sandbox);
        store.limiter(|sandbox| sandbox);
        store.set_hostcall_fuel(MAX_OUTCOME);
        store.set_epoch_deadline(ticks(START_TIME));
        let plugin = component.instantiate(&mut store).map_err(|error| failure(&error, START_TIME))?;
        Ok(Self { store, plugin, time })
    }

    /// Calls `init`: the outer result is the sandbox's, the inner one the plugin's.
    pub(crate) fn init(&mut self, config: &str) -> Result<Result<Info, String>, Failure> {
        self.begin_call(START_TIME);
        let answer = self.plugin.serin_plugin_frames().call_init(&mut self.store, config);
        answer.map_err(|error| failure(&error, START_TIME))
    }

    pub(crate) fn on_frame(&mut self, frame: &[u8]) -> Result<Outcome, Failure> {
        self.begin_call(self.time);
        let answer = self.plugin.serin_plugin_frames().call_on_frame(&mut self.store, frame);
        answer.map_err(|error| failure(&error, self.time))
    }

    pub(crate) fn on_tick(&mut self, now: u64) -> Result<Vec<Action>, Failure> {
        self.begin_call(self.time);
        let answer = self.plugin.serin_plugin_frames().call_on_tick(&mut self.store, now);
        answer.map_err(|error| failure(&error, self.time))
    }

    /// The last call.
    pub(crate) fn flush(&mut self) -> Result<Vec<Action>, Failure> {
        self.begin_call(self.time);
        let answer = self.plugin.serin_plugin_frames().call_flush(&mut self.store);
        answer.map_err(|error| failure(&error, self.time))
    }

    /// What the plugin has masked since this was asked last.
    pub(crate) fn take_masks(&mut self) -> Masks {
        std::mem::take(&mut self.store.data_mut().masks)
    }

    /// Lines that the plugin wanted to log beyond its limit since this was asked last.
    pub(crate) fn take_log_lines_lost(&mut self) -> u64 {
        std::mem::take(&mut self.store.data_mut().log_lines_lost)
    }

    /// Bytes of linear memory that it has by now.
    pub(crate) fn memory_used(&self) -> usize {
        self.store.data().memory_used()
    }

    /// Makes what the host keeps for the plugin another store.
    pub(crate) fn use_kv(&mut self, kv: SharedKv) {
        self.store.data_mut().use_kv(kv);
    }

    fn begin_call(&mut self, time: Duration) {
        self.store.data_mut().begin_call();
        self.store.set_epoch_deadline(ticks(time));
    }
}

fn failure(error: &wasmtime::Error, time: Duration) -> Failure {
    if let Some(OutOfMemory { wanted, limit }) = error.downcast_ref() {
        return Failure::Memory { wanted: *wanted, limit: *limit };
    }
    match error.downcast_ref::<Trap>() {
        Some(Trap::Interrupt) => Failure::TimeOut(time),
        Some(trap) => Failure::Trap(trap.to_string()),
        None => Failure::Outcome(format!("{error:#}")),
    }
}
