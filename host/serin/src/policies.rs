//! Policies, from files to plans that fit this kernel.

use std::path::{Path, PathBuf};

use anyhow::{Error, Result, bail};
use serin_api::proto::serin::CheckPolicyResponse;
use serin_btf::{Btf, Tracefs, TracefsError};
use serin_kernel::{KernelError, find_place, find_probe, verify_program};
use serin_policy::{Diagnostic, Errors, Findings, HookPlan, Policy, PolicyPlan, TargetKernel};

use crate::check::{self, Report};
use crate::cli::KernelArguments;
use crate::inspect;
use crate::node::Labels;

/// A kernel that policies are held against, as far as files tell about it.
pub(crate) struct KernelFiles {
    types: Btf,
    tracefs: Option<Tracefs>,
    is_running: bool,
}

impl KernelFiles {
    /// The running kernel, with its types in this file.
    fn running(btf: &Path) -> Result<Self> {
        Ok(Self { types: Btf::load(btf)?, tracefs: None, is_running: true })
    }

    /// The kernel whose types are in a file: the running one only if that file is the one where it shows them. Types of another
    /// one's modules lie beside.
    ///
    /// # Errors
    /// If a file cannot be read, or there is a copy of tracefs for a kernel that shows its own.
    pub(crate) fn open(btf: &Path, tracefs: Option<&Path>) -> Result<Self> {
        if btf == Path::new(serin_btf::KERNEL_BTF) {
            if tracefs.is_some() {
                bail!(
                    "--tracefs is about another kernel: give the types of that kernel as well, with --btf FILE"
                );
            }
            return Self::running(btf);
        }
        let folder = btf.parent().filter(|folder| !folder.as_os_str().is_empty());
        let types = Btf::load(btf)?.with_modules_in(folder.unwrap_or(Path::new(".")));
        Ok(Self { types, tracefs: tracefs.map(Tracefs::copied).transpose()?, is_running: false })
    }

    fn target(&self) -> TargetKernel<'_> {
        if self.is_running {
            return TargetKernel::Running;
        }
        TargetKernel::Other { types: &self.types, tracefs: self.tracefs.as_ref() }
    }
}

/// Reads policies and holds those that are for a host with these labels against the running kernel, its types and the formats of
/// its trace events, and against the programs that they name.
///
/// # Errors
/// Everything that is wrong with them.
pub(crate) fn load(paths: &[PathBuf], btf: &Path, labels: &Labels) -> Result<Vec<Policy>> {
    let kernel = KernelFiles::running(btf)?;
    let policies = serin_policy::load_for(paths, kernel.target())?;
    let mut wrong = Vec::new();
    for policy in policies.iter().filter(|policy| policy.plan().is_for(labels)) {
        wrong.extend(policy.check(&kernel.types));
        wrong.extend(check_here(policy)?);
    }
    accept(wrong)?;
    policies.iter().flat_map(Policy::left_out).for_each(|note| tracing::warn!("{note}"));
    Ok(policies)
}

/// Reads policies for a kernel and holds them against its types, and against nothing else of it.
///
/// # Errors
/// Everything that is wrong with them.
pub(crate) fn load_for_kernel(paths: &[PathBuf], kernel: &KernelFiles) -> Result<Vec<Policy>> {
    let (policies, wrong) = load_for(paths, kernel)?;
    accept(wrong)?;
    policies.iter().flat_map(Policy::untold).for_each(|note| tracing::warn!("{note}"));
    Ok(policies)
}

/// Reads policies, and what is wrong with them by a kernel's types.
fn load_for(paths: &[PathBuf], kernel: &KernelFiles) -> Result<(Vec<Policy>, Vec<Diagnostic>)> {
    let policies = serin_policy::load_for(paths, kernel.target())?;
    let wrong = policies.iter().flat_map(|policy| policy.check(&kernel.types)).collect();
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
    wrong.extend(policy.check_tracepoints(TargetKernel::Running)?.wrong);
    Ok(wrong)
}

/// Holds a policy against what files tell of another kernel beside its types.
///
/// # Errors
/// If the copied formats of trace events cannot be read.
fn check_there(policy: &Policy, kernel: &KernelFiles) -> Result<Findings, TracefsError> {
    let Findings { wrong, untold } = policy.check_tracepoints(kernel.target())?;
    let untold = [policy.untold().to_vec(), untold, policy.untold_programs()].concat();
    Ok(Findings { wrong, untold })
}

/// `serin policy check`: what is wrong, what is risky, and what the running kernel would make of each hook; or of another
/// kernel, what can't be told.
pub(crate) fn check(paths: &[PathBuf], btf: &Path, tracefs: Option<&Path>) -> Result<()> {
    let files = KernelFiles::open(btf, tracefs)?;
    let (policies, mut wrong) = load_for(paths, &files)?;
    let (mut unchecked, mut untold) = (String::new(), Vec::new());
    for policy in &policies {
        if files.is_running {
            match check_here(policy) {
                Ok(found) => wrong.extend(found),
                Err(error) => unchecked = error.to_string(),
            }
            untold.push(Vec::new());
        } else {
            let found = check_there(policy, &files)?;
            wrong.extend(found.wrong);
            untold.push(found.untold);
        }
    }
    accept(wrong)?;
    // Of other kernels nobody knows how they would attach what.
    let kernel = files.is_running.then(|| inspect::open(&KernelArguments::default())).and_then(Result::ok);
    let checked = |(policy, untold): (&Policy, &Vec<_>)| check::checked(policy, kernel.as_ref(), untold);
    let report = CheckPolicyResponse {
        policies: policies.iter().zip(&untold).map(checked).collect(),
        against: btf.display().to_string(),
        unchecked,
        errors: Vec::new(),
    };
    print!("{}", Report(&report));
    if files.is_running && kernel.is_none() {
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
