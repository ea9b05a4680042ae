//! Hooks beside those on functions: tracepoints and places in programs.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::path::Path;

use serin_policy::{
    ActionPlan, ArgumentKind, AssignedValue, Assignment, HookPlan, PlaceError, Policy, ProbeArgument,
    ProgramOverride, ProgramPlace, Register, Target, Test, TraceEvent, Uprobe, Usdt,
};

fn policy(spec: &str) -> Policy {
    let text =
        format!("apiVersion: cilium.io/v1alpha1\nkind: TracingPolicy\nmetadata: {{name: p}}\nspec:\n{spec}");
    Policy::parse(&text, Path::new("p.yaml")).unwrap().remove(0)
}

fn hooks(spec: &str) -> Vec<HookPlan> {
    policy(spec).plan().hooks.clone()
}

#[test]
fn a_tracepoint_is_read_with_fields_by_their_number() {
    let hooks = hooks(
        "  lists:
  - {name: calls, type: syscalls, values: [sys_dup, __ia32_sys_dup]}
  tracepoints:
  - subsystem: raw_syscalls
    event: sys_enter
    args: [{index: 4, type: syscall64}]
    selectors:
    - matchArgs:
      - {index: 0, operator: InMap, values: ['list:calls']}
      - {index: 4, operator: Equal, values: [7, 'list:calls']}
  - {subsystem: sched, event: sched_switch, raw: true, args: [{index: 2, type: int}]}
",
    );
    let event = |subsystem: &str, name: &str| TraceEvent { subsystem: subsystem.into(), name: name.into() };
    assert_eq!(hooks[0].target, Target::Tracepoint(event("raw_syscalls", "sys_enter")));
    assert_eq!((hooks[0].arguments[0].index, hooks[0].arguments[0].kind), (4, ArgumentKind::Syscall));
    let filters = &hooks[0].selectors[0].arguments;
    // 41 in the table of 32-bit programs, with the bit that marks those.
    assert_eq!((filters[0].slot, &filters[0].test), (0, &Test::IntEqual(vec![32, 0x8000_0029])));
    assert_eq!((filters[1].slot, &filters[1].test), (0, &Test::IntEqual(vec![7, 32, 0x8000_0029])));
    assert_eq!(hooks[1].target, Target::RawTracepoint(event("sched", "sched_switch")));
}

#[test]
fn each_place_in_a_program_is_a_hook() {
    let hooks = hooks(
        "  uprobes:
  - {path: /bin/sh, symbols: [main, main+0x10], message: hi, args: [{index: 5, type: string}]}
  - {path: /bin/sh, offsets: [0x1000]}
  - {path: /bin/sh, addrs: [4198400], return: true, returnArg: {index: 0, type: int}}
",
    );
    let places: Vec<_> = hooks
        .iter()
        .map(|hook| match &hook.target {
            Target::Uprobe(Uprobe { path, place, .. }) if path == "/bin/sh" => place.clone(),
            other => panic!("{other:?}"),
        })
        .collect();
    let main = |offset| ProgramPlace::Symbol { name: "main".into(), offset };
    assert_eq!(places, [main(0), main(16), ProgramPlace::Offset(4096), ProgramPlace::Address(4_198_400)]);
    assert!(hooks[1].message == "hi" && hooks[3].returns.is_some());
    assert_eq!([hooks[0].position, hooks[1].position], [(6, 31), (6, 37)]);
    let names: Vec<_> = places.iter().map(ToString::to_string).collect();
    assert_eq!(names, ["main", "main+0x10", "0x1000", "0x401000"]);
}

#[test]
fn what_a_program_lacks_is_told_with_what_was_meant() {
    let policy =
        policy("  uprobes:\n  - {path: /bin/sh, symbols: [mian, main]}\n  - {path: /no, offsets: [1]}\n");
    let errors = policy.check_programs(
        |path, place| match place {
            ProgramPlace::Symbol { name, .. } if name == "main" => Ok(7),
            ProgramPlace::Symbol { .. } => Err(PlaceError::NotThere(vec!["main".into()])),
            _ => Err(PlaceError::Program(format!("cannot read {}", path.display()))),
        },
        |_| Ok(vec![]),
        |_| Ok(()),
    );
    let errors: Vec<_> =
        errors.iter().map(|error| (error.line, error.column, error.message.as_str())).collect();
    assert_eq!(
        errors,
        [(6, 31, "`/bin/sh` has no function `mian`"), (7, 27, "cannot hook `/no`: cannot read /no")]
    );
}

#[test]
fn programs_are_overridden_by_registers_and_by_places() {
    let hooks = hooks(
        "  uprobes:
  - path: /bin/sh
    symbols: [main]
    selectors:
    - matchActions: [{action: Override, argError: -2}]
    - matchActions: [{action: Override, argRegs: ['eax=11', 'rdi=%rsi']}]
    - matchActions: [{action: Override, argNewSymbol: exit+4}]
    - matchActions: [{action: Override, argNewAddr: 0x401000}]
    - matchActions: [{action: Override, argNewOffset: 16}]
",
    );
    let part = |field, size| Register { field, size };
    let set = |register, value| Assignment { register, value };
    let (stack, ip) = (part("sp", 8), part("ip", 8));
    let exit = ProgramPlace::Symbol { name: "exit".into(), offset: 4 };
    let expected = [
        ProgramOverride::Registers(vec![
            set(ip, AssignedValue::Memory(stack, 0)),
            set(stack, AssignedValue::Register(stack, 8)),
            set(part("ax", 8), AssignedValue::Constant(-2_i64 as u64)),
        ]),
        ProgramOverride::Registers(vec![
            set(part("ax", 4), AssignedValue::Constant(11)),
            set(part("di", 8), AssignedValue::Register(part("si", 8), 0)),
        ]),
        ProgramOverride::Place(exit),
        ProgramOverride::Place(ProgramPlace::Address(0x40_1000)),
        ProgramOverride::Place(ProgramPlace::Offset(16)),
    ];
    for (selector, expected) in hooks[0].selectors.iter().zip(expected) {
        assert_eq!(selector.actions, [ActionPlan::OverrideInProgram(expected)]);
        assert!(selector.enforces());
    }
}

#[test]
fn programs_must_have_the_places_that_they_are_sent_to() {
    let policy = policy(
        "  uprobes:
  - {path: /p, symbols: [main], selectors: [matchActions: [{action: Override, argNewSymbol: mian}]]}
  - {path: /p, symbols: [main], selectors: [matchActions: [{action: Override, argNewSymbol: main}]]}
",
    );
    let errors = policy.check_programs(
        |_, place| match place {
            ProgramPlace::Symbol { name, .. } if name == "main" => Ok(7),
            _ => Err(PlaceError::NotThere(vec!["main".into()])),
        },
        |_| Ok(vec![]),
        |_| Ok(()),
    );
    let errors: Vec<_> = errors.iter().map(|error| (error.line, error.message.as_str())).collect();
    assert_eq!(errors, [(6, "`/p` has no function `mian`")]);
}

#[test]
fn counters_belong_to_places() {
    let hooks = hooks("  uprobes: [{path: /bin/sh, offsets: [1, 2], refCtrOffsets: [0x10, 0]}]\n");
    let counters: Vec<_> = hooks
        .iter()
        .map(|hook| match &hook.target {
            Target::Uprobe(probe) => probe.counter,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(counters, [16, 0]);
}

#[test]
fn a_probe_is_read_by_its_names() {
    let hooks = hooks(
        "  usdts:
  - path: /bin/sh
    provider: one
    name: begin
    btfPath: /types
    args: [{index: 11, type: string}, {index: 11, type: int, btfType: tm, resolve: tm_mday}]
    selectors: [matchActions: [{action: Set, argIndex: 1, argValue: 7}]]
",
    );
    let types = Some("/types".into());
    let probe = Usdt { path: "/bin/sh".into(), provider: "one".into(), name: "begin".into(), types };
    assert_eq!((&hooks[0].target, hooks[0].arguments[0].index), (&Target::Usdt(probe), 11));
    assert!(hooks[0].arguments[1].resolve.is_some());
    assert_eq!(hooks[0].selectors[0].actions, [ActionPlan::Set { argument: 1, value: 7 }]);
    assert_eq!(hooks[0].position, (8, 11));
}

#[test]
fn probes_are_held_against_all_their_places() {
    let policy = policy(
        "  usdts:
  - {path: /p, provider: one, name: begni}
  - {path: /p, provider: one, name: begin, args: [{index: 1, type: int}, {index: 2, type: int}]}
  - {path: /p, provider: one, name: begin, args: [{index: 3, type: int}]}
  - path: /p
    provider: one
    name: begin
    selectors: [matchActions: [{action: Set, argIndex: 0, argValue: 7}]]
  - path: /p
    provider: one
    name: begin
    selectors: [matchActions: [{action: Set, argIndex: 1, argValue: 7}]]
  - {path: /no, provider: one, name: begin}
",
    );
    let errors = policy.check_programs(
        |_, _| Ok(0),
        |probe| match (probe.path.as_str(), probe.name.as_str()) {
            ("/p", "begin") => {
                let (readable, unreadable) =
                    (ProbeArgument::Readable, ProbeArgument::Unreadable("8@%xmm0".into()));
                let first = vec![readable.clone(), ProbeArgument::Writable, readable.clone()];
                Ok(vec![first, vec![readable, ProbeArgument::Writable, unreadable]])
            }
            ("/p", _) => Err(PlaceError::NotThere(vec!["one:begin".into()])),
            _ => Err(PlaceError::Program("no such file".into())),
        },
        |_| Ok(()),
    );
    let errors: Vec<_> = errors.iter().map(|error| (error.line, error.message.as_str())).collect();
    assert_eq!(
        errors,
        [
            (6, "`/p` has no probe `one:begni`"),
            (7, "argument 2 of `one:begin` is passed as `8@%xmm0`, which cannot be read"),
            (8, "`one:begin` has 3 arguments, so there is no argument 3"),
            (11, "`Set` is not possible: argument 0 of `one:begin` is not four bytes in memory"),
            (17, "cannot hook `/no`: no such file"),
        ]
    );
}

#[test]
fn files_must_have_one_of_their_digests() {
    let (sha1, build_id) = (format!("sha1:{}", "0A".repeat(20)), "build-id:00".to_owned());
    let text = format!(
        "  uprobes:
  - {{path: /p, symbols: [main, exit], binaryDigests: ['{sha1}', '{build_id}']}}
  - {{path: /p, symbols: [none], binaryDigests: ['{sha1}'], ignore: {{digestVerificationFailure: true}}}}
  - {{path: /q, symbols: [none], binaryDigests: ['{sha1}']}}
  - {{path: /p, symbols: [none], binaryDigests: []}}
"
    );
    let policy = policy(&text);
    let probes: Vec<_> = policy
        .plan()
        .hooks
        .iter()
        .map(|hook| match &hook.target {
            Target::Uprobe(probe) => probe,
            other => panic!("{other:?}"),
        })
        .collect();
    let digests: Vec<_> = probes[0].digests.iter().map(ToString::to_string).collect();
    assert_eq!(digests, [sha1.to_lowercase(), build_id]);
    let ignores: Vec<_> = probes.iter().map(|probe| (probe.digests.len(), probe.ignore_digests)).collect();
    assert_eq!(ignores, [(2, false), (2, false), (1, true), (1, false), (0, false)]);
    let errors = policy.check_programs(
        |_, _| Err(PlaceError::NotThere(vec!["main".into()])),
        |_| Ok(vec![]),
        |probe| match (probe.path.as_str(), probe.digests.is_empty()) {
            ("/p", false) => Err(PlaceError::Digests("`sha1:0b`".into())),
            _ => Ok(()),
        },
    );
    let errors: Vec<_> =
        errors.iter().map(|error| (error.line, error.column, error.message.as_str())).collect();
    let digests = "`/p` has none of the digests that it must have; its own are `sha1:0b`";
    let (of_q, of_p) = ("`/q` has no function `none`", "`/p` has no function `none`");
    assert_eq!(errors, [(6, 54, digests), (8, 26, of_q), (9, 26, of_p)]);
    let shown = policy.digests_error(1, "`sha1:0b`").unwrap();
    assert_eq!((shown.line, shown.column, shown.message.as_str()), (6, 54, digests));
    assert!(policy.digests_error(9, "").is_none());
}
