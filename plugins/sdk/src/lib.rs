//! Write plugins for [serin](https://github.com/serin-dev/serin): typed events in, effects out.
//!
//! ```
//! use serin_plugin::{EventView, Kind, Outcome, Plugin, Subscription};
//!
//! #[derive(serde::Deserialize)]
//! struct Config {
//!     path: String,
//! }
//!
//! struct Tagger {
//!     path: String,
//! }
//!
//! impl Plugin for Tagger {
//!     type Config = Config;
//!
//!     fn new(config: Config) -> Result<Self, String> {
//!         Ok(Self { path: config.path })
//!     }
//!
//!     fn subscription(&self) -> Subscription {
//!         Subscription::kinds([Kind::ProcessKprobe])
//!     }
//!
//!     fn on_event(&mut self, event: EventView<'_>, outcome: &mut Outcome) {
//!         let Some(kprobe) = event.kprobe() else { return };
//!         if kprobe.arguments().any(|argument| argument.as_str() == Some(&self.path)) {
//!             outcome.annotate("tagger.path", &self.path);
//!         }
//!     }
//! }
//!
//! serin_plugin::export!(Tagger);
//!
//! let mut tagger = Tagger::new(Config { path: "/etc/passwd".to_owned() }).unwrap();
//! let outcome = serin_plugin::testing::on_event(&mut tagger, |event| {
//!     let mut kprobe = event.new_kprobe("links");
//!     kprobe.arguments(&["/etc/passwd"], |path, argument| {
//!         argument.type_code(5).text(path);
//!     });
//! });
//! assert_eq!(outcome.annotations[0].key, "tagger.path");
//! ```
//!
//! A plugin is a `cdylib` crate; `docs/plugin-guide.md` says how to build it,
//! run it and test it. It runs in a sandbox without files, network or clock:
//! what it wants done it says in its [`Outcome`].

#[rustfmt::skip]
#[allow(
    clippy::all, missing_docs, unreachable_pub, unsafe_code, unused_qualifications, clippy::undocumented_unsafe_blocks,
    clippy::allow_attributes_without_reason, clippy::unwrap_used,
    reason = "generated"
)]
pub mod bindings;
pub mod clock;
mod duration;
pub mod file;
pub mod hash;
pub mod kv;
pub mod log;
#[cfg(target_arch = "wasm32")]
mod memory;
mod outcome;
pub mod random;
pub mod redact;
#[doc(hidden)]
pub mod runtime;
mod subscription;
mod table;
pub mod testing;

pub use bindings::exports::serin::plugin::frames::Action;
pub use bindings::serin::plugin::types::{Alert, Annotation, Drop, HttpRequest, Method, Severity};
pub use duration::duration;
pub use outcome::{AlertBuilder, Outcome};
pub use serin_frame::{
    ActionResultView, AlertView, AnnotationView, ArgumentValue, ArgumentView, EventView, ExitView, FieldView,
    FileRole, HookView, Kind, KprobeView, List, LossView, NodeView, PluginErrorView, PodView, ProcessView,
    SharedList, Texts,
};
pub use subscription::Subscription;
pub use table::Table;

/// A plugin: made once from its configuration, then called for every event it subscribes to.
pub trait Plugin: Sized {
    /// The pipeline entry's `config`. Use `#[serde(deny_unknown_fields)]`, so that a misspelt key is an error.
    type Config: serde::de::DeserializeOwned;

    /// Makes the plugin.
    ///
    /// # Errors
    /// What is wrong with the configuration and what to write instead: the operator sees it, and the agent doesn't start.
    fn new(config: Self::Config) -> Result<Self, String>;

    /// Which events the plugin is for; all of them unless it says otherwise. Others cost nothing.
    fn subscription(&self) -> Subscription {
        Subscription::default()
    }

    /// Looks at one event. Leaving `outcome` alone lets it pass unchanged.
    fn on_event(&mut self, event: EventView<'_>, outcome: &mut Outcome);

    /// Called about once a second with the time in nanoseconds since the Unix epoch; gives the actions to request.
    fn on_tick(&mut self, now: u64) -> Vec<Action> {
        let _ = now;
        Vec::new()
    }

    /// Called once, when the agent ends or another version takes the plugin's place; gives the last actions to request.
    /// Nothing comes after it but the results of actions. Not called of an instance that has failed, and not when the agent
    /// is killed.
    fn flush(&mut self) -> Vec<Action> {
        Vec::new()
    }
}

/// Exports a [`Plugin`] from the crate; does nothing when built for another target than WebAssembly.
#[macro_export]
macro_rules! export {
    ($plugin:ty) => {
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            std::thread_local! {
                static PLUGIN: std::cell::RefCell<Option<$plugin>> = const { std::cell::RefCell::new(None) };
            }

            struct Exports;

            impl $crate::bindings::exports::serin::plugin::frames::Guest for Exports {
                fn init(config: String) -> Result<$crate::runtime::Info, String> {
                    let (info, plugin) =
                        $crate::runtime::init(&config, env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"))?;
                    PLUGIN.set(Some(plugin));
                    Ok(info)
                }

                fn on_frame(frame: Vec<u8>) -> $crate::runtime::Effects {
                    PLUGIN.with_borrow_mut(|plugin| $crate::runtime::on_frame(plugin.as_mut(), &frame))
                }

                fn on_tick(now: u64) -> Vec<$crate::Action> {
                    PLUGIN.with_borrow_mut(|plugin| $crate::runtime::on_tick(plugin.as_mut(), now))
                }

                fn flush() -> Vec<$crate::Action> {
                    PLUGIN.with_borrow_mut(|plugin| $crate::runtime::flush(plugin.as_mut()))
                }
            }

    $crate::bindings::export!(Exports with_types_in $crate::bindings);
        };
    };
}
