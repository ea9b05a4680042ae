//! How start and memory grow with the number of policies.

use std::time::Instant;

use anyhow::Result;

use super::{median, row};
use crate::agent::Setup;

/// How many policies are loaded at once.
const COUNTS: [usize; 5] = [0, 1, 10, 100, 1000];

/// Repetitions; fewer where one takes seconds.
const fn rounds(policies: usize) -> usize {
    if policies > 100 { 1 } else { 3 }
}

/// System calls that take a path, and which of their parameters that is: the dispatcher takes 32 hooks for each.
const CALLS: [(&str, u8); 40] = [
    ("symlinkat", 0),
    ("symlink", 0),
    ("link", 0),
    ("linkat", 1),
    ("unlink", 0),
    ("unlinkat", 1),
    ("mkdir", 0),
    ("mkdirat", 1),
    ("rmdir", 0),
    ("mknod", 0),
    ("mknodat", 1),
    ("rename", 0),
    ("renameat", 1),
    ("renameat2", 1),
    ("chmod", 0),
    ("fchmodat", 1),
    ("chown", 0),
    ("lchown", 0),
    ("fchownat", 1),
    ("truncate", 0),
    ("chroot", 0),
    ("chdir", 0),
    ("mount", 0),
    ("memfd_create", 0),
    ("pivot_root", 0),
    ("swapon", 0),
    ("swapoff", 0),
    ("acct", 0),
    ("utime", 0),
    ("utimes", 0),
    ("futimesat", 1),
    ("utimensat", 1),
    ("setxattr", 0),
    ("lsetxattr", 0),
    ("getxattr", 0),
    ("lgetxattr", 0),
    ("listxattr", 0),
    ("llistxattr", 0),
    ("removexattr", 0),
    ("lremovexattr", 0),
];

/// Prints a row for each number of policies.
pub(super) fn policies() -> Result<()> {
    println!("\n| policies of one hook each | from exec to all attached | resident memory | kernel memory |");
    println!("|---|---|---|---|");
    for count in COUNTS {
        let mut measured = Vec::new();
        for _ in 0..rounds(count) {
            match measure(count) {
                Ok(one) => measured.push(one),
                Err(error) => {
                    // What the agent said last is why.
                    let reason = format!("{error:#}").replace('\n', " ");
                    let reason = reason.rsplit("tried were ").next().unwrap_or_default();
                    let reason: String = reason.chars().take(150).collect();
                    row(&count.to_string(), &format!("not possible: {reason} | |"));
                    return Ok(());
                }
            }
        }
        let of =
            |field: fn(&[f64; 3]) -> f64| median(measured.iter().map(field).collect()).unwrap_or_default();
        let [time, resident, kernel] = [of(|one| one[0]), of(|one| one[1]), of(|one| one[2])];
        row(&count.to_string(), &format!("{time:.0} ms | {resident:.1} MB | {kernel:.1} MB"));
    }
    Ok(())
}

/// Milliseconds, and megabytes of the agent and of the kernel.
fn measure(count: usize) -> Result<[f64; 3]> {
    let mut setup = Setup::new()?;
    for number in 0..count {
        let (call, index) = CALLS[number % CALLS.len()];
        setup = setup.policy(&format!(
            "{{apiVersion: cilium.io/v1alpha1, kind: TracingPolicy, metadata: {{name: policy-{number}}}, spec: {{kprobes: [\
             {{call: sys_{call}, args: [{{index: {index}, type: string}}], selectors: [{{matchArgs: [{{index: {index}, \
             operator: Postfix, values: [passwd]}}]}}]}}]}}}}"
        ))?;
    }
    let start = Instant::now();
    let agent = setup.start()?;
    let time = start.elapsed().as_secs_f64() * 1e3;
    let (resident, kernel) = (agent.resident()? as f64 / 1e3, agent.kernel_memory()? as f64 / 1e6);
    agent.stop()?;
    Ok([time, resident, kernel])
}
