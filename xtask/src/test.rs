//! Runs every test and adds up what came of it.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

use crate::packages::Lists;
use crate::report::{Report, summarise};
use crate::toolchain::KernelToolchain;
use crate::{build, examples, in_kernels, layout, lint, packages, step, toolchain};

/// Parts of the test suite.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Part {
    /// Formatting, lints, licences
    Lint,
    /// Unit tests of the host crates, xtask and the plugins
    Unit,
    /// A plugin in every language that there is an SDK for
    Sdks,
    /// End to end on this machine's kernel
    Native,
    /// End to end on each test kernel in qemu
    Vm,
}

/// Runs the parts (all if none is named) and prints the summary; whether nothing failed.
pub(crate) fn all(parts: &[Part], arguments: &[String]) -> Result<bool> {
    let wanted = |part| parts.is_empty() || parts.contains(&part);
    let mut reports = Vec::new();
    let for_vms = if wanted(Part::Vm) { packages::VM } else { &[] };
    let receivers = if wanted(Part::Unit) { packages::RECEIVERS } else { &[] };
    packages::ensure(&[KernelToolchain::packages(), for_vms, receivers].concat())?;
    build::all()?;
    if wanted(Part::Lint) {
        reports.push(lint::report()?);
    }
    if wanted(Part::Unit) {
        reports.extend(unit_tests()?);
    }
    if wanted(Part::Sdks) {
        reports.push(examples::report()?);
    }
    if wanted(Part::Native) || wanted(Part::Vm) {
        build::end_to_end_tests()?;
    }
    if wanted(Part::Native) {
        fetch_registry();
        reports.push(native(arguments)?);
    }
    if wanted(Part::Vm) {
        reports.extend(in_kernels::all(arguments)?);
    }
    Ok(summarise(&reports))
}

/// Without it, the scenario that needs it says so.
fn fetch_registry() {
    let fetched = layout::cache(packages::REGISTRY).and_then(|place| {
        let there = place.join("usr/bin").join(packages::REGISTRY).is_file();
        if there { Ok(()) } else { packages::unpack(packages::REGISTRY, &Lists::of_this_system(), &place) }
    });
    if let Err(error) = fetched {
        println!("no {}: {error:#}", packages::REGISTRY);
    }
}

fn unit_tests() -> Result<Vec<Report>> {
    let host = ["--release", "--workspace", "--exclude", "xtask"];
    let plugins = ["--manifest-path", "plugins/Cargo.toml", "--workspace"];
    Ok(vec![
        cargo_test("unit tests of the host", &host)?,
        cargo_test("unit tests of the plugins", &plugins)?,
        cargo_test("unit tests of xtask", &["--package", "xtask"])?,
    ])
}

fn cargo_test(title: &str, selection: &[&str]) -> Result<Report> {
    let mut compile = toolchain::cargo();
    compile.args(["test", "--no-run"]).args(selection);
    if let Err(error) = step::run(format!("compile {title}"), step::with_cargo_progress(&mut compile)) {
        let mut report = Report::new(title);
        report.ended(false, &format!("{error:#}"));
        return Ok(report);
    }
    let mut command = toolchain::cargo();
    command.args(["test", "--quiet", "--no-fail-fast"]).args(selection);
    run(title, &mut command)
}

fn native(arguments: &[String]) -> Result<Report> {
    let mut command = Command::new(layout::binary("serin-tests"));
    command.current_dir(layout::root()).env("SERIN_ROOT", layout::root()).args(arguments);
    run("end to end on this machine", &mut command)
}

fn run(title: &str, command: &mut Command) -> Result<Report> {
    println!("\n=== {title}");
    let mut report = Report::new(title);
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start {}", command.get_program().display()))?;
    if let Some(stdout) = child.stdout.take() {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            println!("{line}");
            report.read_line(&line);
        }
    }
    let status = child.wait()?;
    report.ended(status.success(), &status.to_string());
    Ok(report)
}
