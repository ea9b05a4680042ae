//! How an argument's type is read.

use serin_abi::config::{
    READ_ARRAY, READ_BUFFER, READ_DENTRY, READ_DESCRIPTOR, READ_FIELDS, READ_FILENAME, READ_ITERATOR,
    READ_KIOCB, READ_LOCATION, READ_POINTED, READ_SEGMENTS, READ_SOCKET, READ_VALUE, SIZE_IS_INT,
};
use serin_abi::record::{
    KIND_BINPRM, KIND_BPF_ATTR, KIND_BPF_CMD, KIND_BPF_MAP, KIND_BPF_PROG, KIND_BYTES, KIND_CAP_EFFECTIVE,
    KIND_CAP_INHERITABLE, KIND_CAP_PERMITTED, KIND_CAPABILITY, KIND_CRED, KIND_FILE, KIND_INT, KIND_INT8,
    KIND_INT16, KIND_KERNEL_CAP, KIND_LOAD_INFO, KIND_LONG, KIND_MODULE, KIND_NET_DEVICE, KIND_PATH,
    KIND_PERF_EVENT, KIND_SIZE, KIND_SKB, KIND_SOCK, KIND_SOCKADDR, KIND_SOCKADDR_UN, KIND_STRING,
    KIND_SYSCALL, KIND_UINT, KIND_UINT8, KIND_UINT16, KIND_USER_NAMESPACE,
};
use serin_policy::{ActionPlan, ArgumentKind, ArgumentPlan, ArgumentSource, HookPlan, SelectorPlan, Target};

/// What the record will say an argument is, and how to come by it.
pub(super) fn reading(kind: ArgumentKind) -> (u32, u32) {
    match kind {
        ArgumentKind::Int8 => (KIND_INT8, READ_VALUE),
        ArgumentKind::Int16 => (KIND_INT16, READ_VALUE),
        ArgumentKind::Uint8 => (KIND_UINT8, READ_VALUE),
        ArgumentKind::Uint16 => (KIND_UINT16, READ_VALUE),
        ArgumentKind::Int => (KIND_INT, READ_VALUE),
        ArgumentKind::Uint => (KIND_UINT, READ_VALUE),
        ArgumentKind::Long => (KIND_LONG, READ_VALUE),
        ArgumentKind::Size => (KIND_SIZE, READ_VALUE),
        ArgumentKind::String => (KIND_STRING, READ_VALUE),
        ArgumentKind::Filename => (KIND_STRING, READ_FILENAME),
        ArgumentKind::File => (KIND_FILE, READ_VALUE),
        ArgumentKind::Descriptor => (KIND_FILE, READ_DESCRIPTOR),
        ArgumentKind::Path => (KIND_PATH, READ_VALUE),
        ArgumentKind::Dentry => (KIND_PATH, READ_DENTRY),
        ArgumentKind::Binprm => (KIND_BINPRM, READ_VALUE),
        ArgumentKind::Sock => (KIND_SOCK, READ_VALUE),
        ArgumentKind::Socket => (KIND_SOCK, READ_SOCKET),
        ArgumentKind::Skb => (KIND_SKB, READ_VALUE),
        ArgumentKind::Sockaddr => (KIND_SOCKADDR, READ_VALUE),
        ArgumentKind::SockaddrUn => (KIND_SOCKADDR_UN, READ_VALUE),
        ArgumentKind::Cred => (KIND_CRED, READ_FIELDS),
        ArgumentKind::UserNamespace => (KIND_USER_NAMESPACE, READ_FIELDS),
        ArgumentKind::Capability => (KIND_CAPABILITY, READ_VALUE),
        ArgumentKind::KernelCap => (KIND_KERNEL_CAP, READ_POINTED),
        ArgumentKind::CapInheritable => (KIND_CAP_INHERITABLE, READ_POINTED),
        ArgumentKind::CapPermitted => (KIND_CAP_PERMITTED, READ_POINTED),
        ArgumentKind::CapEffective => (KIND_CAP_EFFECTIVE, READ_POINTED),
        ArgumentKind::Module => (KIND_MODULE, READ_FIELDS),
        ArgumentKind::LoadInfo => (KIND_LOAD_INFO, READ_FIELDS),
        ArgumentKind::BpfAttr => (KIND_BPF_ATTR, READ_FIELDS),
        ArgumentKind::BpfProg => (KIND_BPF_PROG, READ_FIELDS),
        ArgumentKind::BpfMap => (KIND_BPF_MAP, READ_FIELDS),
        ArgumentKind::PerfEvent => (KIND_PERF_EVENT, READ_FIELDS),
        ArgumentKind::BpfCmd => (KIND_BPF_CMD, READ_VALUE),
        ArgumentKind::NetDevice => (KIND_NET_DEVICE, READ_FIELDS),
        ArgumentKind::Bytes { .. } => (KIND_BYTES, READ_BUFFER),
        ArgumentKind::Segments { .. } => (KIND_BYTES, READ_SEGMENTS),
        // Its address, until the call has returned.
        ArgumentKind::ReturnedBytes => (KIND_SIZE, READ_VALUE),
        ArgumentKind::Iterator => (KIND_BYTES, READ_ITERATOR),
        ArgumentKind::Kiocb => (KIND_FILE, READ_KIOCB),
        ArgumentKind::DataLocation => (KIND_STRING, READ_LOCATION),
        // How, its field says.
        ArgumentKind::RecordBytes => (KIND_BYTES, READ_ARRAY),
        ArgumentKind::Syscall => (KIND_SYSCALL, READ_VALUE),
    }
}

/// Whether calls may have to be decided when they return: a system call's arguments can lie in memory that the program has not
/// touched, and a selector does not enforce. What enforces does not wait.
pub(crate) fn may_be_late(plan: &HookPlan) -> bool {
    let is_syscall = matches!(plan.target, Target::Syscall { .. } | Target::CompatSyscall { .. });
    let in_memory =
        |argument: &ArgumentPlan| argument.source != ArgumentSource::CurrentTask && leads_to_memory(argument);
    let waits = |selector: &SelectorPlan| !selector.actions.iter().any(ActionPlan::enforces);
    is_syscall && plan.arguments.iter().any(in_memory) && plan.selectors.iter().any(waits)
}

/// Whether an argument is what something that was passed leads to, and not that itself.
pub(crate) fn leads_to_memory(argument: &ArgumentPlan) -> bool {
    let (kind, read) = reading(argument.kind);
    let is_text = matches!(kind, KIND_STRING | KIND_SOCKADDR | KIND_SOCKADDR_UN) && read == READ_VALUE;
    is_text
        || argument.resolve.is_some()
        || matches!(read, READ_BUFFER | READ_SEGMENTS | READ_FIELDS | READ_ITERATOR | READ_POINTED)
}

/// Which parameter has the number of a buffer's bytes, or of segments; 64 bits wide unless the policy reads it as an `int`.
pub(super) fn size(kind: ArgumentKind, plan: &HookPlan) -> u32 {
    let (ArgumentKind::Bytes { size } | ArgumentKind::Segments { size }) = kind else { return 0 };
    let is_int = |argument: &ArgumentPlan| {
        argument.index == size
            && argument.source == ArgumentSource::Parameter
            && argument.resolve.is_none()
            && matches!(argument.kind, ArgumentKind::Int | ArgumentKind::Uint)
    };
    u32::from(size) | (SIZE_IS_INT * u32::from(plan.arguments.iter().any(is_int)))
}
