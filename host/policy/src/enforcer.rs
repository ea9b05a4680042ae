//! Reads `spec.enforcers` and the actions that notify them.

use std::collections::HashSet;

use serin_btf::Btf;

use crate::action::{ERRORS, SIGNALS};
use crate::check::{LSM_PREFIX, returns_error};
use crate::fields::{Field, Fields, is_default};
use crate::hook::{self, Context, HookPlaces};
use crate::lists::Lists;
use crate::report::Report;
use crate::schema::ENFORCER;
use crate::selector::read_each;
use crate::source::Span;
use crate::{ActionPlan, Diagnostic, EnforcedCall, HookPlan, Policy, Target};

/// How functions begin that ask the kernel's security modules, whose answer can be a refusal.
const LSM_FUNCTION: &str = "security_";

/// The calls of all enforcers, each once and with where it stands.
pub(crate) fn read_all(
    enforcers: Field<'_>,
    lists: Option<&Lists>,
    report: &mut Report<'_>,
) -> Option<Vec<(EnforcedCall, Span)>> {
    let calls = read_each(enforcers, report, |item, report| {
        let fields = Fields::read(item.node, &ENFORCER, report)?;
        let calls = fields.require("calls", report)?;
        read_each(calls, report, |call, report| read_call(call, lists, report))
    })?;
    let mut seen = HashSet::new();
    let calls = calls.into_iter().flatten().flatten();
    Some(calls.filter(|(call, _)| seen.insert(call.target.clone())).collect())
}

fn read_call(
    item: Field<'_>,
    lists: Option<&Lists>,
    report: &mut Report<'_>,
) -> Option<Vec<(EnforcedCall, Span)>> {
    let (name, span) = (item.string(report)?, item.span());
    let (targets, generated) = match name.strip_prefix("list:") {
        Some(name) => {
            let list = hook::find_list(name, span, lists?, report)?;
            (list.targets.clone(), list.generated)
        }
        None if name.starts_with(LSM_FUNCTION) => (vec![hook::read_function(name, span, report)?], false),
        None => (vec![hook::read_syscall(name, span, report)?], false),
    };
    let refusable = |target: &Target| match target {
        Target::Function(name) => name.starts_with(LSM_FUNCTION),
        _ => true,
    };
    if !targets.iter().all(refusable) {
        let message =
            "an enforcer refuses system calls, and what functions `security_…` ask; the list holds others";
        report.error_with_help(span, message, "write `type: syscalls` there, or leave the others out");
        return None;
    }
    let position = (span.line, span.column);
    let call = |target| (EnforcedCall { target, ignore_not_found: generated, position }, span);
    Some(targets.into_iter().map(call).collect())
}

/// Reads `NotifyEnforcer`.
pub(crate) fn read_notification(
    action: Field<'_>,
    fields: &Fields<'_>,
    context: &Context<'_>,
    report: &mut Report<'_>,
) -> Option<ActionPlan> {
    let place = check_place(action, context, report);
    let given = |name| fields.get(name).filter(|field| !is_default(field.node));
    let (error, signal) = (given("argError"), given("argSig"));
    if error.is_none() && signal.is_none() {
        let message = "`NotifyEnforcer` says neither what the call returns nor what signal is sent";
        report.error_with_help(action.span(), message, "add `argError: -1`, `argSig: 9`, or both");
        return None;
    }
    let error = error.map_or(Some(0), |field| field.integer("a negated error number", ERRORS, report));
    let signal = signal.map_or(Some(0), |field| field.integer("the number of a signal", SIGNALS, report));
    place?;
    Some(ActionPlan::NotifyEnforcer { error: error?, signal: signal? })
}

/// Refuses these actions where no system call is under way that could still be refused.
pub(crate) fn check_place(action: Field<'_>, context: &Context<'_>, report: &mut Report<'_>) -> Option<()> {
    let (message, help) = match context.targets.first() {
        Some(Target::Uprobe(_) | Target::Usdt(_)) => (
            "an enforcer is about system calls, and functions of programs are not called in one".into(),
            "write `Sigkill` or `Signal`",
        ),
        Some(Target::Lsm(_)) => {
            ("an LSM hook refuses by itself".into(), "write `Override`, `Sigkill` or `Signal`")
        }
        Some(Target::Tracepoint(event) | Target::RawTracepoint(event))
            if event.name == "sys_exit" || event.name.starts_with("sys_exit_") =>
        {
            (
                format!("at `{event}` the system call is over and cannot be refused"),
                "hook its beginning, `sys_enter`",
            )
        }
        _ => return Some(()),
    };
    report.error_with_help(action.span(), message, help);
    None
}

/// Whether an action is one of those that enforcers have.
pub(crate) fn is_about(action: &ActionPlan) -> bool {
    matches!(action, ActionPlan::NotifyEnforcer { .. } | ActionPlan::CleanUpNotification)
}

/// Refuses hooks that notify an enforcer of a policy that has none.
pub(crate) fn check_there(hooks: &[(HookPlan, HookPlaces)], report: &mut Report<'_>) -> Option<()> {
    let notifies = |hook: &HookPlan| {
        let mut actions = hook.selectors.iter().flat_map(|selector| &selector.actions);
        actions.any(is_about)
    };
    let Some((_, places)) = hooks.iter().find(|(hook, _)| notifies(hook)) else { return Some(()) };
    let message = "this hook notifies an enforcer, and the policy has none";
    let help = "add `enforcers: [{calls: […]}]` to `spec`, with the system calls that are to be refused";
    report.error_with_help(places.call, message, help);
    None
}

/// Why a kernel cannot refuse a call.
fn wrong_with(target: &Target, btf: &Btf) -> Option<String> {
    match target {
        Target::Syscall { name, .. } => {
            let there = btf.function(&format!("__x64_sys_{name}")).is_some();
            (!there).then(|| format!("this kernel has no system call `{name}`"))
        }
        Target::Function(name) => {
            let lsm = name.strip_prefix(LSM_FUNCTION)?;
            let Some(hook) = btf.function(&format!("{LSM_PREFIX}{lsm}")) else {
                return Some(format!("`{name}` asks no LSM hook of this kernel: there is no `{lsm}`"));
            };
            (!returns_error(&hook))
                .then(|| format!("what `{name}` asks cannot be refused: it returns no error"))
        }
        _ => None,
    }
}

impl Policy {
    /// The calls of enforcers that a kernel lacks, or cannot refuse.
    pub(crate) fn check_enforced(&self, btf: &Btf) -> Vec<Diagnostic> {
        let calls =
            self.plan().enforced.iter().zip(&self.enforced).filter(|(call, _)| !call.ignore_not_found);
        let wrong = calls.filter_map(|(call, span)| Some((wrong_with(&call.target, btf)?, *span)));
        let diagnostic = |(message, span)| {
            Diagnostic::new(&self.source, span, message, Some("leave it out of the enforcer's calls".into()))
        };
        wrong.map(diagnostic).collect()
    }

    /// An error of an enforcer's call, for what is found out when the policy is loaded. `position` is that of an
    /// [`EnforcedCall`]; `None` if there is none that stands there.
    #[must_use]
    pub fn enforcer_error(
        &self,
        position: (u32, u32),
        message: String,
        help: Option<String>,
    ) -> Option<Diagnostic> {
        let span = self.enforced.iter().find(|span| (span.line, span.column) == position)?;
        Some(Diagnostic::new(&self.source, *span, message, help))
    }
}
