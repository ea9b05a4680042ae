//! Policies, from files to plans that fit this kernel.

use std::path::{Path, PathBuf};

use anyhow::{Error, Result};
use serin_api::proto::serin::CheckPolicyResponse;
use serin_btf::{Btf, Tracefs, TracefsError};
use serin_kernel::{KernelError, find_place, find_probe, verify_program};
use serin_policy::{Diagnostic, Errors, HookPlan, Policy, PolicyPlan};

use crate::check::{self, Report};
use crate::cli::KernelArguments;
use crate::inspect;

/// Reads policies and holds them against the running kernel, its types and the formats of its trace events, and against the
/// programs that they name.
///
/// # Errors
/// Everything that is wrong with them.
pub(crate) fn load(paths: &[PathBuf], btf: &Path) -> Result<Vec<Policy>> {
    let (policies, mut wrong) = load_for(paths, btf)?;
    for policy in &policies {
        wrong.extend(check_here(policy)?);
    }
    accept(wrong)?;
    policies.iter().flat_map(Policy::left_out).for_each(|note| tracing::warn!("{note}"));
    Ok(policies)
}

/// Reads policies and holds them against a kernel's types, and against nothing else of that kernel.
///
/// # Errors
/// Everything that is wrong with them.
pub(crate) fn load_for_kernel(paths: &[PathBuf], btf: &Path) -> Result<Vec<Policy>> {
    let (policies, wrong) = load_for(paths, btf)?;
    accept(wrong)?;
    Ok(policies)
}

/// Reads policies, and what is wrong with them by a kernel's types.
fn load_for(paths: &[PathBuf], btf: &Path) -> Result<(Vec<Policy>, Vec<Diagnostic>)> {
    let policies = serin_policy::load(paths)?;
    let btf = Btf::load(btf)?;
    let wrong = policies.iter().flat_map(|policy| policy.check(&btf)).collect();
    Ok((policies, wrong))
}

fn accept(wrong: Vec<Diagnostic>) -> Result<()> {
    if wrong.is_empty() {
        return Ok(());
    }
    Err(Errors(wrong.into_iter().map(serin_policy::Error::from).collect()).into())
}

/// Holds a policy's tracepoints against the formats of the running kernel's trace events, and its uprobes against
/// programs.
///
/// # Errors
/// If it has tracepoints, and the formats cannot be read.
pub(crate) fn check_here(policy: &Policy) -> Result<Vec<Diagnostic>, TracefsError> {
    let mut wrong = policy.check_programs(find_place, find_probe, verify_program);
    if policy.has_tracepoints() {
        let tracefs = Tracefs::open()?;
        let format = |subsystem: &str, event: &str| tracefs.format(subsystem, event);
        wrong.extend(policy.check_formats(format, || tracefs.names())?);
    }
    Ok(wrong)
}

/// `serin policy check`: what is wrong, what is risky, and what the running kernel would make of each hook.
pub(crate) fn check(paths: &[PathBuf], btf: &Path) -> Result<()> {
    let (policies, mut wrong) = load_for(paths, btf)?;
    // Of other kernels nobody knows what they would do.
    let here = btf == Path::new(serin_btf::KERNEL_BTF);
    let mut unchecked = None;
    for policy in policies.iter().filter(|_| here) {
        match check_here(policy) {
            Ok(found) => wrong.extend(found),
            Err(error) => unchecked = Some(error),
        }
    }
    accept(wrong)?;
    let kernel = here.then(|| inspect::open(&KernelArguments::default())).and_then(Result::ok);
    let report = CheckPolicyResponse {
        policies: policies.iter().map(|policy| check::checked(policy, kernel.as_ref())).collect(),
        against: btf.display().to_string(),
        unchecked: unchecked.map(|error| error.to_string()).unwrap_or_default(),
        errors: Vec::new(),
    };
    print!("{}", Report(&report));
    if here && kernel.is_none() {
        println!("run this as root to see how the hooks would be attached");
    }
    Ok(())
}

/// `1 policy`, `2 policies`
pub(crate) fn count(number: usize, one: &str, several: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { several })
}

/// Shows the line of the policy file where the kernel refuses a hook.
pub(crate) fn at_hook(error: KernelError, policies: &[Policy]) -> Error {
    if let KernelError::Digests { policy, line, column, has, .. } = &error {
        let found = policies.iter().find(|candidate| candidate.plan().name == *policy);
        let shown = found.and_then(|found| {
            let is_meant = |hook: &HookPlan| hook.position == (*line, *column);
            found.digests_error(found.plan().hooks.iter().position(is_meant)?, has)
        });
        return shown.map_or_else(|| error.into(), |shown| Errors(vec![shown.into()]).into());
    }
    let KernelError::Unattachable { policy, hook, line, column, what, attempts } = &error else {
        return error.into();
    };
    let found = policies.iter().find(|candidate| candidate.plan().name == *policy);
    let Some(found) = found else { return error.into() };
    let index = found.plan().hooks.iter().position(|hook| hook.position == (*line, *column));
    let tried: Vec<_> =
        attempts.iter().map(|attempt| format!("{}: {}", attempt.backend, attempt.reason.trim())).collect();
    let way = match *what {
        "overridden" => "carry out `Override` on",
        "refused" => "have an enforcer refuse",
        _ => "hook",
    };
    let message = format!("policy `{policy}`: this kernel offers no way to {way} `{hook}`");
    let help = (!tried.is_empty()).then(|| format!("tried were {}", tried.join("; ")));
    let enforcer = found.enforcer_error((*line, *column), message.clone(), help.clone());
    let diagnostic = enforcer.unwrap_or_else(|| found.hook_error(index.unwrap_or(usize::MAX), message, help));
    Errors(vec![diagnostic.into()]).into()
}

/// The plans of policies.
pub(crate) fn plans(policies: &[Policy]) -> Vec<PolicyPlan> {
    policies.iter().map(|policy| policy.plan().clone()).collect()
}
