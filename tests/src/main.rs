//! End-to-end tests: the real agent on the kernel this runs on.
//!
//! A scenario starts `target/release/serin` with policies and a pipeline of
//! its own, makes something happen, and looks at what came out. One that
//! needs what this kernel lacks is reported as ignored, with the reason. The
//! same binary runs natively and in each kernel that `cargo xtask test` boots.

mod agent;
mod api;
mod bench;
mod bpf;
mod btf;
mod certificates;
mod cgroup;
mod collector;
mod component;
mod conformance;
mod disk;
mod kernel;
mod listener;
mod policy;
mod scenarios;
mod trigger;

use std::path::PathBuf;
use std::process::ExitCode;

use libtest_mimic::{Arguments, Completion, Failed, Trial};

use kernel::Kernel;
use scenarios::{Scenario, Subjects};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.first().map(String::as_str) {
        Some("trigger") => return trigger::perform(&arguments[1..]),
        Some("conformance") => return conformance::run(arguments.get(1).map(String::as_str)),
        Some("bench") => return bench::run(arguments.get(1).map(String::as_str)),
        _ => {}
    }
    let mut arguments = Arguments::from_args();
    // Agents see each other's processes and share the kernel's hooks.
    arguments.test_threads = Some(1);
    let kernel = Kernel::probe();
    if !arguments.list {
        println!("# kernel: {}", kernel.release);
        println!("# it has: {}", kernel.features());
    }
    let subjects = subjects();
    if let Some(left_out) = subjects.left_out() {
        println!("# left out: {left_out}");
    }
    let trials =
        scenarios::of(subjects).into_iter().map(|scenario| trial(scenario, kernel.clone())).collect();
    let conclusion = libtest_mimic::run(&arguments, trials);
    println!("# hooks were attached by: {}", agent::backends());
    conclusion.exit_code()
}

fn trial(scenario: Scenario, kernel: Kernel) -> Trial {
    Trial::ignorable_test(scenario.name, move || {
        if let Err(reason) = (scenario.needs)(&kernel) {
            return Ok(Completion::ignored_with(reason));
        }
        match (scenario.run)(&kernel) {
            Ok(()) => Ok(Completion::Completed),
            Err(error) => Err(Failed::from(format!("{error:#}"))),
        }
    })
}

/// As `SERIN_TEST_SUBJECTS` says: `kernel`, `programs`, or all of them.
fn subjects() -> Subjects {
    match std::env::var("SERIN_TEST_SUBJECTS").as_deref() {
        Ok("kernel") => Subjects::Kernel,
        Ok("programs") => Subjects::Programs,
        _ => Subjects::All,
    }
}

/// The checkout, or what stands for it in a guest.
fn root() -> PathBuf {
    match std::env::var_os("SERIN_ROOT") {
        Some(root) => PathBuf::from(root),
        None => PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/..")),
    }
}
