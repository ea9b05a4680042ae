//! Holds a policy against a kernel's type information (BTF).

use serin_btf::{Btf, Function, TypeKind};

use crate::argument::ArgumentPlaces;
use crate::hook::HookPlaces;
use crate::resolve;
use crate::source::Span;
use crate::suggest::nearest;
use crate::{
    ActionPlan, ArgumentKind, ArgumentPlan, ArgumentSource, Diagnostic, HookPlan, Policy, Target, TraceEvent,
};

impl Policy {
    /// Checks that the hooked functions exist in a kernel and take the arguments that the policy reads.
    ///
    /// The functions of system calls take `struct pt_regs *`; their arguments can only be
    /// checked where the compiler kept the function behind, `__do_sys_…`.
    #[must_use]
    pub fn check(&self, btf: &Btf) -> Vec<Diagnostic> {
        let mut errors = self.check_enforced(btf);
        for (hook, places) in self.plan().hooks.iter().zip(&self.hooks) {
            let mut error = |span: Span, message: String, help: Option<String>| {
                errors.push(Diagnostic::new(&self.source, span, message, help));
            };
            match &hook.target {
                Target::Function(name) => check_function(hook, name, places.call, btf, &mut error),
                Target::Syscall { name, .. } => check_syscall(hook, name, places.call, btf, &mut error),
                // They have no function of their own in every kernel that runs them, and are told by number.
                Target::CompatSyscall { .. } => {}
                Target::Lsm(name) => check_lsm_hook(hook, name, places.call, btf, &mut error),
                Target::RawTracepoint(event) => check_raw_tracepoint(event, places.call, btf, &mut error),
                // The kernel's types say nothing of them: see `check_tracepoints` and `check_programs`.
                Target::Tracepoint(_) | Target::Uprobe(_) | Target::Usdt(_) | Target::Loader => {}
            }
            check_resolved(hook, places, btf, &mut error);
            if places.generated {
                continue;
            }
            check_return(hook, places.returns, btf, &mut error);
            let Some((name, function)) = signature(&hook.target, btf) else { continue };
            let itself = |(argument, _): &(&ArgumentPlan, _)| {
                argument.resolve.is_none() && argument.source == ArgumentSource::Parameter
            };
            for (argument, places) in hook.arguments.iter().zip(&places.arguments).filter(itself) {
                check_argument(argument, places, &name, &function, &mut error);
            }
        }
        errors
    }
}

/// Whether a function returns a number, which can be that of an error.
pub(crate) fn returns_error(function: &Function) -> bool {
    matches!(function.returns, TypeKind::Int { .. })
}

/// Checks the arguments that lie behind parameters.
fn check_resolved(
    hook: &HookPlan,
    places: &HookPlaces,
    btf: &Btf,
    error: &mut impl FnMut(Span, String, Option<String>),
) {
    let is_missing = match &hook.target {
        Target::Function(name) => btf.function(name).is_none(),
        Target::Lsm(name) => btf.function(&format!("{LSM_PREFIX}{name}")).is_none(),
        Target::RawTracepoint(event) => btf.tracepoint(&event.name).is_none(),
        // Their types are the program's.
        Target::Uprobe(_) | Target::Usdt(_) => true,
        Target::Syscall { .. } | Target::CompatSyscall { .. } | Target::Tracepoint(_) | Target::Loader => {
            false
        }
    };
    for (argument, places) in hook.arguments.iter().zip(&places.arguments) {
        // The task is the kernel's everywhere.
        if is_missing && argument.source == ArgumentSource::Parameter {
            continue;
        }
        let (Some(resolve), Some(plan)) = (&places.resolve, &argument.resolve) else { continue };
        let types = match plan.module_types(btf) {
            Ok(types) => types,
            Err(reason) => {
                let message = format!("the types of the module are not known: {reason}");
                let help = match btf.copied_modules() {
                    None => "load the module before the policy, or leave the hook out".to_owned(),
                    Some(folder) => {
                        let folder = folder.display();
                        format!(
                            "copy its file in /sys/kernel/btf of that kernel to {folder}, or leave the hook out"
                        )
                    }
                };
                error(resolve.module().unwrap_or(resolve.path()), message, Some(help));
                continue;
            }
        };
        let types = types.as_ref().unwrap_or(btf);
        if let Err((span, message, help)) = resolve::check(hook, argument, resolve, places.kind, types) {
            error(span, message, help);
        }
    }
}

/// The function whose parameters are the hook's arguments, if BTF knows it.
fn signature(target: &Target, btf: &Btf) -> Option<(String, Function)> {
    let name = match target {
        Target::Function(name) => name.clone(),
        Target::Syscall { name, .. } => format!("__do_sys_{name}"),
        Target::Lsm(name) => format!("{LSM_PREFIX}{name}"),
        Target::RawTracepoint(event) => return Some((event.to_string(), btf.tracepoint(&event.name)?)),
        Target::CompatSyscall { .. }
        | Target::Tracepoint(_)
        | Target::Uprobe(_)
        | Target::Usdt(_)
        | Target::Loader => return None,
    };
    let function = btf.function(&name)?;
    Some((name, function))
}

fn check_function(
    hook: &HookPlan,
    name: &str,
    call: Span,
    btf: &Btf,
    error: &mut impl FnMut(Span, String, Option<String>),
) {
    let Some(function) = btf.function(name) else {
        if !hook.ignore_not_found {
            let suggestion = nearest(name, btf.functions());
            let help = suggestion.map_or_else(
                || "set `ignore.callNotFound: true` to leave the hook out on such kernels".into(),
                |suggestion| format!("did you mean `{suggestion}`?"),
            );
            error(call, format!("this kernel has no function `{name}`"), Some(help));
        }
        return;
    };
    check_override(hook, name, &function, call, error);
}

fn check_override(
    hook: &HookPlan,
    name: &str,
    function: &Function,
    call: Span,
    error: &mut impl FnMut(Span, String, Option<String>),
) {
    let overrides = |action: &ActionPlan| matches!(action, ActionPlan::Override(_));
    let overridden = hook.selectors.iter().flat_map(|selector| &selector.actions).any(overrides);
    if overridden && !returns_error(function) {
        let help = Some("hook a function that returns an error code, or write `Sigkill`".into());
        error(call, format!("`Override` is not possible: `{name}` returns no error code"), help);
    }
}

fn check_syscall(
    hook: &HookPlan,
    name: &str,
    call: Span,
    btf: &Btf,
    error: &mut impl FnMut(Span, String, Option<String>),
) {
    if btf.function(&format!("__x64_sys_{name}")).is_none() && !hook.ignore_not_found {
        let help = "set `ignore.callNotFound: true` to leave the hook out on such kernels";
        error(call, format!("this kernel has no system call `{name}`"), Some(help.into()));
    }
}

/// System calls return a long, of which their callers see what they ask for.
fn check_return(
    hook: &HookPlan,
    place: Option<Span>,
    btf: &Btf,
    error: &mut impl FnMut(Span, String, Option<String>),
) {
    let (Target::Function(name), Some(returns), Some(place)) = (&hook.target, &hook.returns, place) else {
        return;
    };
    let Some(function) = btf.function(name) else { return };
    if function.returns == TypeKind::Other("void".into()) {
        return error(place, format!("`{name}` returns nothing"), Some("leave `return` out".into()));
    }
    if let Some(help) = mismatch(returns.kind, &function.returns) {
        let message = format!("what `{name}` returns is {}", describe(&function.returns));
        error(place, message, Some(help.into()));
    }
}

/// The kernel has a function of this prefix for each LSM hook, which BPF programs are attached to.
/// How the functions begin that BPF programs on LSM hooks are attached to.
pub(crate) const LSM_PREFIX: &str = "bpf_lsm_";

fn check_lsm_hook(
    hook: &HookPlan,
    name: &str,
    call: Span,
    btf: &Btf,
    error: &mut impl FnMut(Span, String, Option<String>),
) {
    if let Some(function) = btf.function(&format!("{LSM_PREFIX}{name}")) {
        return check_override(hook, name, &function, call, error);
    }
    let hooks: Vec<&str> = btf.functions().filter_map(|name| name.strip_prefix(LSM_PREFIX)).collect();
    let help = if hooks.is_empty() {
        Some("the kernel is built without CONFIG_BPF_LSM".into())
    } else {
        nearest(name, hooks).map(|suggestion| format!("did you mean `{suggestion}`?"))
    };
    error(call, format!("this kernel has no LSM hook `{name}`"), help);
}

fn check_raw_tracepoint(
    event: &TraceEvent,
    place: Span,
    btf: &Btf,
    error: &mut impl FnMut(Span, String, Option<String>),
) {
    if btf.tracepoint(&event.name).is_none() {
        let suggestion = nearest(&event.name, btf.tracepoints());
        let help = suggestion.map_or_else(
            || "the types of the kernel that are called `btf_trace_…` show which there are".into(),
            |suggestion| format!("did you mean `{suggestion}`?"),
        );
        error(place, format!("this kernel has no raw tracepoint `{}`", event.name), Some(help));
    }
}

fn check_argument(
    argument: &ArgumentPlan,
    places: &ArgumentPlaces,
    name: &str,
    function: &Function,
    error: &mut impl FnMut(Span, String, Option<String>),
) {
    let Some(parameter) = function.parameters.get(usize::from(argument.index)) else {
        let (count, index) = (function.parameters.len(), argument.index);
        let message = format!("`{name}` has {count} parameters, so there is no parameter {index}");
        let help = "parameters are counted from 0".into();
        return error(places.index, message, Some(help));
    };
    if let Some(help) = mismatch(argument.kind, &parameter.kind) {
        let actual = describe(&parameter.kind);
        let parameter = match parameter.name.as_str() {
            "" => argument.index.to_string(),
            name => format!("{} (`{name}`)", argument.index),
        };
        error(places.kind, format!("parameter {parameter} of `{name}` is {actual}"), Some(help.into()));
    }
}

/// Structures that pointers lead to, the types that read them, and what to write for that.
const STRUCTURES: &[(&str, &[ArgumentKind], &str)] = &[
    ("struct file", &[ArgumentKind::File], "write `file`"),
    ("struct path", &[ArgumentKind::Path], "write `path`"),
    ("struct dentry", &[ArgumentKind::Dentry], "write `dentry`"),
    ("struct linux_binprm", &[ArgumentKind::Binprm], "write `linux_binprm`"),
    ("struct filename", &[ArgumentKind::Filename], "write `filename`"),
    ("struct sock", &[ArgumentKind::Sock], "write `sock`"),
    ("struct socket", &[ArgumentKind::Socket], "write `socket`"),
    ("struct sk_buff", &[ArgumentKind::Skb], "write `skb`"),
    ("struct sockaddr", SOCKADDRS, "write `sockaddr` or `sockaddr_un`"),
    ("struct sockaddr_unsized", SOCKADDRS, "write `sockaddr` or `sockaddr_un`"),
    ("struct sockaddr_un", SOCKADDRS, "write `sockaddr_un`"),
    ("struct sockaddr_in", &[ArgumentKind::Sockaddr], "write `sockaddr`"),
    ("struct sockaddr_in6", &[ArgumentKind::Sockaddr], "write `sockaddr`"),
    ("struct sockaddr_storage", SOCKADDRS, "write `sockaddr` or `sockaddr_un`"),
    ("struct cred", &[ArgumentKind::Cred], "write `cred`"),
    ("struct user_namespace", &[ArgumentKind::UserNamespace], "write `user_namespace`"),
    ("struct module", &[ArgumentKind::Module], "write `module`"),
    ("struct load_info", &[ArgumentKind::LoadInfo], "write `load_info`"),
    ("union bpf_attr", &[ArgumentKind::BpfAttr], "write `bpf_attr`"),
    ("struct bpf_prog", &[ArgumentKind::BpfProg], "write `bpf_prog`"),
    ("struct bpf_map", &[ArgumentKind::BpfMap], "write `bpf_map`"),
    ("struct perf_event", &[ArgumentKind::PerfEvent], "write `perf_event`"),
    ("struct iov_iter", &[ArgumentKind::Iterator], "write `iov_iter`"),
    ("struct kiocb", &[ArgumentKind::Kiocb], "write `kiocb`"),
    ("struct net_device", &[ArgumentKind::NetDevice], "write `net_device`"),
    // Before Linux 6.3, and since then, when the type behind `kernel_cap_t` has no name.
    ("struct kernel_cap_struct", CAPABILITY_SETS, "write `kernel_cap_t`"),
    ("struct …", CAPABILITY_SETS, "write `kernel_cap_t`"),
];

/// Types that read a set of capabilities.
const CAPABILITY_SETS: &[ArgumentKind] = &[
    ArgumentKind::KernelCap,
    ArgumentKind::CapInheritable,
    ArgumentKind::CapPermitted,
    ArgumentKind::CapEffective,
];

/// Types that read an address of a socket.
const SOCKADDRS: &[ArgumentKind] = &[ArgumentKind::Sockaddr, ArgumentKind::SockaddrUn];

/// What to write instead if an argument's type contradicts the parameter's.
pub(crate) fn mismatch(kind: ArgumentKind, actual: &TypeKind) -> Option<&'static str> {
    use ArgumentKind::{
        BpfCmd, Bytes, Capability, Descriptor, Int, Int8, Int16, Long, ReturnedBytes, Segments, Size, String,
        Syscall, Uint, Uint8, Uint16,
    };
    match (kind, actual) {
        // Registers hold narrow integers extended to 32 bits; of wider ones the lower part is read, which policies
        // rely on: `uint32` for flags that are an unsigned long. Signedness only changes how they print.
        (Int | Uint | Capability | BpfCmd | Int8 | Uint8, TypeKind::Int { .. })
        | (Int16 | Uint16, TypeKind::Int { size: 2.., .. })
        | (Long | Size | Syscall, TypeKind::Int { size: 8, .. }) => None,
        // Some system calls take it as an unsigned long, of which the lower half counts.
        (Descriptor, TypeKind::Int { .. }) => None,
        // The address itself.
        (Size, TypeKind::Pointer { .. }) => None,
        (String | Bytes { .. } | ReturnedBytes, TypeKind::Pointer { target }) if is_text(target) => None,
        (Segments { .. }, TypeKind::Pointer { target }) if target == IOVEC || target == "void" => None,
        (_, TypeKind::Pointer { target }) if target == IOVEC => Some("write `char_iovec`"),
        (_, TypeKind::Pointer { target }) if is_character(target) => Some("write `string`"),
        (_, TypeKind::Pointer { target }) => match STRUCTURES.iter().find(|(name, ..)| name == target) {
            Some((_, kinds, _)) if kinds.contains(&kind) => None,
            Some((_, _, help)) => Some(help),
            None if matches!(kind, Int8 | Int16 | Uint8 | Uint16 | Int | Uint | Long) => {
                Some("write `uint64` to get the address")
            }
            None => Some(NO_TYPE),
        },
        (_, TypeKind::Int { size: 8, signed: true }) => Some("write `int64`"),
        (_, TypeKind::Int { size: 8, signed: false }) => Some("write `uint64`"),
        (_, TypeKind::Int { signed: true, .. }) => Some("write `int`"),
        (_, TypeKind::Int { signed: false, .. }) => Some("write `uint32`"),
        (_, TypeKind::Array { .. } | TypeKind::Other(_)) => Some(NO_TYPE),
    }
}

/// What `char_iovec` reads.
const IOVEC: &str = "struct iovec";

pub(crate) const NO_TYPE: &str = "leave this argument out: no supported type can read it";

pub(crate) fn is_character(target: &str) -> bool {
    matches!(target, "char" | "unsigned char" | "signed char")
}

/// `void *` parameters are often strings, e.g. the data of mount.
fn is_text(target: &str) -> bool {
    is_character(target) || target == "void"
}

pub(crate) fn describe(kind: &TypeKind) -> String {
    match kind {
        TypeKind::Int { size, signed } => {
            format!("{} integer of {size} bytes", if *signed { "a signed" } else { "an unsigned" })
        }
        TypeKind::Pointer { target } => format!("a pointer to `{target}`"),
        TypeKind::Array { element, .. } => format!("an array of `{element}`"),
        TypeKind::Other(name) => format!("`{name}`"),
    }
}
