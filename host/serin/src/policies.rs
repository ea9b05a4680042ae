//! Policies, from files to plans that fit this kernel.

use std::path::{Path, PathBuf};

use anyhow::{Error, Result};
use serin_btf::Btf;
use serin_kernel::{AttemptError, Kernel, KernelError, Way};
use serin_policy::{Errors, HookPlan, Policy, PolicyPlan};

use crate::cli::KernelArguments;
use crate::inspect;

/// Reads policies and holds them against a kernel's types.
///
/// # Errors
/// Everything that is wrong with them.
pub(crate) fn load(paths: &[PathBuf], btf: &Path) -> Result<Vec<Policy>> {
    let policies = serin_policy::load(paths)?;
    let btf = Btf::load(btf)?;
    let wrong: Vec<_> =
        policies.iter().flat_map(|policy| policy.check(&btf)).map(serin_policy::Error::from).collect();
    if wrong.is_empty() { Ok(policies) } else { Err(Errors(wrong).into()) }
}

/// `serin policy check`: what is wrong, what is risky, and what the running kernel would make of each hook.
pub(crate) fn check(paths: &[PathBuf], btf: &Path) -> Result<()> {
    let policies = load(paths, btf)?;
    // Of other kernels nobody knows what they would do.
    let here = btf == Path::new(serin_btf::KERNEL_BTF);
    let kernel = here.then(|| inspect::open(&KernelArguments::default())).and_then(Result::ok);
    for policy in &policies {
        let PolicyPlan { name, hooks, .. } = policy.plan();
        println!("{name}: ok, {}", count(hooks.len(), "hook", "hooks"));
        if let Some(kernel) = &kernel {
            let ways = kernel.ways(policy.plan());
            hooks.iter().zip(ways).for_each(|(hook, found)| println!("  {}", way(hook, found)));
        }
        policy.warnings().iter().for_each(|warning| println!("warning: {warning}"));
    }
    let total = count(policies.len(), "policy", "policies");
    println!("{total} checked against {}", btf.display());
    if here && kernel.is_none() {
        println!("run this as root to see how the hooks would be attached");
    }
    Ok(())
}

/// How a hook would be attached here: `__x64_sys_symlinkat: by fentry`.
fn way(hook: &HookPlan, found: Result<Way, Vec<AttemptError>>) -> String {
    let target = Kernel::function_of(hook);
    match found {
        Ok(Way { backend, enforcement: None }) => format!("{target}: by {backend}"),
        Ok(Way { backend, enforcement: Some(way) }) => format!("{target}: by {backend}, overridden by {way}"),
        Err(reasons) => {
            let reasons =
                reasons.iter().map(|refused| format!("{}: {}", refused.backend, refused.reason.trim()));
            format!("{target}: not possible on this kernel ({})", reasons.collect::<Vec<_>>().join("; "))
        }
    }
}

/// `1 policy`, `2 policies`
pub(crate) fn count(number: usize, one: &str, several: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { several })
}

/// Shows the line of the policy file where the kernel refuses a hook.
pub(crate) fn at_hook(error: KernelError, policies: &[Policy]) -> Error {
    let KernelError::Unattachable { policy, hook, line, column, what, attempts } = &error else {
        return error.into();
    };
    let found = policies.iter().find(|candidate| candidate.plan().name == *policy);
    let Some(found) = found else { return error.into() };
    let index = found.plan().hooks.iter().position(|hook| hook.position == (*line, *column));
    let tried: Vec<_> =
        attempts.iter().map(|attempt| format!("{}: {}", attempt.backend, attempt.reason.trim())).collect();
    let way = if *what == "overridden" { "carry out `Override` on" } else { "hook" };
    let message = format!("policy `{policy}`: this kernel offers no way to {way} `{hook}`");
    let help = (!tried.is_empty()).then(|| format!("tried were {}", tried.join("; ")));
    let diagnostic = found.hook_error(index.unwrap_or(usize::MAX), message, help);
    Errors(vec![diagnostic.into()]).into()
}

/// The plans of policies.
pub(crate) fn plans(policies: &[Policy]) -> Vec<PolicyPlan> {
    policies.iter().map(|policy| policy.plan().clone()).collect()
}
