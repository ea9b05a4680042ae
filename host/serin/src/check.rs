//! What is to be said of policies that are not loaded: for `serin policy check`, and for an agent's clients.

use std::fmt;

use serin_api::proto::serin::{CheckPolicyResponse, CheckedHook, CheckedPolicy, Finding, RefusedBackend};
use serin_kernel::{AttemptError, Kernel, Way};
use serin_policy::{Diagnostic, Error, Policy};

use crate::policies::{check_here, count};

/// Holds policies against the agent's kernel; `against` says which that is.
pub(crate) fn check(policies: &[Policy], kernel: &Kernel, against: String) -> CheckPolicyResponse {
    let mut wrong: Vec<_> = policies.iter().flat_map(|policy| policy.check(kernel.types())).collect();
    let mut unchecked = String::new();
    for policy in policies {
        match check_here(policy) {
            Ok(found) => wrong.extend(found),
            Err(error) => unchecked = error.to_string(),
        }
    }
    let errors: Vec<_> = wrong.iter().map(finding).collect();
    let right = if errors.is_empty() { policies } else { &[] };
    let policies = right.iter().map(|policy| checked(policy, Some(kernel), &[])).collect();
    CheckPolicyResponse { errors, policies, against, unchecked }
}

/// What is to be said of a policy without errors; how its hooks would be attached only a kernel can tell, and `untold` is what
/// could not be found out about one.
pub(crate) fn checked(policy: &Policy, kernel: Option<&Kernel>, untold: &[Diagnostic]) -> CheckedPolicy {
    let plan = policy.plan();
    let functions = plan.hooks.iter().map(Kernel::function_of);
    let hooks = match kernel {
        Some(kernel) => functions.zip(kernel.ways(plan)).map(hook).collect(),
        None => functions.map(|function| CheckedHook { function, ..CheckedHook::default() }).collect(),
    };
    let enforced = kernel.map(|kernel| kernel.ways_of_enforcers(plan)).unwrap_or_default();
    CheckedPolicy {
        name: plan.name.clone(),
        hooks,
        enforced: enforced.into_iter().map(hook).collect(),
        warnings: policy.left_out().iter().chain(&policy.warnings()).chain(untold).map(finding).collect(),
    }
}

fn hook((function, found): (String, Result<Way, Vec<AttemptError>>)) -> CheckedHook {
    match found {
        Ok(Way { backend, returns, enforcement }) => CheckedHook {
            function,
            backend: backend.to_string(),
            return_backend: returns.map(|backend| backend.to_string()).unwrap_or_default(),
            enforcement: enforcement.map(|way| way.to_string()).unwrap_or_default(),
            refused: Vec::new(),
        },
        Err(reasons) => {
            let refused = |refused: AttemptError| RefusedBackend {
                backend: refused.backend.to_string(),
                reason: refused.reason.trim().to_owned(),
            };
            let refused = reasons.into_iter().map(refused).collect();
            CheckedHook { function, refused, ..CheckedHook::default() }
        }
    }
}

/// An error as a message.
pub(crate) fn error(error: &Error) -> Finding {
    let text = error.to_string();
    match error {
        Error::Invalid(diagnostic) => finding(diagnostic),
        Error::Read { path, .. }
        | Error::TooLarge { path }
        | Error::NotAFile { path }
        | Error::More { path, .. } => {
            Finding { file: path.display().to_string(), message: text.clone(), text, ..Finding::default() }
        }
    }
}

fn finding(diagnostic: &Diagnostic) -> Finding {
    Finding {
        file: diagnostic.file.display().to_string(),
        line: diagnostic.line,
        column: diagnostic.column,
        message: diagnostic.message.clone(),
        help: diagnostic.help.clone().unwrap_or_default(),
        text: diagnostic.to_string(),
    }
}

/// Policies without errors, for people.
pub(crate) struct Report<'a>(pub(crate) &'a CheckPolicyResponse);

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let CheckPolicyResponse { policies, against, unchecked, .. } = self.0;
        for policy in policies {
            writeln!(f, "{}: ok, {}", policy.name, count(policy.hooks.len(), "hook", "hooks"))?;
            for hook in policy.hooks.iter().filter(|hook| can_be_told(hook)) {
                writeln!(f, "  {}", way(hook, "overridden"))?;
            }
            for hook in &policy.enforced {
                writeln!(f, "  enforcer of {}", way(hook, "refused"))?;
            }
            for warning in &policy.warnings {
                writeln!(f, "warning: {}", warning.text)?;
            }
        }
        writeln!(f, "{} checked against {against}", count(policies.len(), "policy", "policies"))?;
        if !unchecked.is_empty() {
            writeln!(f, "warning: the arguments of tracepoints were not checked: {unchecked}")?;
        }
        Ok(())
    }
}

fn can_be_told(hook: &CheckedHook) -> bool {
    !hook.backend.is_empty() || !hook.refused.is_empty()
}

/// How a hook would be attached: `__x64_sys_symlinkat: by fentry and fexit`.
fn way(hook: &CheckedHook, enforced: &str) -> String {
    let CheckedHook { function, backend, return_backend, enforcement, refused } = hook;
    if backend.is_empty() {
        let reasons: Vec<_> = refused.iter().map(|it| format!("{}: {}", it.backend, it.reason)).collect();
        return format!("{function}: not possible on this kernel ({})", reasons.join("; "));
    }
    let and =
        |before: &str, what: &str| if what.is_empty() { String::new() } else { format!("{before}{what}") };
    let returns = and(" and ", return_backend);
    let enforcement = and(&format!(", {enforced} by "), enforcement);
    format!("{function}: by {backend}{returns}{enforcement}")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::path::Path;

    use super::*;

    #[test]
    fn errors_keep_their_places() {
        let Err(errors) = Policy::parse("kind: Nothing\n", Path::new("p.yaml")) else {
            panic!("it was taken")
        };
        let found = error(errors.0.first().unwrap());
        assert_eq!((found.file.as_str(), found.line, found.column), ("p.yaml", 1, 7));
        assert!(found.text.starts_with(&format!("p.yaml:1:7: {}\n", found.message)), "{}", found.text);
    }

    #[test]
    fn reports_say_how_and_why_not() {
        let attached = CheckedHook {
            function: "f".into(),
            backend: "fentry".into(),
            return_backend: "fexit".into(),
            enforcement: "deny by LSM".into(),
            ..CheckedHook::default()
        };
        let reason = RefusedBackend { backend: "kprobe".into(), reason: "no".into() };
        let refused = CheckedHook { function: "g".into(), refused: vec![reason], ..CheckedHook::default() };
        let unknown = CheckedHook { function: "h".into(), ..CheckedHook::default() };
        let policy = CheckedPolicy {
            name: "p".into(),
            hooks: vec![attached.clone(), refused, unknown],
            enforced: vec![CheckedHook { return_backend: String::new(), ..attached }],
            warnings: vec![Finding { text: "p.yaml:1:1: risky".into(), ..Finding::default() }],
        };
        let report = CheckPolicyResponse {
            policies: vec![policy],
            against: "Linux".into(),
            unchecked: "no tracefs".into(),
            ..CheckPolicyResponse::default()
        };
        let expected = "\
p: ok, 3 hooks
  f: by fentry and fexit, overridden by deny by LSM
  g: not possible on this kernel (kprobe: no)
  enforcer of f: by fentry, refused by deny by LSM
warning: p.yaml:1:1: risky
1 policy checked against Linux
warning: the arguments of tracepoints were not checked: no tracefs
";
        assert_eq!(Report(&report).to_string(), expected);
    }
}
