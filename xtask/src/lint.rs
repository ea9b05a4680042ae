//! Formatting, lints, licences and sources.

use std::process::Command;

use anyhow::Result;

use crate::report::Report;
use crate::{layout, step, toolchain};

/// The workspaces of the repository, by their folders.
const WORKSPACES: &[&str] = &["", KERNEL_EBPF, "plugins"];
/// The one that is a package as well.
const KERNEL_EBPF: &str = "kernel-ebpf";

/// Runs all checks and prints what failed; whether nothing did.
pub(crate) fn all() -> Result<bool> {
    let report = report()?;
    println!("{}", report.totals);
    for note in &report.notes {
        println!("    {note}");
    }
    Ok(report.totals.failed == 0)
}

/// Runs all checks.
pub(crate) fn report() -> Result<Report> {
    let mut report = Report::new("lint");
    for folder in WORKSPACES {
        let mut fmt = toolchain::cargo();
        fmt.args(["fmt", "--check", "--manifest-path"]).arg(manifest(folder));
        if *folder != KERNEL_EBPF {
            fmt.arg("--all");
        }
        check(&mut report, format!("format of {}", name(folder)), &mut fmt);
    }
    clippy(&mut report, "host", &["--release", "--workspace", "--exclude", "xtask"]);
    clippy(&mut report, "xtask", &["--package", "xtask"]);
    clippy(&mut report, "plugins", &["--manifest-path", "plugins/Cargo.toml", "--workspace"]);
    let deny = toolchain::cargo_deny()?;
    for folder in WORKSPACES {
        let mut licences = cargo_deny(&deny, folder);
        licences.args(["check", "bans", "licenses", "sources"]);
        check(&mut report, format!("licences and sources of {}", name(folder)), &mut licences);
    }
    advisories(&mut report, cargo_deny(&deny, ""));
    Ok(report)
}

fn clippy(report: &mut Report, what: &str, selection: &[&str]) {
    let mut command = toolchain::cargo();
    command.arg("clippy").args(selection).args(["--all-targets", "--", "-D", "warnings"]);
    check(report, format!("clippy of {what}"), step::with_cargo_progress(&mut command));
}

fn check(report: &mut Report, what: String, command: &mut Command) {
    match step::run(what.clone(), command) {
        Ok(_) => report.totals.passed += 1,
        Err(_) => {
            report.totals.failed += 1;
            report.notes.push(format!("failed: {what}"));
        }
    }
}

/// The advisories come from a repository of their own: without the network to it they can't be checked.
fn advisories(report: &mut Report, mut command: Command) {
    let Ok(output) = command.args(["check", "advisories"]).output() else { return };
    let text = String::from_utf8_lossy(&output.stderr);
    if output.status.success() {
        report.totals.passed += 1;
    } else if text.contains("failed to fetch advisory database") {
        let error = text.lines().find(|line| line.starts_with("fatal: ")).unwrap_or(&text);
        report.totals.skipped += 1;
        report
            .notes
            .push(format!("skipped advisories of dependencies: no advisory database: {}", error.trim()));
    } else {
        eprintln!("{text}");
        report.totals.failed += 1;
        report.notes.push("failed: advisories of dependencies".to_owned());
    }
}

fn cargo_deny(program: &std::path::Path, folder: &str) -> Command {
    let mut command = Command::new(program);
    let config = layout::root().join("deny.toml");
    command.arg("--manifest-path").arg(manifest(folder)).arg("--config").arg(config);
    command
}

fn manifest(folder: &str) -> std::path::PathBuf {
    layout::root().join(folder).join("Cargo.toml")
}

fn name(folder: &str) -> &str {
    if folder.is_empty() { "the host" } else { folder }
}
