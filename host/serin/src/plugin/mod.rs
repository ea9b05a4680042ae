//! `serin plugin`: from an empty folder to a component that an operator can trust, and what an agent makes of it.

mod bench;
mod compile;
mod fixtures;
mod inspect;
mod judge;
mod language;
pub(crate) mod project;
mod registry;
mod scaffold;
mod sdk;
mod sign;

use std::path::PathBuf;

use anyhow::Result;
use clap::Subcommand;
use serin_pipeline::PublicKey;
use serin_pipeline::artifact::{Reference, Store};

use crate::cli::AgentArguments;
use crate::client;

/// What an author of plugins does. `DIR` is the plugin's folder, with a `pipeline.yaml` that runs it.
#[derive(Debug, Subcommand)]
pub(crate) enum PluginCommand {
    /// Make a folder with a plugin that builds, and whose tests pass
    New {
        /// Name of the plugin and of the new folder: letters, digits and `-`
        #[arg(value_name = "NAME")]
        path: PathBuf,
        /// The language
        #[arg(long, value_enum, default_value = "rust")]
        lang: language::Language,
        /// For Rust, the SDK: `plugins/sdk` of a checkout of serin; by default that of the checkout that this serin or
        /// this folder is in
        #[arg(long, value_name = "DIR")]
        sdk: Option<PathBuf>,
    },
    /// Compile a plugin into the component that its pipeline.yaml names
    Build {
        #[arg(value_name = "DIR", default_value = ".")]
        folder: PathBuf,
    },
    /// Run the fixtures: fixtures/NAME/events.jsonl in, fixtures/NAME/expected.jsonl out
    Test {
        #[arg(value_name = "DIR", default_value = ".")]
        folder: PathBuf,
        /// Write what comes out as what is expected
        #[arg(long)]
        bless: bool,
    },
    /// Pass recorded events through the plugins of a pipeline and print what they say
    Run {
        #[arg(value_name = "DIR", default_value = ".")]
        folder: PathBuf,
        /// A trace, as `serin record` writes it and `serin run` prints events; `-` for standard input
        #[arg(long, value_name = "FILE")]
        events: PathBuf,
    },
    /// Measure the plugins of a pipeline against the empty plugin, on the events of their fixtures
    Bench {
        #[arg(value_name = "DIR", default_value = ".")]
        folder: PathBuf,
        /// A trace, as `serin record` writes it and `serin run` prints events; `-` for standard input
        #[arg(long, value_name = "FILE")]
        events: Option<PathBuf>,
    },
    /// Print what a component is, what it wants, and its digest
    Inspect {
        #[arg(value_name = "COMPONENT")]
        component: PathBuf,
        /// The configuration to ask it with, as JSON
        #[arg(long, value_name = "JSON", default_value = "null")]
        config: String,
    },
    /// Put a component, and its signatures, into a registry; prints its name there with its digest
    Push {
        #[arg(value_name = "COMPONENT")]
        component: PathBuf,
        /// Its name there: oci://REGISTRY/REPOSITORY:TAG
        #[arg(value_name = "REFERENCE")]
        reference: Reference,
        #[command(flatten)]
        registry: registry::RegistryArguments,
    },
    /// Keep a component of a registry on this host; prints its name with its digest, as a pipeline file has it
    Pull {
        /// Its name there: oci://REGISTRY/REPOSITORY with :TAG or @sha256:…
        #[arg(value_name = "REFERENCE")]
        reference: Reference,
        /// The folder of what was pulled, `store` of a pipeline file
        #[arg(long, value_name = "DIR", default_value = Store::DEFAULT)]
        store: PathBuf,
        #[command(flatten)]
        registry: registry::RegistryArguments,
    },
    /// List the plugins of a running agent
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        agent: AgentArguments,
    },
    /// Have a running agent start the plugins of its pipeline file anew, and wait until they are in place
    Reload {
        #[command(flatten)]
        agent: AgentArguments,
    },
    /// Make a key to sign components with, and print its public half
    Keygen {
        #[arg(value_name = "FILE")]
        key: PathBuf,
    },
    /// Vouch for a component, in COMPONENT.sig
    Sign {
        #[arg(value_name = "COMPONENT")]
        component: PathBuf,
        /// A private ed25519 key in PEM
        #[arg(long, value_name = "FILE")]
        key: PathBuf,
    },
    /// Check that one of these keys vouches for a component
    Verify {
        #[arg(value_name = "COMPONENT")]
        component: PathBuf,
        /// A public key, as `keygen` and `sign` print it
        #[arg(long = "key", value_name = "KEY", required = true)]
        keys: Vec<PublicKey>,
    },
}

/// Does what is asked.
pub(crate) fn dispatch(command: &PluginCommand) -> Result<()> {
    match command {
        PluginCommand::New { path, lang, sdk } => scaffold::new(path, *lang, sdk.as_deref()),
        PluginCommand::Build { folder } => compile::build(folder),
        PluginCommand::Test { folder, bless } => fixtures::test(folder, *bless),
        PluginCommand::Run { folder, events } => judge::run(folder, events),
        PluginCommand::Bench { folder, events } => bench::run(folder, events.as_deref()),
        PluginCommand::Inspect { component, config } => inspect::print(component, config),
        PluginCommand::Push { component, reference, registry } => {
            registry::push(component, reference, registry)
        }
        PluginCommand::Pull { reference, store, registry } => registry::pull(reference, store, registry),
        PluginCommand::List { json, agent } => client::list_plugins(&agent.address(), *json),
        PluginCommand::Reload { agent } => client::reload(&agent.address()),
        PluginCommand::Keygen { key } => sign::keygen(key),
        PluginCommand::Sign { component, key } => sign::sign(component, key),
        PluginCommand::Verify { component, keys } => sign::verify(component, keys),
    }
}
