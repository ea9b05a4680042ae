//! Loads the policies of others on every kernel at hand.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::vm::{self, ErrorInjection, GUEST_FOLDER, Kernel, Machine};
use crate::{build, layout, packages};

/// Prints how far each policy of the folder gets, natively and in each kernel.
pub(crate) fn all(folder: &Path) -> Result<()> {
    let folder = folder.canonicalize().with_context(|| format!("cannot find {}", folder.display()))?;
    build::all()?;
    build::end_to_end_tests()?;
    packages::ensure(packages::VM)?;
    println!("\n=== this machine");
    if packages::is_root() {
        let mut command = Command::new(layout::binary("serin-tests"));
        let status = command.current_dir(layout::root()).arg("conformance").arg(&folder).status()?;
        ensure!(status.success(), "serin-tests ended with {status}");
    } else {
        println!("left out: it takes root");
    }
    let mut kernels = vec![Kernel::find("debian-6.1")?, Kernel::find("debian-6.12")?];
    match Kernel::error_injection()? {
        ErrorInjection::Ready(kernel) => kernels.push(kernel),
        ErrorInjection::Missing(how) => println!("the kernel with error injection is left out: {how}"),
    }
    kernels.iter().try_for_each(|kernel| in_kernel(&folder, kernel))
}

fn in_kernel(folder: &Path, kernel: &Kernel) -> Result<()> {
    println!("\n=== {}", kernel.name);
    let machine =
        Machine { memory: 2048, cpus: 2, timeout: Duration::from_secs(1500), count_instructions: false };
    let command = format!("target/release/serin-tests conformance {GUEST_FOLDER}");
    let status = vm::run_with(folder, kernel, &machine, &command, &mut |line| println!("{line}"))?;
    ensure!(status == 0, "serin-tests ended with status {status}");
    Ok(())
}
