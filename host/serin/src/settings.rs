//! The settings of `serin run`: flags go over the environment, which goes over a configuration file, which goes over
//! defaults.
//!
//! All three have the same names: `--api-socket` is `SERIN_API_SOCKET` in the environment and `api-socket` in the file.
//! What comes from the file and the environment becomes the defaults of the command line, so that clap knows every value
//! and there is one place that says what values mean.

mod file;
mod print;

use std::any::TypeId;
use std::collections::BTreeMap;
use std::env;
use std::error::Error as _;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Command, CommandFactory as _, FromArgMatches as _};

use crate::cli::Cli;

/// The configuration file that is read if there is one and no other is named.
const DEFAULT_FILE: &str = "/etc/serin/serin.yaml";
/// What variables of the environment begin with.
const PREFIX: &str = "SERIN_";
/// The command that has settings.
const RUN: &str = "run";
/// Flags that are no settings: they say where settings are, or what to do with them.
const NO_SETTINGS: [&str; 3] = ["config", "print_config", "help"];

/// Where a setting comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Source {
    File(PathBuf),
    Environment(String),
}

/// A setting that is not from the command line.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Setting {
    values: Vec<String>,
    source: Source,
}

/// By the ids of clap's arguments.
type Settings = BTreeMap<String, Setting>;

/// Reads the command line, and for `serin run` the environment and the configuration file; what is missing and what is
/// not known ends the process as clap does.
///
/// # Errors
/// The file or the environment says something wrong.
pub(crate) fn parse() -> Result<Cli> {
    let arguments: Vec<OsString> = env::args_os().collect();
    let given = relaxed().get_matches_from(&arguments);
    let Some((RUN, run)) = given.subcommand() else {
        return Ok(from(&Cli::command().get_matches_from(&arguments)));
    };
    let settings = gather(run, |name| env::var_os(name))?;
    let command = Cli::command().mut_subcommand(RUN, |run| with_defaults(run, &settings));
    let matches = command.get_matches_from(&arguments);
    let print = matches.subcommand_matches(RUN).filter(|run| run.get_flag("print_config"));
    if let Some(run) = print {
        crate::print(&print::render(&run_command(), run, &settings))?;
        std::process::exit(0);
    }
    Ok(from(&matches))
}

fn from(matches: &ArgMatches) -> Cli {
    Cli::from_arg_matches(matches).unwrap_or_else(|error| error.exit())
}

/// The command line when nothing of it is needed yet.
fn relaxed() -> Command {
    Cli::command().mut_subcommand(RUN, |run| {
        run.mut_args(|arg| if is_setting(&arg) { arg.required(false) } else { arg })
    })
}

fn run_command() -> Command {
    let mut command = relaxed();
    command.build();
    command.find_subcommand(RUN).cloned().unwrap_or_default()
}

fn is_setting(arg: &Arg) -> bool {
    arg.get_long().is_some() && !NO_SETTINGS.contains(&arg.get_id().as_str())
}

/// Settings of file and environment that no flag takes the place of.
fn gather(given: &ArgMatches, variable: impl Fn(&str) -> Option<OsString>) -> Result<Settings> {
    let run = run_command();
    let mut settings = Settings::new();
    if let Some(path) = config_file(given, &variable) {
        let read = file::read(&path, &run)?;
        let setting = |values| Setting { values, source: Source::File(path.clone()) };
        put_over(&run, &mut settings, read.into_iter().map(|(id, values)| (id, setting(values))).collect())
            .with_context(|| path.display().to_string())?;
    }
    put_over(&run, &mut settings, environment(&run, &variable)?)?;
    for flag in run.get_arguments().filter(|arg| is_given(given, arg)) {
        settings.remove(flag.get_id().as_str());
        conflicting(&run, flag).iter().for_each(|id| drop(settings.remove(id)));
    }
    Ok(settings)
}

fn is_given(matches: &ArgMatches, arg: &Arg) -> bool {
    matches.value_source(arg.get_id().as_str()) == Some(ValueSource::CommandLine)
}

/// The file that is named, or the usual one if it is there.
fn config_file(given: &ArgMatches, variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let named = given.get_one::<PathBuf>("config").cloned();
    let named = named.or_else(|| variable(&format!("{PREFIX}CONFIG")).map(PathBuf::from));
    named.or_else(|| Some(PathBuf::from(DEFAULT_FILE)).filter(|path| path.exists()))
}

fn environment(run: &Command, variable: impl Fn(&str) -> Option<OsString>) -> Result<Settings> {
    let mut found = Settings::new();
    for arg in run.get_arguments().filter(|arg| is_setting(arg)) {
        let name = variable_of(arg);
        let Some(value) = variable(&name) else { continue };
        let Ok(value) = value.into_string() else { bail!("{name}: its value is not text in UTF-8") };
        let values: Vec<_> =
            if takes_several(arg) { value.split(',').map(str::to_owned).collect() } else { vec![value] };
        for value in &values {
            check(run, arg, value).map_err(anyhow::Error::msg).with_context(|| name.clone())?;
        }
        found.insert(arg.get_id().to_string(), Setting { values, source: Source::Environment(name) });
    }
    Ok(found)
}

fn variable_of(arg: &Arg) -> String {
    format!("{PREFIX}{}", arg.get_id().as_str().to_uppercase())
}

fn takes_several(arg: &Arg) -> bool {
    arg.get_num_args().is_some_and(|range| range.max_values() > 1)
}

fn is_switch(arg: &Arg) -> bool {
    !arg.get_action().takes_values()
}

fn is_path(arg: &Arg) -> bool {
    arg.get_value_parser().type_id() == TypeId::of::<PathBuf>()
}

/// Whether this could be the value of a setting.
fn check(run: &Command, arg: &Arg, value: &str) -> Result<(), String> {
    if is_switch(arg) {
        return match value {
            "true" | "false" => Ok(()),
            _ => Err(format!("`{value}` is neither `true` nor `false`")),
        };
    }
    let alone = format!("--{}={value}", arg.get_long().unwrap_or_default());
    let parsed = run.clone().no_binary_name(true).try_get_matches_from([alone]);
    parsed.map(drop).map_err(|error| match error.source() {
        Some(reason) => reason.to_string(),
        None => error.to_string().lines().next().unwrap_or_default().replacen("error: ", "", 1),
    })
}

/// Puts stronger settings over weaker ones. What contradicts a stronger one goes.
fn put_over(run: &Command, settings: &mut Settings, stronger: Settings) -> Result<()> {
    let acts = |setting: &Setting| setting.values.first().is_some_and(|value| value != "false");
    for (id, setting) in &stronger {
        let Some(arg) = run.get_arguments().find(|arg| arg.get_id() == id) else { continue };
        if is_switch(arg) && !acts(setting) {
            continue;
        }
        for other in conflicting(run, arg) {
            if stronger.get(&other).is_some_and(acts) {
                bail!("{} and {} exclude each other", name(run, id), name(run, &other));
            }
            settings.remove(&other);
        }
    }
    settings.extend(stronger);
    Ok(())
}

/// The ids of what can't be set together with this.
fn conflicting(run: &Command, arg: &Arg) -> Vec<String> {
    let excludes = |one: &Arg, other: &Arg| {
        run.get_arg_conflicts_with(one).iter().any(|found| found.get_id() == other.get_id())
    };
    let all = run.get_arguments().filter(|other| excludes(arg, other) || excludes(other, arg));
    all.map(|other| other.get_id().to_string()).collect()
}

/// What a setting is called.
fn name(run: &Command, id: &str) -> String {
    let arg = run.get_arguments().find(|arg| arg.get_id() == id);
    arg.and_then(Arg::get_long).unwrap_or(id).to_owned()
}

fn with_defaults(mut run: Command, settings: &Settings) -> Command {
    for (id, setting) in settings {
        let values = setting.values.clone();
        run = run.mut_arg(id, |arg| arg.required(false).default_values(values));
    }
    run
}

/// A path in a configuration file starts from that file's folder.
fn beside(file: &Path, path: &str) -> String {
    file.parent().unwrap_or(Path::new("")).join(path).to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests;
