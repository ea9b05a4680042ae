//! `serin run --print-config`: the settings as a configuration file, each with where it comes from.

use std::fmt::Write as _;

use clap::{Arg, ArgMatches, Command};

use super::{Settings, Source, conflicting, is_given, is_setting, is_switch, takes_several};

/// All settings.
pub(super) fn render(run: &Command, matches: &ArgMatches, settings: &Settings) -> String {
    let mut text = String::from("apiVersion: serin.dev/v1alpha1\nkind: Agent\nspec:\n");
    for arg in run.get_arguments().filter(|arg| is_setting(arg)) {
        let (id, name) = (arg.get_id().as_str(), arg.get_long().unwrap_or_default());
        // Writing to a string can't fail.
        let _ = match value(arg, matches).filter(|_| !is_excluded(run, matches, arg)) {
            Some(value) => writeln!(text, "  {name}: {value}  # {}", source(arg, id, matches, settings)),
            None => writeln!(text, "  # {name}: not set"),
        };
    }
    text
}

fn source(arg: &Arg, id: &str, matches: &ArgMatches, settings: &Settings) -> String {
    match settings.get(id).map(|setting| &setting.source) {
        _ if is_given(matches, arg) => format!("--{}", arg.get_long().unwrap_or_default()),
        Some(Source::Environment(name)) => name.clone(),
        Some(Source::File(path)) => path.display().to_string(),
        None => "default".to_owned(),
    }
}

/// A setting's value in YAML, if it has one.
fn value(arg: &Arg, matches: &ArgMatches) -> Option<String> {
    let raw = matches.get_raw(arg.get_id().as_str())?;
    let quoted = raw.map(|value| serde_json::Value::from(value.to_string_lossy()).to_string());
    let quoted: Vec<_> = quoted.collect();
    if is_switch(arg) {
        return Some(matches.get_flag(arg.get_id().as_str()).to_string());
    }
    if takes_several(arg) { Some(format!("[{}]", quoted.join(", "))) } else { quoted.into_iter().next() }
}

/// Whether something that is set makes this one meaningless.
fn is_excluded(run: &Command, matches: &ArgMatches, arg: &Arg) -> bool {
    let is_on = |other: &Arg| is_switch(other) && matches.get_flag(other.get_id().as_str());
    let others = conflicting(run, arg);
    run.get_arguments().any(|other| others.contains(&other.get_id().to_string()) && is_on(other))
}
