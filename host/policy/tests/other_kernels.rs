//! Policies for a kernel that does not run here: nothing of the one that does must show.

#![allow(clippy::unwrap_used, reason = "tests")]

mod built;

use std::fs;
use std::path::Path;

use serin_btf::{Btf, Tracefs};
use serin_policy::{ArgumentKind, Policy, Target, TargetKernel};
use tempfile::TempDir;

use crate::built::Kernel;

/// A kernel with the events `opened`, which has a structure of its own, and `shut`, which shares one.
fn types() -> Btf {
    let mut kernel = Kernel::default();
    let int = kernel.add("int", 1 << 24, 4, &[1 << 24 | 32]);
    let kind = kernel.string("type");
    let entry = kernel.add("trace_entry", 4 << 24 | 1, 8, &[kind, int, 0]);
    let [ent, flags, name] = ["ent", "flags", "__data_loc_name"].map(|name| kernel.string(name));
    let fields = [ent, entry, 0, flags, int, 64, name, int, 96];
    kernel.add("trace_event_raw_opened", 4 << 24 | 3, 16, &fields);
    let prototype = kernel.add("", 13 << 24 | 1, 0, &[0, int]);
    let pointer = kernel.add("", 2 << 24, prototype, &[]);
    for event in ["opened", "shut"] {
        kernel.add(&format!("btf_trace_{event}"), 8 << 24, pointer, &[]);
    }
    for function in ["vfs_shut", "vfs_open", "vfs_cannot_be_traced"] {
        kernel.function(function, int, &[("a", int)]);
    }
    for number in 0..257 {
        kernel.function(&format!("many_{number}"), int, &[("a", int)]);
    }
    kernel.load()
}

const FORMAT: &str = "name: e
ID: 7
format:
\tfield:int common_type;\toffset:0;\tsize:4;\tsigned:1;
\tfield:int flags;\toffset:8;\tsize:4;\tsigned:1;
\tfield:__data_loc char[] name;\toffset:12;\tsize:4;\tsigned:0;
";

/// What has been copied of its tracefs.
fn tracefs() -> (TempDir, Tracefs) {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("available_filter_functions"), "vfs_open\nvfs_shut\nvfs_late [m]\n")
        .unwrap();
    for event in ["opened", "shut"] {
        let path = folder.path().join("events/files").join(event);
        fs::create_dir_all(&path).unwrap();
        fs::write(path.join("format"), FORMAT).unwrap();
    }
    let copied = Tracefs::copied(folder.path()).unwrap();
    (folder, copied)
}

fn read(spec: &str, kernel: TargetKernel<'_>) -> Result<Policy, String> {
    let text = format!(
        "apiVersion: cilium.io/v1alpha1\nkind: TracingPolicy\nmetadata: {{name: p}}\nspec:\n{spec}\n"
    );
    let policies = Policy::parse_for(&text, Path::new("p.yaml"), kernel);
    policies.map(|mut policies| policies.remove(0)).map_err(|errors| errors.to_string())
}

/// What is wrong with a policy, and what can't be told of it.
fn found(spec: &str, kernel: TargetKernel<'_>) -> (Vec<String>, Vec<String>) {
    let policy = match read(spec, kernel) {
        Ok(policy) => policy,
        Err(errors) => return (vec![errors], vec![]),
    };
    let found = policy.check_tracepoints(kernel).unwrap();
    let untold = policy.untold().iter().chain(&found.untold).map(ToString::to_string);
    (found.wrong.iter().map(ToString::to_string).collect(), untold.collect())
}

/// Parts of the texts of diagnostics.
type Parts = &'static [&'static [&'static str]];

/// Holds what was found against parts of texts: of one diagnostic each, with the words of its help.
fn assert_told(case: &str, found: &[String], expected: &[&[&str]]) {
    assert_eq!(found.len(), expected.len(), "{case}: {found:#?}");
    for (found, expected) in found.iter().zip(expected) {
        assert!(expected.iter().all(|part| found.contains(part)), "{case}: {found}");
    }
}

fn event(subsystem: &str, name: &str, argument: &str) -> String {
    format!("  tracepoints:\n  - {{subsystem: {subsystem}, event: {name}, args: [{{{argument}}}]}}")
}

const GIVE: &str = "--tracefs FOLDER";

#[test]
fn types_tell_the_fields_of_events_with_a_structure_and_what_they_do_not_is_said() {
    let types = types();
    let kernel = TargetKernel::Other { types: &types, tracefs: None };
    const SUBSYSTEM: &[&str] = &["not whether it is of the subsystem `files`", GIVE];
    let cases: [(String, Parts, Parts); _] = [
        (event("files", "opened", "index: 1"), &[], &[SUBSYSTEM]),
        (event("files", "opened", "index: 1, type: int"), &[], &[SUBSYSTEM]),
        (
            event("files", "opened", "index: 1, type: string"),
            &[&["p.yaml:6:63: field 1 (`flags`)", "write `int`"]],
            &[SUBSYSTEM],
        ),
        (event("files", "opened", "index: 7, type: int"), &[&["has 3 fields"]], &[SUBSYSTEM]),
        (
            event("files", "opened", "index: 2, type: data_loc"),
            &[],
            &[SUBSYSTEM, &["p.yaml:6:63: what field 2 (`name`)", "the BTF does not tell", GIVE]],
        ),
        (event("files", "opened", "index: 2, type: int"), &[&["an array, as long as"]], &[SUBSYSTEM]),
        (event("files", "opened", "index: 2"), &[&["the BTF does not tell", "write `data_loc`", GIVE]], &[]),
        (
            event("files", "shut", "index: 1, type: int"),
            &[],
            &[&["p.yaml:6:31: `files/shut` was not checked", "no `struct trace_event_raw_shut`", GIVE]],
        ),
        (
            event("files", "shut", "index: 1"),
            &[&["the type of field 1 is not known", "share a class", "write the type, or", GIVE]],
            &[],
        ),
        (
            event("syscalls", "opened", "index: 1"),
            &[&["no structures for events of `syscalls`", "write the type, or"]],
            &[],
        ),
        (
            event("syscalls", "sys_enter_openat", "index: 5, type: int"),
            &[],
            &[&["`syscalls/sys_enter_openat` was not checked", GIVE]],
        ),
        // One that kernels do have.
        (
            event("sched", "sched_process_exec", "index: 5"),
            &[&["no tracepoint of this name, and does not have those of modules"]],
            &[],
        ),
        (
            event("files", "opend", "index: 1, type: int"),
            &[],
            &[&["no tracepoint of this name", "did you mean `opened`? Else give"]],
        ),
    ];
    for (spec, wrong, untold) in cases {
        let (is_wrong, is_untold) = found(&spec, kernel);
        assert_told(&spec, &is_wrong, wrong);
        assert_told(&spec, &is_untold, untold);
    }
}

#[test]
fn a_copy_of_tracefs_tells_everything() {
    let (types, (_folder, tracefs)) = (types(), tracefs());
    let kernel = TargetKernel::Other { types: &types, tracefs: Some(&tracefs) };
    let cases: [(String, Parts); _] = [
        (event("files", "shut", "index: 2"), &[]),
        (event("files", "opened", "index: 2"), &[]),
        (event("sched", "opened", "index: 1"), &[&["no tracepoint `sched/opened`", "mean `files/opened`?"]]),
        (event("sched", "sched_process_exec", "index: 5, type: int"), &[&["no tracepoint `sched/sched_pro"]]),
    ];
    for (spec, wrong) in cases {
        let (is_wrong, is_untold) = found(&spec, kernel);
        assert_told(&spec, &is_wrong, wrong);
        assert_told(&spec, &is_untold, &[]);
    }
    let policy = read(&event("files", "shut", "index: 2"), kernel).unwrap();
    assert_eq!(policy.plan().hooks[0].arguments[0].kind, ArgumentKind::DataLocation);
}

#[test]
fn functions_are_those_of_the_copied_list_or_guessed() {
    let (types, (_folder, tracefs)) = (types(), tracefs());
    let list = |pattern: &str| {
        format!(
            "  lists:\n  - {{name: l, type: generated_ftrace, pattern: '{pattern}'}}\n  kprobes:\n  - {{call: 'list:l'}}"
        )
    };
    let guessed = TargetKernel::Other { types: &types, tracefs: None };
    let told = TargetKernel::Other { types: &types, tracefs: Some(&tracefs) };
    for (pattern, kernel, functions, untold) in [
        ("^vfs_", guessed, &["vfs_cannot_be_traced", "vfs_open", "vfs_shut"][..], 1),
        ("^vfs_", told, &["vfs_open", "vfs_shut"], 0),
    ] {
        let policy = read(&list(pattern), kernel).unwrap();
        let names = policy.plan().hooks.iter().map(|hook| match &hook.target {
            Target::Function(name) => name.as_str(),
            other => panic!("{other:?}"),
        });
        assert_eq!(names.collect::<Vec<_>>(), functions, "{pattern}");
        assert_eq!(policy.untold().len(), untold, "{:?}", policy.untold());
        assert!(policy.untold().iter().all(|note| note.to_string().contains(GIVE)));
    }
    for (pattern, kernel, expected) in [
        ("^fd_install$", guessed, &["p.yaml:6:48: no function of the BTF matches `^fd_install$`", GIVE][..]),
        ("^fd_install$", told, &["no function of this kernel matches `^fd_install$`"]),
        ("^vfs_late$", told, &["no function of this kernel matches"]),
        ("^many_", guessed, &["matches 257 functions; at most 256 are hooked", GIVE]),
        ("^many_", told, &["no function of this kernel matches"]),
    ] {
        assert_told(pattern, &found(&list(pattern), kernel).0, &[expected]);
    }
}

#[test]
fn programs_are_not_looked_at_and_modules_only_among_copies() {
    let folder = tempfile::tempdir().unwrap();
    let types = types().with_modules_in(folder.path());
    let kernel = TargetKernel::Other { types: &types, tracefs: None };
    let uprobes =
        "  uprobes:\n  - {path: /no/such, symbols: [main, other]}\n  - {path: /no/other, offsets: [1]}";
    let untold = read(uprobes, kernel).unwrap().untold_programs();
    let untold: Vec<_> = untold.iter().map(ToString::to_string).collect();
    assert_told("programs", &untold, &[&["p.yaml:6:", "`/no/such` was not looked at"], &["`/no/other`"]]);
    let argument = "{index: 0, type: int, resolve: a, btfType: s, btfTypeModule: m}";
    let spec = format!("  kprobes:\n  - {{call: vfs_open, syscall: false, args: [{argument}]}}");
    let wrong = read(&spec, kernel).unwrap().check(&types);
    let wrong: Vec<_> = wrong.iter().map(ToString::to_string).collect();
    let folder = folder.path().display().to_string();
    assert_told("module", &wrong, &[&["the types of the module are not known", "copy its file", &folder]]);
}
