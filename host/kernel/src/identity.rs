//! Filters on namespaces and credentials: lowering them, and what processes from before came from.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use serin_abi::config::{
    Filter, TEST_CAPABILITY, TEST_CAPABILITY_CHANGED, TEST_NAMESPACE_CHANGED, TEST_NAMESPACE_IN, TEST_USER,
};
use serin_abi::identity::{NAMESPACES, Origin, USER_EFFECTIVE, USER_REAL};
use serin_policy::{
    CapabilitySet, IdentityCondition, Namespace, NamespaceValue, PolicyPlan, SelectorPlan, UserId,
};

/// Files of `/proc/PID/ns`, by the numbers of kinds.
const FILES: [&str; NAMESPACES] =
    ["uts", "ipc", "mnt", "pid", "pid_for_children", "net", "time", "time_for_children", "cgroup", "user"];

/// Processes that are in the host's namespaces: the first, and the kernel's own, where the first one's may not be read.
const HOST: [u32; 2] = [1, 2];

/// Inode number of one of the host's namespaces.
///
/// # Errors
/// Says that it cannot be read.
pub(crate) fn host_namespace(kind: Namespace) -> Result<u32, String> {
    let file = FILES[kind as usize];
    let found = HOST.iter().find_map(|&pid| namespace(Path::new("/proc"), pid, file));
    found.ok_or_else(|| format!("`host_ns`, but neither /proc/1/ns/{file} nor /proc/2/ns/{file} can be read"))
}

fn namespace(procfs: &Path, pid: u32, file: &str) -> Option<u32> {
    let metadata = fs::metadata(procfs.join(format!("{pid}/ns/{file}"))).ok()?;
    u32::try_from(metadata.ino()).ok()
}

/// What /proc says a process is; `None` if it has gone or may not be read.
pub(crate) fn origin(pid: u32) -> Option<Origin> {
    let procfs = Path::new("/proc");
    let status = fs::read_to_string(procfs.join(format!("{pid}/status"))).ok()?;
    let capabilities = |name| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        u64::from_str_radix(line.trim(), 16).ok()
    };
    namespace(procfs, pid, FILES[Namespace::Mnt as usize])?;
    Some(Origin {
        namespaces: FILES.map(|file| namespace(procfs, pid, file).unwrap_or(0)),
        capabilities: [capabilities("CapPrm:")?, capabilities("CapEff:")?, capabilities("CapInh:")?],
    })
}

/// Whether a policy asks what has changed of processes.
pub(crate) fn asks_for_changes(policies: &[PolicyPlan]) -> bool {
    let selectors = policies.iter().flat_map(|policy| &policy.hooks).flat_map(|hook| &hook.selectors);
    selectors.into_iter().any(changes)
}

/// Whether a selector asks what has changed.
pub(crate) fn changes(selector: &SelectorPlan) -> bool {
    use IdentityCondition::{CapabilityChanged, NamespaceChanged};
    let changes =
        |condition: &IdentityCondition| matches!(condition, NamespaceChanged(_) | CapabilityChanged(..));
    selector.identity.iter().any(|filter| changes(&filter.condition))
}

/// A filter but for its values, which are lowered by who calls this: of namespaces a set, of users ranges.
pub(crate) fn filter(condition: &IdentityCondition) -> Filter {
    let masked =
        |test, slot, mask: u64| Filter { test, slot, values: mask as u32, count: (mask >> 32) as u32 };
    match condition {
        IdentityCondition::Namespace(kind, _) => masked(TEST_NAMESPACE_IN, *kind as u32, 0),
        IdentityCondition::NamespaceChanged(kinds) => masked(TEST_NAMESPACE_CHANGED, 0, (*kinds).into()),
        IdentityCondition::Capability(set, mask) => masked(TEST_CAPABILITY, number(*set), *mask),
        IdentityCondition::CapabilityChanged(set, mask) => {
            masked(TEST_CAPABILITY_CHANGED, number(*set), *mask)
        }
        IdentityCondition::User(UserId::Real, _) => masked(TEST_USER, USER_REAL, 0),
        IdentityCondition::User(UserId::Effective, _) => masked(TEST_USER, USER_EFFECTIVE, 0),
    }
}

/// Inode numbers of namespaces.
///
/// # Errors
/// The host's cannot be read.
pub(crate) fn inodes(kind: Namespace, values: &[NamespaceValue]) -> Result<Vec<u64>, String> {
    let inode = |value: &NamespaceValue| match value {
        NamespaceValue::Host => host_namespace(kind),
        NamespaceValue::Inode(inode) => Ok(*inode),
    };
    values.iter().map(|value| inode(value).map(u64::from)).collect()
}

fn number(set: CapabilitySet) -> u32 {
    match set {
        CapabilitySet::Permitted => 0,
        CapabilitySet::Effective => 1,
        CapabilitySet::Inheritable => 2,
    }
}

/// The kinds of namespaces that a selector asks for.
pub(crate) fn kinds(selector: &SelectorPlan) -> impl Iterator<Item = Namespace> {
    let asks = |condition: &IdentityCondition, kind: Namespace| match condition {
        IdentityCondition::Namespace(asked, _) => *asked == kind,
        _ => false,
    };
    Namespace::ALL
        .into_iter()
        .filter(move |&kind| selector.identity.iter().any(|filter| asks(&filter.condition, kind)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn masks_keep_all_bits() {
        let condition = IdentityCondition::CapabilityChanged(CapabilitySet::Inheritable, 1 << 40 | 3);
        let filter = filter(&condition);
        assert_eq!((filter.test, filter.slot), (TEST_CAPABILITY_CHANGED, 2));
        assert_eq!((filter.values, filter.count), (3, 1 << 8));
    }

    #[test]
    fn this_process_has_an_origin() {
        let origin = origin(std::process::id()).unwrap();
        assert_ne!(origin.namespaces[Namespace::Mnt as usize], 0);
        assert_eq!(
            origin.namespaces[Namespace::Pid as usize],
            namespace(Path::new("/proc"), std::process::id(), "pid").unwrap()
        );
    }
}
