//! Measures what docs/benchmarks.md reports.

use std::process::Command;
use std::time::Duration;

use anyhow::{Result, ensure};

use crate::vm::{self, ErrorInjection, Kernel, Machine};
use crate::{build, examples, layout, packages, step, toolchain};

/// Benchmarks of single crates: their examples.
const EXAMPLES: &[&str] = &["json_bench", "record_bench", "chain_bench"];

/// Calls a round when instructions are counted: every run gives the same, so few are enough.
const COUNTED_CALLS: u32 = 2_000;

/// Runs every benchmark.
pub(crate) fn all() -> Result<()> {
    build::all()?;
    build::end_to_end_tests()?;
    examples_of_crates()?;
    for example in EXAMPLES {
        println!("\n## {example}\n");
        run(Command::new(layout::binary("examples").join(example)).current_dir(layout::root()))?;
    }
    println!("\n## A plugin in every language\n");
    let components = examples::bench()?;
    println!("\n## Chains of it, with one worker and with two\n");
    let components = components.iter().map(|(language, path)| format!("{language}={}", path.display()));
    run(Command::new(layout::binary("examples").join("chain_bench")).args(components))?;
    println!("\n## The agent on this machine");
    if packages::is_root() {
        run(Command::new(layout::binary("serin-tests")).current_dir(layout::root()).arg("bench"))?;
    } else {
        println!("left out: it takes root");
    }
    counted()
}

/// Builds the examples of all crates at once: by themselves they would agree on other features
/// of their dependencies than the agent does, and wasmtime would be compiled once more.
fn examples_of_crates() -> Result<()> {
    let mut command = toolchain::cargo();
    command.args(["build", "--release", "--workspace", "--exclude", "xtask", "--examples"]);
    step::run("benchmarks", step::with_cargo_progress(&mut command))?;
    Ok(())
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
