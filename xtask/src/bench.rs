//! Measures what docs/benchmarks.md reports.

use std::process::Command;
use std::time::Duration;

use anyhow::{Result, ensure};

use crate::vm::{self, ErrorInjection, Kernel, Machine};
use crate::{build, layout, packages, toolchain};

/// Benchmarks of single crates: the package and its example.
const EXAMPLES: &[(&str, &str)] = &[("serin-event", "json_bench"), ("serin-pipeline", "chain_bench")];

/// Calls a round when instructions are counted: every run gives the same, so few are enough.
const COUNTED_CALLS: u32 = 2_000;

/// Runs every benchmark.
pub(crate) fn all() -> Result<()> {
    build::all()?;
    build::end_to_end_tests()?;
    for (package, example) in EXAMPLES {
        println!("\n## {package}: {example}\n");
        let mut command = toolchain::cargo();
        command.args(["run", "--quiet", "--release", "--package", package, "--example", example]);
        run(&mut command)?;
    }
    println!("\n## The agent on this machine");
    if packages::is_root() {
        run(Command::new(layout::binary("serin-tests")).current_dir(layout::root()).arg("bench"))?;
    } else {
        println!("left out: it takes root");
    }
    counted()
}

/// The same on the small kernel, where one instruction takes one nanosecond.
fn counted() -> Result<()> {
    println!("\n## The agent on the small kernel: instructions for nanoseconds");
    packages::ensure(packages::VM)?;
    let kernel = match Kernel::error_injection()? {
        ErrorInjection::Ready(kernel) => kernel,
        ErrorInjection::Missing(how) => {
            println!("left out: {how}");
            return Ok(());
        }
    };
    let machine =
        Machine { memory: 2048, cpus: 1, timeout: Duration::from_secs(1200), count_instructions: true };
    let command = format!("target/release/serin-tests bench {COUNTED_CALLS}");
    let status = vm::run(&kernel, &machine, &command, &mut |line| println!("{line}"))?;
    ensure!(status == 0, "the benchmarks ended with status {status}");
    Ok(())
}

fn run(command: &mut Command) -> Result<()> {
    let status = command.status()?;
    ensure!(status.success(), "{} ended with {status}", command.get_program().display());
    Ok(())
}
