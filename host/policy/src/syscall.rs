//! System calls by name, of 64-bit and of 32-bit programs on x86_64.

use syscalls::{x86, x86_64::Sysno};

use crate::Target;
use crate::suggest::nearest;

/// Calls whose kernel function has another name than the call: `__x64_sys_newfstat` runs `fstat`.
///
/// <https://github.com/torvalds/linux/blob/master/arch/x86/entry/syscalls/syscall_64.tbl>
const FUNCTIONS: [(&str, &str); 6] = [
    ("stat", "newstat"),
    ("fstat", "newfstat"),
    ("lstat", "newlstat"),
    ("uname", "newuname"),
    ("sendfile", "sendfile64"),
    ("umount2", "umount"),
];

/// What a 32-bit program's call starts with, the longest first.
const COMPAT: [&str; 3] = ["__ia32_compat_", "__ia32_", "i386/"];

/// Prefix of functions that run system calls of another processor.
const FOREIGN: &str = "__arm64_";

/// Why a name is not a system call that can be hooked.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum SyscallError {
    /// It belongs to another processor.
    Foreign(&'static str),
    /// It does not exist; with the name it resembles.
    Unknown(Option<&'static str>),
}

/// Finds a system call by `symlinkat`, `sys_symlinkat` or `__x64_sys_symlinkat`, and that of a 32-bit program by
/// `__ia32_sys_symlinkat`, `__ia32_compat_sys_symlinkat` or `i386/sys_symlinkat`.
pub(crate) fn find(call: &str) -> Result<Target, SyscallError> {
    if call.starts_with(FOREIGN) {
        return Err(SyscallError::Foreign(FOREIGN));
    }
    match COMPAT.into_iter().find_map(|prefix| call.strip_prefix(prefix)) {
        Some(name) => find_compat(name),
        None => find_native(call),
    }
}

/// Every system call of 64-bit programs.
pub(crate) fn all() -> impl Iterator<Item = Target> {
    Sysno::iter().filter_map(|number| find_native(number.name()).ok())
}

fn find_compat(call: &str) -> Result<Target, SyscallError> {
    let name = call.strip_prefix("sys_").unwrap_or(call);
    match name.parse::<x86::Sysno>() {
        Ok(number) => Ok(Target::CompatSyscall { name: name.into(), number: number.id().unsigned_abs() }),
        Err(()) => Err(SyscallError::Unknown(nearest(name, x86::Sysno::iter().map(|number| number.name())))),
    }
}

fn find_native(call: &str) -> Result<Target, SyscallError> {
    let name = call.strip_prefix("__x64_").unwrap_or(call);
    let name = name.strip_prefix("sys_").unwrap_or(name);
    let from_function = FUNCTIONS.into_iter().find(|&(_, function)| function == name);
    let table_name = from_function.map_or(name, |(table_name, _)| table_name);
    let Ok(number) = table_name.parse::<Sysno>() else {
        return Err(SyscallError::Unknown(nearest(name, Sysno::iter().map(|number| number.name()))));
    };
    let renamed = FUNCTIONS.into_iter().find(|&(other, _)| other == table_name);
    let function = renamed.map_or(table_name, |(_, function)| function);
    Ok(Target::Syscall { name: function.into(), number: number.id().unsigned_abs() })
}

/// Whether a function is the entry of a system call, which takes `struct pt_regs *` instead of arguments.
pub(crate) fn is_entry(function: &str) -> bool {
    ["__x64_sys_", "__ia32_sys_", "__ia32_compat_sys_"].iter().any(|prefix| function.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn native(name: &str, number: u32) -> Target {
        Target::Syscall { name: name.into(), number }
    }

    #[test]
    fn all_ways_to_write_a_call_mean_the_same() {
        for call in ["symlinkat", "sys_symlinkat", "__x64_sys_symlinkat", "__x64_symlinkat"] {
            assert_eq!(find(call).unwrap(), native("symlinkat", 266), "{call}");
        }
        for call in ["fstat", "sys_fstat", "sys_newfstat", "__x64_sys_newfstat"] {
            assert_eq!(find(call).unwrap(), native("newfstat", 5), "{call}");
        }
        assert_eq!(find("sys_umount").unwrap(), native("umount", 166));
        assert_eq!(find("read").unwrap(), native("read", 0));
        for call in ["__ia32_sys_dup", "__ia32_compat_sys_dup", "i386/sys_dup", "i386/dup"] {
            let expected = Target::CompatSyscall { name: "dup".into(), number: 41 };
            assert_eq!(find(call).unwrap(), expected, "{call}");
        }
    }

    #[test]
    fn other_names_are_refused() {
        assert_eq!(find("sys_symlinkta"), Err(SyscallError::Unknown(Some("symlinkat"))));
        assert_eq!(find("fd_install"), Err(SyscallError::Unknown(None)));
        assert_eq!(find("__arm64_sys_dup"), Err(SyscallError::Foreign("__arm64_")));
        assert_eq!(find("__ia32_sys_dop"), Err(SyscallError::Unknown(Some("dup"))));
        assert_eq!(find(""), Err(SyscallError::Unknown(None)));
    }

    #[test]
    fn names_are_those_of_kernel_functions() {
        let Ok(btf) = serin_btf::Btf::load(serin_btf::KERNEL_BTF.as_ref()) else {
            eprintln!("skipped: this kernel shows no BTF");
            return;
        };
        let functions: std::collections::HashSet<_> = btf.functions().collect();
        for call in ["read", "openat", "symlinkat", "stat", "fstat", "lstat", "uname", "sendfile", "umount2"]
        {
            let Target::Syscall { name, .. } = find(call).unwrap() else { panic!("{call}") };
            assert!(functions.contains(format!("__x64_sys_{name}").as_str()), "{call} → {name}");
        }
    }
}
