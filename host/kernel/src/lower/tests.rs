#![allow(clippy::unwrap_used, reason = "tests")]

use serin_abi::config::{
    ACTION_KERNEL_STACK, ACTION_OVERRIDE, ACTION_POST, ACTION_SIGKILL, ASSIGNMENTS_SHIFT, BINARY_PARENT,
    FIELD_ADDRESS, FIELD_SIGNED, FIELD_TEXT, FieldConfig, Filter, Filters, PID_ANCESTORS, READ_TEXT,
    TEST_ADDRESS_RANGE, TEST_BINARY_NOT_IN, TEST_INTEGER_IN, TEST_INTEGER_MASK, TEST_INTEGER_RANGE, TEST_NOT,
    TEST_PID_NOT_IN, TEST_TEXT_EQUAL, TEST_TEXT_IN, TEST_TEXT_POSTFIX, TEST_TEXT_POSTFIX_SORTED,
    TEST_TEXT_PREFIX, TEST_TEXT_PREFIX_SORTED, WORD_SHIFT,
};
use serin_abi::network;
use serin_abi::record::KIND_LONG;
use serin_abi::{MAX_SELECTORS, MAX_STRING, Number, Range};
use serin_btf::{BtfError, Element, Field, Load, Step, TypeKind, Walk};
use serin_policy::{
    ActionPlan, ArgumentFilter, ArgumentKind, ArgumentPlan, ArgumentSource, AssignedValue, Assignment,
    BinaryComparison, BinaryCondition, BinaryFilter, HookPlan, Membership, Part, PidFilter, PolicyPlan,
    ProgramOverride, ProgramPlace, Register, Resolve, SelectorPlan, Stacks, Target, Test, Uprobe,
};

use super::{Types, lower};
use crate::binaries::Binaries;
use crate::scopes::Scopes;

/// A kernel in which every field has eight bytes, and lies somewhere; texts have eight more.
struct Everything;

impl Types for Everything {
    fn field(&self, structure: &str, path: &str) -> Result<Field, BtfError> {
        Ok(Field { offset: (structure.len() + path.len()) as u32, size: 8 })
    }

    fn walk(&self, _: &HookPlan, argument: &ArgumentPlan) -> Result<Option<Walk>, String> {
        let Some(resolve) = &argument.resolve else { return Ok(None) };
        let (load, kind) = match argument.kind {
            ArgumentKind::String => (None, TypeKind::Array { element: "char".into(), size: 16 }),
            _ => (Some(Load { size: 4, signed: true, bits: None }), TypeKind::Int { size: 4, signed: true }),
        };
        let last = Step { offset: 5, load };
        let pointer = Step { offset: 3, load: Some(Load { size: 8, signed: false, bits: None }) };
        let steps = resolve.path[1..].iter().map(|_| pointer).chain([last]).collect();
        Ok(Some(Walk { steps, kind }))
    }

    fn distance(&self, _: &Target, _: &ProgramPlace) -> Result<u64, String> {
        Ok(0x40)
    }
}

fn argument(index: u8, kind: ArgumentKind) -> ArgumentPlan {
    ArgumentPlan { index, kind, label: String::new(), source: ArgumentSource::Parameter, resolve: None }
}

fn plan(selectors: Vec<SelectorPlan>) -> HookPlan {
    HookPlan {
        target: Target::Syscall { name: "symlinkat".into(), number: 266 },
        arguments: vec![argument(2, ArgumentKind::String), argument(1, ArgumentKind::Int)],
        returns: Some(argument(0, ArgumentKind::Long)),
        return_action: None,
        selectors,
        message: String::new(),
        tags: Vec::new(),
        ignore_not_found: false,
        position: (1, 1),
    }
}

#[test]
fn calls_that_are_observed_wait_for_what_lies_in_memory() {
    let selector = |action| SelectorPlan { actions: vec![action], ..SelectorPlan::default() };
    let observes = plan(vec![selector(ActionPlan::Sigkill), selector(ActionPlan::Post)]);
    let enforces = plan(vec![selector(ActionPlan::Sigkill)]);
    let number = HookPlan { arguments: vec![argument(0, ArgumentKind::Int)], ..observes.clone() };
    let function = HookPlan { target: Target::Function("fd_install".into()), ..observes.clone() };
    let buffer = argument(1, ArgumentKind::Bytes { size: 2 });
    let buffer = HookPlan { arguments: vec![buffer], ..observes.clone() };
    for (plan, expected) in [(observes, 1), (enforces, 0), (number, 0), (function, 0), (buffer, 1)] {
        let lowered = lower(&plan, 7, (&Binaries::default(), &Scopes::default()), None, &Everything).unwrap();
        assert_eq!(lowered.config.late, expected, "{plan:?}");
    }
}

#[test]
fn many_values_are_found_by_their_digests() {
    let equal = |count: u32| {
        let values = (0..count).map(|number| format!("/bin/{number}").into_bytes()).collect();
        let filter = ArgumentFilter { slot: 0, part: Part::Value, negated: true, test: Test::Equal(values) };
        let selector = SelectorPlan { arguments: vec![filter], ..SelectorPlan::default() };
        lower(&plan(vec![selector]), 7, (&Binaries::default(), &Scopes::default()), None, &Everything)
            .unwrap()
    };
    let few = equal(4);
    assert_eq!((few.members.len(), few.texts.len()), (0, 4));
    assert_eq!(few.config.filters[0].test, TEST_TEXT_EQUAL | TEST_NOT);
    let many = equal(1000);
    assert_eq!(
        many.config.filters[0],
        Filter { test: TEST_TEXT_IN | TEST_NOT, slot: 0, values: 0, count: 1000 }
    );
    let mut digests: Vec<_> = many.members.iter().map(|(member, _)| member.value).collect();
    digests.sort_unstable();
    digests.dedup();
    assert_eq!(digests.len(), 1000);
    assert!(many.members.iter().zip(0..).all(|((member, text), index)| (member.set, *text) == (0, index)));
}

#[test]
fn many_beginnings_and_endings_are_sorted_without_those_that_another_covers() {
    let values: Vec<Vec<u8>> = ["/b", "/a/x", "/a", "/c/y", "/b/", "/a"].map(|value| value.into()).to_vec();
    for (test, expected, texts) in [
        (Test::Prefix(values.clone()), TEST_TEXT_PREFIX_SORTED, ["/a", "/b", "/c/y"].as_slice()),
        (Test::Postfix(values.clone()), TEST_TEXT_POSTFIX_SORTED, &["/b/", "/a", "/b", "/a/x", "/c/y"]),
        (Test::Prefix(values[..4].to_vec()), TEST_TEXT_PREFIX, &["/b", "/a/x", "/a", "/c/y"]),
    ] {
        let filter = ArgumentFilter { slot: 0, part: Part::Value, negated: false, test };
        let selector = SelectorPlan { arguments: vec![filter], ..SelectorPlan::default() };
        let named = (&Binaries::default(), &Scopes::default());
        let lowered = lower(&plan(vec![selector]), 7, named, None, &Everything).unwrap();
        let count = texts.len() as u32;
        assert_eq!(lowered.config.filters[0], Filter { test: expected, slot: 0, values: 0, count });
        assert_eq!(lowered.texts, texts.iter().map(|text| text.as_bytes().to_vec()).collect::<Vec<_>>());
    }
}

#[test]
fn filters_are_ordered_by_cost_and_values_numbered() {
    let selector = SelectorPlan {
        label: String::new(),
        return_actions: Vec::new(),
        scopes: Vec::new(),
        pids: vec![PidFilter {
            membership: Membership::NotIn,
            values: vec![0, 1],
            follow_forks: true,
            in_namespace: false,
        }],
        parent_binaries: vec![BinaryFilter {
            negated: true,
            condition: BinaryCondition {
                comparison: BinaryComparison::Prefix,
                values: vec!["/bin/a".into(), "/unknown".into()],
                follow_children: true,
            },
        }],
        binaries: Vec::new(),
        arguments: vec![
            ArgumentFilter {
                slot: 0,
                part: Part::Value,
                negated: true,
                test: Test::Postfix(vec![b"passwd".to_vec(), b"shadow".to_vec()]),
            },
            ArgumentFilter { slot: 1, part: Part::Value, negated: false, test: Test::IntEqual(vec![-100]) },
            ArgumentFilter { slot: 1, part: Part::Value, negated: false, test: Test::IntRanges(vec![3..=4]) },
            ArgumentFilter { slot: 1, part: Part::Value, negated: true, test: Test::IntMask(1 << 63 | 5) },
        ],
        identity: Vec::new(),
        rate_limit: None,
        stacks: Stacks { kernel: true, user: false },
        hash: None,
        returned: vec![ArgumentFilter {
            slot: 0,
            part: Part::Value,
            negated: false,
            test: Test::IntEqual(vec![-1]),
        }],
        actions: vec![ActionPlan::Override(-13), ActionPlan::Sigkill],
    };
    let plan = plan(vec![selector]);
    let binaries = Binaries::of(&[PolicyPlan {
        name: "p".into(),
        monitor: false,
        one_by_one: false,
        nodes: Vec::new(),
        hooks: vec![plan.clone()],
        enforced: vec![],
    }])
    .unwrap();
    let lowered = lower(&plan, 9, (&binaries, &Scopes::default()), None, &Everything).unwrap();
    let tests: Vec<u32> = lowered.config.filters[..6].iter().map(|filter| filter.test).collect();
    let integers = [TEST_INTEGER_IN, TEST_INTEGER_RANGE, TEST_INTEGER_MASK | TEST_NOT];
    let [equal, range, mask] = integers;
    let texts = TEST_TEXT_POSTFIX | TEST_NOT;
    assert_eq!(tests, [TEST_PID_NOT_IN, TEST_BINARY_NOT_IN, equal, range, mask, texts]);
    assert_eq!(lowered.config.filters[0].slot, PID_ANCESTORS);
    assert_eq!(lowered.config.filters[1].slot, BINARY_PARENT);
    let mask = lowered.config.filters[4];
    assert_eq!((mask.values, mask.count), (5, 1 << 31));
    assert_eq!(lowered.ranges, [Range { first: 3_u64.into(), last: 4_u64.into() }]);
    let members: Vec<(u32, u64)> =
        lowered.members.iter().map(|(member, _)| (member.set, member.value)).collect();
    assert_eq!(members, [(0, 0), (0, 1), (1, -100_i64 as u64), (2, u64::MAX)]);
    assert_eq!(lowered.config.filters[5], Filter { test: texts, slot: 0, values: 0, count: 2 });
    assert_eq!(lowered.config.returned.kind, KIND_LONG);
    assert_eq!(lowered.config.return_filters[0], Filters { first: 6, count: 1 });
    assert_eq!(lowered.config.filters[6], Filter { test: equal, slot: 0, values: 2, count: 1 });
    let selector = lowered.config.selectors[0];
    assert_eq!((selector.filter_count, selector.error), (6, -13));
    assert_eq!(selector.actions, ACTION_POST | ACTION_OVERRIDE | ACTION_SIGKILL | ACTION_KERNEL_STACK);
    assert_eq!(lowered.config.stacks, ACTION_KERNEL_STACK);
}

#[test]
fn parts_of_sockets_are_words() {
    let filter = |part, test| ArgumentFilter { slot: 1, part, negated: true, test };
    let selector = SelectorPlan {
        arguments: vec![
            filter(Part::DAddr, Test::Addresses(vec![1 << 64..=1 << 64 | 5])),
            filter(Part::State, Test::IntEqual(vec![10])),
        ],
        actions: vec![ActionPlan::Post],
        ..SelectorPlan::default()
    };
    let plan = HookPlan {
        arguments: vec![argument(1, ArgumentKind::Int), argument(0, ArgumentKind::Sock)],
        ..plan(vec![selector])
    };
    let lowered = lower(&plan, 0, (&Binaries::default(), &Scopes::default()), None, &Everything).unwrap();
    let at = |word: u32| word << WORD_SHIFT | 1;
    let expected = [
        Filter { test: TEST_INTEGER_MASK, slot: at(network::HAS_IP), values: 1, count: 0 },
        Filter { test: TEST_ADDRESS_RANGE | TEST_NOT, slot: at(network::DADDR), values: 0, count: 1 },
        Filter { test: TEST_INTEGER_IN | TEST_NOT, slot: at(network::STATE), values: 0, count: 1 },
    ];
    assert_eq!(lowered.config.filters[..3], expected);
    let range = Range { first: Number { high: 1, low: 0 }, last: Number { high: 1, low: 5 } };
    assert_eq!(lowered.ranges, [range]);
}

#[test]
fn structures_are_lists_of_fields() {
    let arguments = [ArgumentKind::BpfMap, ArgumentKind::KernelCap, ArgumentKind::NetDevice];
    let arguments = (0..).zip(arguments).map(|(index, kind)| argument(index, kind)).collect();
    let post = SelectorPlan { actions: vec![ActionPlan::Post], ..SelectorPlan::default() };
    let plan = HookPlan { arguments, ..plan(vec![post]) };
    let config =
        lower(&plan, 0, (&Binaries::default(), &Scopes::default()), None, &Everything).unwrap().config;
    let places: Vec<_> =
        config.arguments[..3].iter().map(|argument| (argument.first_field, argument.field_count)).collect();
    assert_eq!(places, [(0, 5), (5, 0), (5, 1)]);
    assert_eq!(config.fields[0], FieldConfig { offset: 15, size: 8 });
    assert_eq!(config.fields[4].size, FIELD_TEXT);
}

#[test]
fn the_way_to_an_argument_is_a_list_of_steps() {
    let argument = |kind, path: &[&str]| ArgumentPlan {
        resolve: Some(Resolve {
            path: path.iter().map(|&name| Element::Field(name.into())).collect(),
            structure: None,
            module: None,
        }),
        ..argument(0, kind)
    };
    let arguments =
        vec![argument(ArgumentKind::Int, &["mm", "owner", "pid"]), argument(ArgumentKind::String, &["comm"])];
    let post = SelectorPlan { actions: vec![ActionPlan::Post], ..SelectorPlan::default() };
    let plan = HookPlan { arguments, ..plan(vec![post]) };
    let config =
        lower(&plan, 0, (&Binaries::default(), &Scopes::default()), None, &Everything).unwrap().config;
    let places: Vec<_> =
        config.arguments[..2].iter().map(|argument| (argument.first_step, argument.step_count)).collect();
    assert_eq!(places, [(0, 3), (3, 1)]);
    let step = |offset, size| FieldConfig { offset, size };
    let expected = [step(3, 8), step(3, 8), step(5, FIELD_SIGNED | 4), step(5, FIELD_ADDRESS)];
    assert_eq!(config.fields[..4], expected);
    assert_eq!((config.arguments[1].read, config.arguments[1].size), (READ_TEXT, 16));
}

#[test]
fn limits_are_named() {
    let post = SelectorPlan { actions: vec![ActionPlan::Post], ..SelectorPlan::default() };
    let cases: [(HookPlan, &str); 3] = [
        (plan(vec![post.clone(); MAX_SELECTORS + 1]), "33 selectors, where a hook can have at most 32"),
        (
            HookPlan { arguments: vec![argument(6, ArgumentKind::Int)], ..plan(vec![post.clone()]) },
            "6 argument index, where a hook can have at most 5",
        ),
        (
            plan(vec![SelectorPlan {
                arguments: vec![ArgumentFilter {
                    slot: 0,
                    part: Part::Value,
                    negated: false,
                    test: Test::Equal(vec![vec![b'a'; MAX_STRING + 1]]),
                }],
                ..post
            }]),
            "4097 bytes of a value, where a hook can have at most 4096",
        ),
    ];
    for (plan, message) in cases {
        let error = lower(&plan, 0, (&Binaries::default(), &Scopes::default()), None, &Everything).err();
        assert_eq!(error.as_deref(), Some(message));
    }
}

#[test]
fn what_override_sets_is_told_by_selector() {
    let part = |field, size| Register { field, size };
    let to = |field, value| Assignment { register: part(field, 8), value: AssignedValue::Constant(value) };
    let selector = |action| SelectorPlan { actions: vec![action], ..SelectorPlan::default() };
    let registers = |all| ActionPlan::OverrideInProgram(ProgramOverride::Registers(all));
    let place = ProgramOverride::Place(ProgramPlace::Offset(7));
    let target = Target::Uprobe(Uprobe {
        path: "/p".into(),
        place: ProgramPlace::Offset(1),
        types: None,
        counter: 0,
        digests: [].into(),
        ignore_digests: false,
    });
    let selectors = vec![
        selector(registers(vec![to("ax", 1), to("bx", 2)])),
        selector(ActionPlan::Post),
        selector(ActionPlan::OverrideInProgram(place)),
    ];
    let plan = HookPlan { target, returns: None, arguments: Vec::new(), ..plan(selectors) };
    let lowered = lower(&plan, 1, (&Binaries::default(), &Scopes::default()), None, &Everything).unwrap();
    let assignments: Vec<_> =
        lowered.config.selectors[..3].iter().map(|selector| selector.assignments).collect();
    assert_eq!(assignments, [2 << ASSIGNMENTS_SHIFT, 0, 2 | 1 << ASSIGNMENTS_SHIFT]);
    let set = lowered
        .all_assignments()
        .map(|assignment| (assignment.register, assignment.source, assignment.value));
    assert_eq!(set[..4], [(1, 0, 1), (2, 0, 2), (17, 17, 0x40), (0, 0, 0)]);
    let too_many = (0..4).map(|_| selector(registers(vec![to("ax", 1); 17]))).collect();
    let plan = HookPlan { selectors: too_many, ..plan };
    let error = lower(&plan, 1, (&Binaries::default(), &Scopes::default()), None, &Everything).err();
    assert!(error.unwrap().starts_with("68 registers that `Override` sets"));
}
