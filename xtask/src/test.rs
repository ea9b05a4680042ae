//! Runs every test and adds up what came of it.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};

use crate::toolchain::KernelToolchain;
use crate::vm::{self, ErrorInjection, Kernel, Machine};
use crate::{build, examples, layout, lint, packages, step, toolchain};

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

/// How many tests ended how.
#[derive(Default, Clone, Copy)]
pub(crate) struct Totals {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    pub(crate) skipped: u64,
}

/// What came of one part, for the summary.
#[derive(Default)]
pub(crate) struct Report {
    pub(crate) title: String,
    pub(crate) totals: Totals,
    /// What was exercised, and what was left out and why.
    pub(crate) notes: Vec<String>,
}

impl Report {
    pub(crate) fn new(title: impl Into<String>) -> Self {
        Self { title: title.into(), ..Self::default() }
    }

    /// Takes in a line of a test runner's output.
    fn read_line(&mut self, line: &str) {
        if let Some(totals) = parse_result(line) {
            self.totals.passed += totals.passed;
            self.totals.failed += totals.failed;
            self.totals.skipped += totals.skipped;
        } else if let Some(fact) = line.strip_prefix("# ") {
            self.notes.push(fact.to_owned());
        } else if let Some((name, reason)) = parse_ignored(line) {
            self.notes.push(format!("skipped {name}: {reason}"));
        } else if line.starts_with("test ") && line.trim_end().ends_with("FAILED") {
            self.notes.push(line.to_owned());
        }
    }

    /// A runner that failed without counting a failure still failed.
    fn ended(&mut self, success: bool, how: &str) {
        if !success && self.totals.failed == 0 {
            self.totals.failed += 1;
            self.notes.push(format!("ended with {how}"));
        }
    }
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
        reports.push(native(arguments)?);
    }
    if wanted(Part::Vm) {
        reports.extend(in_kernels(arguments)?);
    }
    Ok(summarise(&reports))
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

fn in_kernels(arguments: &[String]) -> Result<Vec<Report>> {
    let mut reports = Vec::new();
    for name in ["debian-6.1", "debian-6.12"] {
        reports.push(in_kernel(&Kernel::find(name)?, arguments)?);
    }
    reports.push(match Kernel::error_injection()? {
        ErrorInjection::Ready(kernel) => in_kernel(&kernel, arguments)?,
        ErrorInjection::Missing(how) => {
            let mut report = Report::new("end to end on a kernel with error injection");
            report.totals.skipped = 1;
            report.notes.push(format!("left out, Override by bpf_override_return included: {how}"));
            report
        }
    });
    Ok(reports)
}

fn in_kernel(kernel: &Kernel, arguments: &[String]) -> Result<Report> {
    let title = format!("end to end on {} in qemu", kernel.name);
    println!("\n=== {title}");
    let machine =
        Machine { memory: 2048, cpus: 2, timeout: Duration::from_secs(1500), count_instructions: false };
    let mut report = Report::new(title);
    let command = format!("target/release/serin-tests {}", arguments.join(" "));
    let status = vm::run(kernel, &machine, &command, &mut |line| {
        println!("{line}");
        report.read_line(line);
    })?;
    let how = match status {
        vm::TIMED_OUT => "a time-out".to_owned(),
        vm::PANICKED => "a panic of the kernel".to_owned(),
        status => format!("status {status}"),
    };
    report.ended(status == 0, &how);
    Ok(report)
}

fn summarise(reports: &[Report]) -> bool {
    let mut sum = Totals::default();
    println!("\n=== summary");
    for report in reports {
        println!("{}: {}", report.title, report.totals);
        for note in &report.notes {
            println!("    {note}");
        }
        sum.passed += report.totals.passed;
        sum.failed += report.totals.failed;
        sum.skipped += report.totals.skipped;
    }
    println!("\n{sum}");
    sum.failed == 0
}

impl std::fmt::Display for Totals {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{} passed, {} failed, {} skipped", self.passed, self.failed, self.skipped)
    }
}

/// The counts in a line like `test result: ok. 3 passed; 0 failed; 1 ignored; …`.
fn parse_result(line: &str) -> Option<Totals> {
    let (_, counts) = line.strip_prefix("test result: ")?.split_once(". ")?;
    let count = |what: &str| {
        counts
            .split(';')
            .find_map(|part| part.trim().strip_suffix(what)?.trim().parse::<u64>().ok())
            .unwrap_or(0)
    };
    Some(Totals { passed: count("passed"), failed: count("failed"), skipped: count("ignored") })
}

/// Name and reason in a line like `test name ... ignored (reason)` or `test name ... ignored, reason`.
fn parse_ignored(line: &str) -> Option<(&str, &str)> {
    let (name, rest) = line.strip_prefix("test ")?.split_once(" ... ignored")?;
    let rest = rest.trim_start_matches(',').trim();
    Some((name.trim(), rest.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')).unwrap_or(rest)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_read_from_the_runners_lines() {
        let mut report = Report::new("x");
        for line in [
            "test a ... ok",
            "test b::c ... ignored (no kprobes here)",
            "test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s",
            "test result: FAILED. 4 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s",
        ] {
            report.read_line(line);
        }
        assert_eq!(report.totals.to_string(), "7 passed, 2 failed, 1 skipped");
        assert_eq!(report.notes, ["skipped b::c: no kprobes here"]);
    }

    #[test]
    fn a_runner_that_dies_counts_as_a_failure() {
        let mut report = Report::new("x");
        report.ended(false, "signal 11");
        assert_eq!(report.totals.failed, 1);
    }
}
