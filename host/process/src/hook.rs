//! What an event needs to know of the hook that a record names by number.

use std::collections::HashMap;
use std::sync::Arc;

use serin_event::Place;

/// The hooks that are loaded, by the id the loader gave them.
pub type Hooks = HashMap<u32, HookInfo>;

/// A hook's share of its events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HookInfo {
    /// What kind of place it sits in.
    pub place: Place,
    /// The hooked function, e.g. `__x64_sys_symlinkat`, or LSM hook, e.g. `file_open`.
    pub function_name: Arc<str>,
    /// Name of the policy.
    pub policy_name: Arc<str>,
    /// The policy's message for this hook; empty if none.
    pub message: Arc<str>,
    /// The policy's tags for this hook.
    pub tags: Arc<[String]>,
    /// Labels of the arguments, in the policy's order, empty if none; shorter than the arguments if the rest has none.
    pub labels: Vec<Arc<str>>,
    /// How many of the arguments are what the policy asks for beside those of the function: the last ones.
    pub data: usize,
    /// Label of what is returned; empty if none.
    pub return_label: Arc<str>,
    /// For each selector the actions that it takes, by Tetragon's names: `KPROBE_ACTION_OVERRIDE`.
    pub actions: Vec<Arc<[&'static str]>>,
    /// For each selector those that it takes when the call has returned, likewise.
    pub return_actions: Vec<Arc<[&'static str]>>,
}
