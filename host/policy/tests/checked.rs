//! Policies against a kernel's type information.

#![allow(clippy::unwrap_used, reason = "tests")]

mod built;

use std::path::Path;

use serin_btf::{Btf, KERNEL_BTF};
use serin_policy::Policy;

use crate::built::Kernel;

/// Ids of the types in [`kernel`], from 1 in the order they are added.
const INT: u32 = 1;
const UINT: u32 = 2;
const LONG: u32 = 3;
const ULONG: u32 = 4;
const PATH: u32 = 7;
const CHAR_POINTER: u32 = 8;
const FILE_POINTER: u32 = 9;
const VOID_POINTER: u32 = 10;
const PATH_POINTER: u32 = 11;
const REGISTERS_POINTER: u32 = 13;

fn kernel() -> Btf {
    let mut kernel = Kernel::default();
    for (name, size, signed) in
        [("int", 4, 1), ("unsigned int", 4, 0), ("long", 8, 1), ("unsigned long", 8, 0), ("char", 1, 1)]
    {
        kernel.add(name, 1 << 24, size, &[(signed << 24) | (size * 8)]);
    }
    kernel.add("file", 4 << 24, 8, &[]);
    assert_eq!(kernel.add("path", 4 << 24, 16, &[]), PATH);
    for target in [5, 6, 0, PATH] {
        kernel.add("", 2 << 24, target, &[]);
    }
    kernel.add("pt_regs", 4 << 24, 168, &[]);
    assert_eq!(kernel.add("", 2 << 24, 12, &[]), REGISTERS_POINTER);
    kernel.function("fd_install", 0, &[("fd", UINT), ("file", FILE_POINTER)]);
    kernel.function("security_file_free", 0, &[("file", FILE_POINTER)]);
    kernel.function("security_path_symlink", INT, &[("dir", PATH_POINTER), ("old_name", CHAR_POINTER)]);
    let odd = [("a", INT), ("b", LONG), ("c", ULONG), ("", PATH), ("d", VOID_POINTER)];
    kernel.function("odd_types", INT, &odd);
    let fields = [("name", 16, 0), ("parent", 18, 128), ("flags", INT, 192), ("path", PATH, 224)];
    let trailing: Vec<u32> =
        fields.iter().flat_map(|&(name, kind, at)| [kernel.string(name), kind, at]).collect();
    let odd = kernel.count;
    assert_eq!(kernel.add("", 3 << 24, 0, &[5, INT, 16]), odd + 1);
    let entry = kernel.add(
        "dentry",
        4 << 24 | 4,
        48,
        &trailing
            .iter()
            .map(|&word| match word {
                16 => odd + 1,
                18 => odd + 3,
                word => word,
            })
            .collect::<Vec<_>>(),
    );
    let pointer = kernel.add("", 2 << 24, entry, &[]);
    kernel.function("walk_it", INT, &[("dentry", pointer), ("count", INT)]);
    kernel.function("bpf_lsm_file_open", INT, &[("file", FILE_POINTER)]);
    kernel.function("bpf_lsm_file_free", 0, &[("file", FILE_POINTER)]);
    for call in ["symlinkat", "close"] {
        kernel.function(&format!("__x64_sys_{call}"), LONG, &[("regs", REGISTERS_POINTER)]);
    }
    kernel.function("__do_sys_symlinkat", LONG, &[("old", CHAR_POINTER), ("fd", INT), ("new", CHAR_POINTER)]);
    let segments = kernel.add("iovec", 4 << 24, 16, &[]);
    let segments = kernel.add("", 2 << 24, segments, &[]);
    let parameters = [("fd", ULONG), ("vec", segments), ("vlen", ULONG)];
    kernel.function("__x64_sys_writev", LONG, &[("regs", REGISTERS_POINTER)]);
    kernel.function("__do_sys_writev", LONG, &parameters);
    kernel.load()
}

/// The errors of a policy whose hooks start on line 6: `line:column: message | help`.
fn errors(hooks: &str, btf: &Btf) -> Vec<String> {
    let start =
        "apiVersion: cilium.io/v1alpha1\nkind: TracingPolicy\nmetadata: {name: p}\nspec:\n  kprobes:\n";
    let policies = Policy::parse(&format!("{start}{hooks}"), Path::new("p.yaml")).unwrap();
    let errors = policies[0].check(btf).into_iter();
    errors
        .map(|error| {
            let help = error.help.map(|help| format!(" | {help}")).unwrap_or_default();
            format!("{}:{}: {}{help}", error.line, error.column, error.message)
        })
        .collect()
}

#[test]
fn functions_must_exist() {
    let btf = kernel();
    let found = errors(
        "  - {call: fd_instal, syscall: false}
  - {call: vfs_nothing, syscall: false}
  - {call: vfs_nothing, syscall: false, ignore: {callNotFound: true}, args: [{index: 3, type: int}]}
  - {call: sys_read}
  - {call: sys_read, ignore: {callNotFound: true}}
  - {call: sys_close, args: [{index: 0, type: string}]}
",
        &btf,
    );
    assert_eq!(
        found,
        [
            "6:12: this kernel has no function `fd_instal` | did you mean `fd_install`?",
            "7:12: this kernel has no function `vfs_nothing` | \
             set `ignore.callNotFound: true` to leave the hook out on such kernels",
            "9:12: this kernel has no system call `read` | \
             set `ignore.callNotFound: true` to leave the hook out on such kernels",
        ]
    );
}

#[test]
fn overridden_functions_return_errors() {
    let actions = "selectors: [matchActions: [{action: Override, argError: -1}]]";
    let found = errors(
        &format!(
            "  - {{call: security_path_symlink, syscall: false, {actions}}}\n  \
             - {{call: security_file_free, syscall: false, {actions}}}\n"
        ),
        &kernel(),
    );
    assert_eq!(
        found,
        ["7:12: `Override` is not possible: `security_file_free` returns no error code | \
          hook a function that returns an error code, or write `Sigkill`"]
    );
}

#[test]
fn returned_types_must_agree_with_the_function() {
    let found = errors(
        "  - {call: odd_types, syscall: false, return: true, returnArg: {type: int}}
  - {call: odd_types, syscall: false, return: true, returnArg: {type: int64}}
  - {call: fd_install, syscall: false, return: true, returnArg: {type: int}}
  - {call: sys_close, return: true, returnArg: {type: int}}
",
        &kernel(),
    );
    assert_eq!(
        found,
        [
            "7:71: what `odd_types` returns is a signed integer of 4 bytes | write `int`",
            "8:72: `fd_install` returns nothing | leave `return` out",
        ]
    );
}

#[test]
fn lsm_hooks_must_exist_and_take_the_arguments() {
    let actions = "selectors: [matchActions: [{action: Override, argError: -1}]]";
    let found = errors(
        &format!(
            "  - {{call: fd_install, syscall: false}}
  lsmhooks:
  - {{hook: file_open, args: [{{index: 0, type: file}}], {actions}}}
  - {{hook: file_opn}}
  - {{hook: file_open, args: [{{index: 0, type: int}}]}}
  - {{hook: file_free, {actions}}}
"
        ),
        &kernel(),
    );
    assert_eq!(
        found,
        [
            "9:12: this kernel has no LSM hook `file_opn` | did you mean `file_open`?",
            "10:47: parameter 0 (`file`) of `bpf_lsm_file_open` is a pointer to `struct file` | write `file`",
            "11:12: `Override` is not possible: `file_free` returns no error code | \
             hook a function that returns an error code, or write `Sigkill`",
        ]
    );
}

#[test]
fn enforcers_refuse_what_can_be_refused() {
    let found = errors(
        "  - {call: fd_install, syscall: false}
  enforcers:
  - calls: [sys_close, sys_read, security_file_open, security_file_free, security_nothing]
",
        &kernel(),
    );
    let leave_it_out = "leave it out of the enforcer's calls";
    let expected = [
        "8:24: this kernel has no system call `read`",
        "8:54: what `security_file_free` asks cannot be refused: it returns no error",
        "8:74: `security_nothing` asks no LSM hook of this kernel: there is no `nothing`",
    ];
    assert_eq!(found, expected.map(|error| format!("{error} | {leave_it_out}")));
}

#[test]
fn scattered_bytes_are_those_of_an_array_of_segments() {
    let found = errors(
        "  - {call: sys_writev, args: [{index: 1, type: char_iovec, sizeArgIndex: 3}]}
  - {call: sys_writev, args: [{index: 1, type: char_buf, sizeArgIndex: 3}]}
  - {call: sys_symlinkat, args: [{index: 0, type: char_iovec, sizeArgIndex: 2}]}
",
        &kernel(),
    );
    assert_eq!(
        found,
        [
            "7:48: parameter 1 (`vec`) of `__do_sys_writev` is a pointer to `struct iovec` | write `char_iovec`",
            "8:51: parameter 0 (`old`) of `__do_sys_symlinkat` is a pointer to `char` | write `string`",
        ]
    );
}

#[test]
fn types_must_agree_with_the_parameters() {
    let btf = kernel();
    for (call, index, kind, expected) in [
        ("fd_install", 0, "int", None),
        ("fd_install", 0, "uint32", None),
        (
            "fd_install",
            0,
            "uint64",
            Some("0 (`fd`) of `fd_install` is an unsigned integer of 4 bytes | write `uint32`"),
        ),
        (
            "fd_install",
            0,
            "file",
            Some("0 (`fd`) of `fd_install` is an unsigned integer of 4 bytes | write `uint32`"),
        ),
        ("fd_install", 1, "file", None),
        (
            "fd_install",
            1,
            "int",
            Some("1 (`file`) of `fd_install` is a pointer to `struct file` | write `file`"),
        ),
        (
            "fd_install",
            1,
            "string",
            Some("1 (`file`) of `fd_install` is a pointer to `struct file` | write `file`"),
        ),
        ("fd_install", 1, "uint64", None),
        ("security_path_symlink", 1, "string", None),
        (
            "security_path_symlink",
            1,
            "file",
            Some("1 (`old_name`) of `security_path_symlink` is a pointer to `char` | write `string`"),
        ),
        (
            "security_path_symlink",
            0,
            "file",
            Some("0 (`dir`) of `security_path_symlink` is a pointer to `struct path` | write `path`"),
        ),
        (
            "security_path_symlink",
            0,
            "int",
            Some("0 (`dir`) of `security_path_symlink` is a pointer to `struct path` | write `path`"),
        ),
        ("odd_types", 0, "long", Some("0 (`a`) of `odd_types` is a signed integer of 4 bytes | write `int`")),
        ("odd_types", 1, "int", None),
        ("odd_types", 1, "uint8", None),
        (
            "odd_types",
            1,
            "string",
            Some("1 (`b`) of `odd_types` is a signed integer of 8 bytes | write `int64`"),
        ),
        ("odd_types", 2, "int", None),
        (
            "odd_types",
            2,
            "string",
            Some("2 (`c`) of `odd_types` is an unsigned integer of 8 bytes | write `uint64`"),
        ),
        ("odd_types", 2, "size_t", None),
        (
            "odd_types",
            3,
            "int",
            Some(
                "3 of `odd_types` is `struct path` | leave this argument out: no supported type can read it",
            ),
        ),
        ("odd_types", 4, "string", None),
        ("security_path_symlink", 0, "path", None),
        ("fd_install", 0, "fd", None),
        (
            "fd_install",
            1,
            "path",
            Some("1 (`file`) of `fd_install` is a pointer to `struct file` | write `file`"),
        ),
    ] {
        let hook =
            format!("  - {{call: {call}, syscall: false, args: [{{index: {index}, type: {kind}}}]}}\n");
        let column = hook.find("type: ").unwrap() + "type: ".len() + 1;
        let expected = expected.map(|text| format!("6:{column}: parameter {text}"));
        assert_eq!(errors(&hook, &btf), Vec::from_iter(expected), "{call} {index} {kind}");
    }
    let found = errors(
        "  - {call: fd_install, syscall: false, args: [{index: 2, type: int}]}
  - {call: sys_symlinkat, args: [{index: 0, type: string}, {index: 1, type: string}, {index: 5, type: int}]}
",
        &btf,
    );
    assert_eq!(
        found,
        [
            "6:55: `fd_install` has 2 parameters, so there is no parameter 2 | parameters are counted from 0",
            "7:77: parameter 1 (`fd`) of `__do_sys_symlinkat` is a signed integer of 4 bytes | write `int`",
            "7:94: `__do_sys_symlinkat` has 3 parameters, so there is no parameter 5 | parameters are counted from 0",
        ]
    );
}

#[test]
fn what_arguments_lead_to_must_be_there_and_fit() {
    let btf = kernel();
    for (argument, expected) in [
        ("type: string, resolve: name", None),
        ("type: int8, resolve: 'name[15]'", None),
        ("type: int, resolve: parent.parent.flags", None),
        ("type: dentry, resolve: parent.parent", None),
        ("type: path, resolve: parent.path", None),
        (
            "type: int, resolve: parent.flag",
            Some("28: `struct dentry` has no field `flag` | did you mean `flags`?"),
        ),
        (
            "type: int, resolve: \"parent.inode\"",
            Some(
                "29: `struct dentry` has no field `inode` | its fields are `name`, `parent`, `flags`, `path`",
            ),
        ),
        ("type: int8, resolve: 'name[16]'", Some("27: `[16]` cannot be reached: the array has 16 elements")),
        ("type: int, resolve: flags.a", Some("27: `a` cannot be reached: `int` has no fields")),
        (
            "type: string, resolve: flags",
            Some("7: what `resolve` leads to is a signed integer of 4 bytes | write `int`"),
        ),
        (
            "type: int, resolve: name",
            Some("7: what `resolve` leads to is an array of `char` | write `string`"),
        ),
        (
            "type: int, resolve: path",
            Some("7: what `resolve` leads to is `struct path` | add one of its fields to `resolve`"),
        ),
        (
            "type: file, resolve: parent",
            Some("7: what `resolve` leads to is a pointer to `struct dentry` | write `dentry`"),
        ),
        (
            "type: int, resolve: flags, btfType: dentri",
            Some("37: this kernel has no structure `dentri` | did you mean `dentry`?"),
        ),
    ] {
        let before = "  - {call: walk_it, syscall: false, args: [{index: 0, ";
        let expected = expected.map(|text| {
            let (column, message) = text.split_once(": ").unwrap();
            format!("6:{}: {message}", before.len() + column.parse::<usize>().unwrap())
        });
        let hook = format!("{before}{argument}}}]}}\n");
        assert_eq!(errors(&hook, &btf), Vec::from_iter(expected), "{argument}");
    }
    let found = errors(
        "  - {call: walk_it, syscall: false, args: [{index: 1, type: int, resolve: a}, {index: 1, type: int, btfType: dentry, resolve: flags}]}
  - {call: sys_close, args: [{index: 0, type: int, resolve: a}]}
  - {call: vfs_nothing, syscall: false, ignore: {callNotFound: true}, args: [{index: 0, type: int, resolve: a}]}
",
        &btf,
    );
    assert_eq!(
        found,
        [
            "6:75: `a` cannot be reached: `int` has no fields",
            "7:61: the types do not tell what argument 0 of this hook is | \
             add `btfType: …`, the name of the structure that it points to",
        ]
    );
}

#[test]
fn shipped_policies_fit_the_running_kernel() {
    let Ok(btf) = Btf::load(Path::new(KERNEL_BTF)) else {
        eprintln!("skipped: this kernel shows no BTF");
        return;
    };
    let library = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../policies");
    for directory in ["", "enforce", "functions"] {
        let policies = serin_policy::load(&[library.join(directory)]).map_err(|errors| errors.to_string());
        for policy in policies.unwrap() {
            let errors: Vec<_> = policy.check(&btf).iter().map(ToString::to_string).collect();
            assert_eq!(errors, [""; 0], "{}", policy.plan().name);
        }
    }
}
