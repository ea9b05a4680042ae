//! System calls by name, for x86_64.

use syscalls::x86_64::Sysno;

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

/// Prefixes of functions that run system calls of other processors or of 32-bit programs.
const FOREIGN: [&str; 4] = ["__ia32_", "__arm64_", "i386/", "__ia32_compat_"];

/// Why a name is not a system call that can be hooked.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum SyscallError {
    /// It belongs to another processor or to 32-bit programs.
    Foreign(&'static str),
    /// It does not exist; with the name it resembles.
    Unknown(Option<&'static str>),
}

/// Finds a system call by `symlinkat`, `sys_symlinkat` or `__x64_sys_symlinkat`.
///
/// Gives the name of its function without `__x64_sys_`, and its number.
pub(crate) fn find(call: &str) -> Result<(String, u32), SyscallError> {
    if let Some(prefix) = FOREIGN.into_iter().find(|prefix| call.starts_with(prefix)) {
        return Err(SyscallError::Foreign(prefix));
    }
    let name = call.strip_prefix("__x64_").unwrap_or(call);
    let name = name.strip_prefix("sys_").unwrap_or(name);
    let from_function = FUNCTIONS.into_iter().find(|&(_, function)| function == name);
    let table_name = from_function.map_or(name, |(table_name, _)| table_name);
    let Ok(number) = table_name.parse::<Sysno>() else {
        return Err(SyscallError::Unknown(nearest(name, Sysno::iter().map(|number| number.name()))));
    };
    let renamed = FUNCTIONS.into_iter().find(|&(other, _)| other == table_name);
    let function = renamed.map_or(table_name, |(_, function)| function);
    Ok((function.into(), number.id().unsigned_abs()))
}

/// Whether a function is the entry of a system call, which takes `struct pt_regs *` instead of arguments.
pub(crate) fn is_entry(function: &str) -> bool {
    ["__x64_sys_", "__ia32_sys_", "__ia32_compat_sys_"].iter().any(|prefix| function.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn all_ways_to_write_a_call_mean_the_same() {
        for call in ["symlinkat", "sys_symlinkat", "__x64_sys_symlinkat", "__x64_symlinkat"] {
            assert_eq!(find(call).unwrap(), ("symlinkat".into(), 266), "{call}");
        }
        for call in ["fstat", "sys_fstat", "sys_newfstat", "__x64_sys_newfstat"] {
            assert_eq!(find(call).unwrap(), ("newfstat".into(), 5), "{call}");
        }
        assert_eq!(find("sys_umount").unwrap(), ("umount".into(), 166));
        assert_eq!(find("read").unwrap(), ("read".into(), 0));
    }

    #[test]
    fn other_names_are_refused() {
        assert_eq!(find("sys_symlinkta"), Err(SyscallError::Unknown(Some("symlinkat"))));
        assert_eq!(find("fd_install"), Err(SyscallError::Unknown(None)));
        assert_eq!(find("__ia32_sys_dup"), Err(SyscallError::Foreign("__ia32_")));
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
            let (name, _) = find(call).unwrap();
            assert!(functions.contains(format!("__x64_sys_{name}").as_str()), "{call} → {name}");
        }
    }
}
