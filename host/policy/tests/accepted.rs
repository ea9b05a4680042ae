//! What policies are lowered to.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::path::Path;

use serin_policy::{
    ActionPlan, ArgumentFilter, ArgumentKind, ArgumentPlan, ArgumentSource, BinaryComparison,
    BinaryCondition, BinaryFilter, CapabilitySet, HookPlan, IdentityCondition, IdentityFilter, Membership,
    Namespace, NamespaceValue, Part, PidFilter, Policy, PolicyPlan, RateLimit, RateScope, SelectorPlan,
    SocketAction, Stacks, Target, Test, UserId,
};

fn plans(text: &str) -> Vec<PolicyPlan> {
    match Policy::parse(text, Path::new("p.yaml")) {
        Ok(policies) => policies.iter().map(|policy| policy.plan().clone()).collect(),
        Err(errors) => panic!("{errors}"),
    }
}

/// The plan of a policy with one hook, given from line 6 on.
fn hook(yaml: &str) -> HookPlan {
    let start =
        "apiVersion: cilium.io/v1alpha1\nkind: TracingPolicy\nmetadata: {name: p}\nspec:\n  kprobes:\n";
    let [plan] = plans(&format!("{start}{yaml}")).try_into().unwrap();
    let [hook] = plan.hooks.try_into().unwrap();
    hook
}

fn texts(values: &[&str]) -> Vec<Vec<u8>> {
    values.iter().map(|value| value.as_bytes().to_vec()).collect()
}

#[test]
fn every_supported_part_arrives_in_the_plan() {
    let yaml = r#"
apiVersion: cilium.io/v1alpha1
kind: TracingPolicyNamespaced
metadata:
  name: "link.to-passwd"
  labels: {team: red}
  annotations: {author: me}
spec:
  kprobes:
  - call: "sys_symlinkat"
    message: "link to passwd"
    tags: ["observability.filesystem", "second"]
    ignore:
      callNotFound: true
    args:
    - {index: 0, type: string, label: target}
    - {index: 2, type: string}
    - {index: 1, type: int}
    selectors:
    - matchPIDs:
      - {operator: NotIn, values: [0, 1], followForks: true, isNamespacePID: false}
      matchBinaries:
      - {operator: In, values: [/usr/bin/ln, /bin/busybox]}
      matchParentBinaries:
      - {operator: NotPostfix, values: [bash], followChildren: true}
      matchNamespaces:
      - {namespace: Mnt, operator: NotIn, values: [host_ns, 7]}
      matchNamespaceChanges:
      - {operator: NotIn, values: [Net, User]}
      matchCapabilities:
      - {type: Permitted, operator: In, isNamespaceCapability: true, values: [CAP_CHOWN, CAP_CHECKPOINT_RESTORE]}
      matchCapabilityChanges:
      - {operator: NotIn, values: [CAP_SYS_ADMIN]}
      matchCurrentCred:
      - uid: [{operator: Equal, values: ["5:9", 0]}]
        euid: [{operator: NotEqual, values: [7, "3"]}]
      matchArgs:
      - {operator: Postfix, values: ["passwd\0", shadow]}
      - {index: 1, operator: Equal, values: ["-100", 0x10, "017"]}
      - {index: 2, operator: Prefix, values: [/tmp, 12]}
      matchActions:
      - {action: Override, argError: -1}
      - {action: Sigkill}
      - {action: DnsLookup, argFqdn: abc.def.o3n.io}
      - {action: GetUrl, argUrl: "https://example.org/token"}
      - {action: Post, argUrl: "", argError: 0, rateLimit: 5m, rateLimitScope: global}
    - {}
"#;
    let argument = |index, kind, label: &str| ArgumentPlan {
        index,
        kind,
        label: label.into(),
        source: ArgumentSource::Parameter,
        resolve: None,
    };
    let is = |condition| IdentityFilter { negated: false, condition };
    let not = |condition| IdentityFilter { negated: true, condition };
    let selector = SelectorPlan {
        label: String::new(),
        return_actions: vec![],
        scopes: vec![],
        stacks: Stacks::default(),
        hash: None,
        pids: vec![PidFilter {
            membership: Membership::NotIn,
            values: vec![0, 1],
            follow_forks: true,
            in_namespace: false,
        }],
        binaries: vec![BinaryFilter {
            negated: false,
            condition: BinaryCondition {
                comparison: BinaryComparison::Equal,
                values: vec!["/usr/bin/ln".into(), "/bin/busybox".into()],
                follow_children: false,
            },
        }],
        parent_binaries: vec![BinaryFilter {
            negated: true,
            condition: BinaryCondition {
                comparison: BinaryComparison::Postfix,
                values: vec!["bash".into()],
                follow_children: true,
            },
        }],
        identity: vec![
            not(IdentityCondition::Namespace(
                Namespace::Mnt,
                vec![NamespaceValue::Host, NamespaceValue::Inode(7)],
            )),
            is(IdentityCondition::NamespaceChanged(0x3ff & !(1 << 5 | 1 << 9))),
            is(IdentityCondition::Capability(CapabilitySet::Permitted, 1 << 40 | 1)),
            not(IdentityCondition::Namespace(Namespace::User, vec![NamespaceValue::Host])),
            not(IdentityCondition::CapabilityChanged(CapabilitySet::Effective, 1 << 21)),
            is(IdentityCondition::CapabilityChanged(CapabilitySet::Effective, !(1 << 21))),
            is(IdentityCondition::User(UserId::Real, vec![0..=0, 5..=9])),
            not(IdentityCondition::User(UserId::Effective, vec![3..=3, 7..=7])),
        ],
        arguments: vec![
            ArgumentFilter {
                slot: 0,
                part: Part::Value,
                negated: false,
                test: Test::Postfix(texts(&["passwd", "shadow"])),
            },
            ArgumentFilter {
                slot: 2,
                part: Part::Value,
                negated: false,
                test: Test::IntEqual(vec![-100, 16, 15]),
            },
            ArgumentFilter {
                slot: 1,
                part: Part::Value,
                negated: false,
                test: Test::Prefix(texts(&["/tmp", "12"])),
            },
        ],
        returned: vec![],
        actions: vec![
            ActionPlan::Override(-1),
            ActionPlan::Sigkill,
            ActionPlan::DnsLookup("abc.def.o3n.io".into()),
            ActionPlan::GetUrl("https://example.org/token".into()),
            ActionPlan::Post,
        ],
        rate_limit: Some(RateLimit { period: 300_000_000_000, scope: RateScope::Global }),
    };
    let hook = HookPlan {
        target: Target::Syscall { name: "symlinkat".into(), number: 266 },
        arguments: vec![
            argument(0, ArgumentKind::String, "target"),
            argument(2, ArgumentKind::String, ""),
            argument(1, ArgumentKind::Int, ""),
        ],
        returns: None,
        return_action: None,
        selectors: vec![
            selector,
            SelectorPlan { actions: vec![ActionPlan::Post], ..SelectorPlan::default() },
        ],
        message: "link to passwd".into(),
        tags: vec!["observability.filesystem".into(), "second".into()],
        ignore_not_found: true,
        position: (10, 11),
    };
    assert_eq!(
        plans(yaml),
        [PolicyPlan {
            name: "link.to-passwd".into(),
            monitor: false,
            one_by_one: false,
            nodes: vec![],
            hooks: vec![hook],
            enforced: vec![]
        }]
    );
}

#[test]
fn a_bare_hook_posts_every_call() {
    let hook = hook("  - call: fd_install\n    syscall: false\n");
    assert_eq!(hook.target, Target::Function("fd_install".into()));
    assert_eq!(hook.selectors, [SelectorPlan { actions: vec![ActionPlan::Post], ..SelectorPlan::default() }]);
    assert!(!hook.ignore_not_found);
}

#[test]
fn what_a_function_returns() {
    let hook = hook(
        "  - call: sys_openat
    return: true
    returnArg: {type: int32, label: fd}
    selectors:
    - matchReturnArgs:
      - {operator: LT, values: [0]}
      - {index: 0, operator: NotEqual, values: [-2]}
",
    );
    assert_eq!(
        hook.returns,
        Some(ArgumentPlan {
            index: 0,
            kind: ArgumentKind::Int,
            label: "fd".into(),
            source: ArgumentSource::Parameter,
            resolve: None
        })
    );
    let (below_zero, equal) =
        (Test::IntRanges(vec![1 << 31 | 0xffff_ffff << 32..=u64::MAX]), Test::IntEqual(vec![-2]));
    let filter = |negated, test| ArgumentFilter { slot: 0, part: Part::Value, negated, test };
    assert_eq!(hook.selectors[0].returned, [filter(false, below_zero), filter(true, equal)]);
}

#[test]
fn what_is_done_once_a_call_has_returned() {
    let hook = hook(
        "  - call: sys_openat
    return: true
    returnArg: {type: int}
    selectors:
    - label: denied
      matchReturnArgs: [{operator: Equal, values: [-13]}]
      matchReturnActions: [{action: Signal, argSig: 12}, {action: NoPost}]
    - matchActions: [{action: NoPost}]
      matchReturnActions: []
",
    );
    let [denied, other] = hook.selectors.as_slice() else { panic!("{:?}", hook.selectors) };
    assert_eq!(denied.label, "denied");
    assert_eq!(denied.actions, [ActionPlan::Post]);
    assert_eq!(denied.return_actions, [ActionPlan::Signal(12), ActionPlan::NoPost]);
    assert!(denied.enforces());
    assert_eq!((other.label.as_str(), other.return_actions.as_slice()), ("", &[][..]));
}

#[test]
fn mapped_files_are_a_hook_without_anything_to_read() {
    let policy = |spec: &str| {
        let text = format!(
            "{{apiVersion: cilium.io/v1alpha1, kind: TracingPolicy, metadata: {{name: p}}, spec: {{{spec}}}}}"
        );
        Policy::parse(&text, Path::new("p.yaml")).map(|policies| policies[0].plan().hooks.clone())
    };
    let hooks = policy("loader: true").unwrap();
    assert_eq!((hooks.len(), &hooks[0].target), (1, &Target::Loader));
    assert_eq!(policy("loader: true, kprobes: [{call: sys_read}]").unwrap().len(), 2);
    assert_eq!(policy("loader: false, kprobes: [{call: sys_read}]").unwrap().len(), 1);
    for spec in ["loader: true, podSelector: {matchLabels: {app: a}}", "loader: true, hostSelector: {}"] {
        let error = policy(spec).unwrap_err().to_string();
        assert!(error.contains("cannot be about some"), "{spec}: {error}");
    }
    assert!(policy("loader: false").unwrap_err().to_string().contains("`spec` has no hooks"));
}

#[test]
fn what_is_not_waited_for_is_not_read() {
    for fields in ["returnArg: {index: 0, type: int}", "return: false\n    returnArg: {index: 0, type: int}"]
    {
        assert_eq!(hook(&format!("  - call: sys_openat\n    {fields}\n")).returns, None);
    }
}

#[test]
fn operators_and_actions() {
    let selector = |yaml: &str| {
        let arguments = "[{index: 0, type: string}, {index: 1, type: uint8}, {index: 2, type: sint16}]";
        let start = format!("  - call: sys_symlinkat\n    args: {arguments}\n    selectors:\n    - ");
        hook(&format!("{start}{yaml}\n")).selectors.into_iter().next().unwrap()
    };
    let minus = |number: i64| -number as u64;
    for (yaml, slot, negated, test) in [
        ("{operator: NotEqual, values: [a]}", 0, true, Test::Equal(texts(&["a"]))),
        ("{operator: NotPrefix, values: [a]}", 0, true, Test::Prefix(texts(&["a"]))),
        ("{args: [0], operator: NotPostfix, values: [a]}", 0, true, Test::Postfix(texts(&["a"]))),
        ("{operator: SubString, values: [a, b]}", 0, false, Test::SubString(texts(&["a", "b"]))),
        ("{operator: SubStringIgnCase, values: [A-b]}", 0, false, Test::SubStringAnyCase(texts(&["a-b"]))),
        ("{args: [1], operator: GreaterThan, values: [7]}", 1, false, Test::IntRanges(vec![8..=255])),
        ("{index: 2, operator: LT, values: [-7]}", 2, false, Test::IntRanges(vec![minus(0x8000)..=minus(8)])),
        ("{index: 1, operator: Mask, values: [1, 0x80]}", 1, false, Test::IntMask(0x81)),
        ("{index: 1, operator: NotInMap, values: [1, 3]}", 1, true, Test::IntEqual(vec![1, 3])),
        ("{index: 1, operator: NotInRange, values: ['1:3']}", 1, true, Test::IntRanges(vec![1..=3])),
    ] {
        let filters = selector(&format!("matchArgs: [{yaml}]")).arguments;
        assert_eq!(filters, [ArgumentFilter { slot, part: Part::Value, negated, test }], "{yaml}");
    }
    let actions = selector("matchActions: [{action: Signal, argSig: 15}, {action: NoPost}]").actions;
    assert_eq!(actions, [ActionPlan::Signal(15), ActionPlan::NoPost]);
}

#[test]
fn descriptors_and_names_are_found_among_the_arguments() {
    let actions = |action: &str| {
        let arguments = "[{index: 1, type: file}, {index: 0, type: int}, {index: 2, type: fd}]";
        let yaml = format!(
            "  - call: odd\n    syscall: false\n    args: {arguments}\n    selectors:\n    - matchActions: [{action}]\n"
        );
        hook(&yaml).selectors.into_iter().next().unwrap().actions
    };
    let follow = ActionPlan::FollowDescriptor { descriptor: 1, name: 0 };
    assert_eq!(actions("{action: FollowFD, argFd: 0, argName: 1}"), [follow]);
    assert_eq!(
        actions("{action: UnfollowFD, argFd: 2, argName: 0}"),
        [ActionPlan::UnfollowDescriptor { descriptor: 2 }]
    );
    assert_eq!(actions("{action: CopyFD, argName: 2}"), [ActionPlan::CopyDescriptor { from: 1, to: 2 }]);
}

#[test]
fn sockets_are_tracked() {
    let hook = hook(
        "  - call: tcp_create_openreq_child
    syscall: false
    args: [{index: 2, type: skb}, {index: 0, type: sock}]
    return: true
    returnArg: {index: 0, type: sock}
    returnArgAction: TrackSock
    selectors: [matchActions: [{action: UntrackSock}, {action: NoPost}]]
",
    );
    assert_eq!(hook.return_action, Some(SocketAction::Track));
    let untrack = ActionPlan::Socket { action: SocketAction::Untrack, socket: 1 };
    assert_eq!(hook.selectors[0].actions, [untrack, ActionPlan::NoPost]);
}

#[test]
fn parts_of_sockets_are_compared() {
    const MAPPED: u128 = 0xffff << 32;
    let priv_ports = || Test::IntRanges(vec![0..=1023]);
    for (filter, part, negated, test) in [
        ("SAddr, values: [0.0.0.1]", Part::SAddr, false, Test::Addresses(vec![MAPPED | 1..=MAPPED | 1])),
        (
            "NotDAddr, values: ['::2/127', 0.0.0.8/29, 0.0.0.1/29]",
            Part::DAddr,
            true,
            Test::Addresses(vec![2..=3, MAPPED..=MAPPED | 15]),
        ),
        ("SPort, values: [80, 443]", Part::SPort, false, Test::IntEqual(vec![80, 443])),
        ("NotDPort, values: ['1:3', 4]", Part::DPort, true, Test::IntRanges(vec![1..=4])),
        ("SPortPriv", Part::SPort, false, priv_ports()),
        ("NotSportPriv, values: []", Part::SPort, true, priv_ports()),
        ("DPortPriv", Part::DPort, false, priv_ports()),
        ("NotDPortPriv", Part::DPort, true, priv_ports()),
        ("Protocol, values: [IPPROTO_UDP, 6]", Part::Protocol, false, Test::IntEqual(vec![17, 6])),
        ("Family, values: [AF_INET6]", Part::Family, false, Test::IntEqual(vec![10])),
        ("State, values: [TCP_LISTEN]", Part::State, false, Test::IntEqual(vec![10])),
    ] {
        let hook = hook(&format!(
            "  - {{call: tcp_connect, syscall: false, args: [{{index: 0, type: sock}}], \
             selectors: [matchArgs: [{{operator: {filter}}}]]}}\n"
        ));
        let expected = ArgumentFilter { slot: 0, part, negated, test };
        assert_eq!(hook.selectors[0].arguments, [expected], "{filter}");
    }
}

#[test]
fn capabilities_and_commands_have_names() {
    for (kind, filter, slot, test) in [
        ("capability", "Equal, values: [CAP_SYS_ADMIN, 0]", 1, Test::IntEqual(vec![21, 0])),
        (
            "cap_effective",
            "Mask, values: ['CAP_CHOWN,cap_dac_override', CAP_BPF]",
            1,
            Test::IntMask(1 << 39 | 3),
        ),
        ("kernel_cap_t", "Equal, values: [0x1ff]", 1, Test::IntEqual(vec![0x1ff])),
        ("bpf_cmd", "InMap, values: [BPF_PROG_LOAD, 0]", 1, Test::IntEqual(vec![5, 0])),
        ("cap_permitted", "CapabilitiesGained, args: [0, 1]", 0, Test::Gained(1)),
    ] {
        let index = if filter.contains("args") { "" } else { "index: 3, " };
        let hook = hook(&format!(
            "  - {{call: f, syscall: false, args: [{{index: 0, type: cap_inheritable}}, {{index: 3, type: {kind}}}], \
             selectors: [matchArgs: [{{{index}operator: {filter}}}]]}}\n"
        ));
        let expected = ArgumentFilter { slot, part: Part::Value, negated: false, test };
        assert_eq!(hook.selectors[0].arguments, [expected], "{filter}");
    }
}

#[test]
fn bytes_have_a_size_and_nuls() {
    let hook = hook(
        "  - call: sys_write
    args: [{index: 1, type: char_buf, sizeArgIndex: 3}, {index: 0, type: fd}]
    selectors:
    - matchArgs:
      - {index: 1, operator: Equal, values: [\"a\\0b\\0\"]}
      - {index: 0, operator: NotFileType, values: [fifo, regular]}
",
    );
    assert_eq!(hook.arguments[0].kind, ArgumentKind::Bytes { size: 2 });
    let filters = &hook.selectors[0].arguments;
    assert_eq!(filters[0].test, Test::Equal(texts(&["a\0b\0"])));
    let test = Test::IntEqual(vec![0o010_000, 0o100_000]);
    assert_eq!(filters[1], ArgumentFilter { slot: 1, part: Part::FileType, negated: true, test });
}

#[test]
fn types_and_their_values() {
    for (name, kind, value, expected) in [
        ("int", ArgumentKind::Int, "-2147483648", i64::from(i32::MIN)),
        ("int32", ArgumentKind::Int, "0x7fffffff", i64::from(i32::MAX)),
        ("sint32", ArgumentKind::Int, "1", 1),
        ("uint32", ArgumentKind::Uint, "4294967295", i64::from(u32::MAX)),
        ("long", ArgumentKind::Long, "-9223372036854775808", i64::MIN),
        ("int64", ArgumentKind::Long, "1", 1),
        ("sint64", ArgumentKind::Long, "1", 1),
        ("ulong", ArgumentKind::Size, "0", 0),
        ("uint64", ArgumentKind::Size, "0xffffffffffffffff", -1),
        ("size_t", ArgumentKind::Size, "9223372036854775808", i64::MIN),
    ] {
        let hook = hook(&format!(
            "  - call: sys_read\n    args: [{{index: 2, type: {name}}}]\n    selectors:\n    \
             - matchArgs: [{{index: 2, operator: Equal, values: [\"{value}\"]}}]\n"
        ));
        assert_eq!(hook.arguments[0].kind, kind, "{name}");
        assert_eq!(hook.selectors[0].arguments[0].test, Test::IntEqual(vec![expected]), "{name} {value}");
    }
    let file = hook("  - {call: fd_install, syscall: false, args: [{index: 1, type: file}]}\n");
    assert_eq!(file.arguments[0].kind, ArgumentKind::File);
}

#[test]
fn file_types_are_texts_and_nop_is_not_read() {
    let hook = hook(
        "  - call: odd
    syscall: false
    args: [{index: 0, type: fd}, {index: 1, type: nop}, {index: 2, type: path}, {index: 3, type: dentry},
      {index: 4, type: linux_binprm}, {index: 5, type: filename}]
    selectors:
    - matchArgs:
      - {index: 5, operator: Equal, values: [a]}
      - {index: 0, operator: Postfix, values: [a]}
",
    );
    let kinds: Vec<_> = hook.arguments.iter().map(|argument| (argument.index, argument.kind)).collect();
    let expected = [
        (0, ArgumentKind::Descriptor),
        (2, ArgumentKind::Path),
        (3, ArgumentKind::Dentry),
        (4, ArgumentKind::Binprm),
        (5, ArgumentKind::Filename),
    ];
    assert_eq!(kinds, expected);
    let filters = &hook.selectors[0].arguments;
    assert_eq!(
        filters[0],
        ArgumentFilter { slot: 4, part: Part::Value, negated: false, test: Test::Equal(texts(&["a"])) }
    );
    assert_eq!(
        filters[1],
        ArgumentFilter { slot: 0, part: Part::Value, negated: false, test: Test::Postfix(texts(&["a"])) }
    );
}

#[test]
fn documents_are_policies_and_aliases_are_expanded() {
    let yaml = "\
apiVersion: cilium.io/v1alpha1
kind: TracingPolicy
metadata: {name: a}
spec:
  kprobes:
  - {call: sys_link, selectors: &selectors [matchBinaries: [{operator: In, values: &paths [/a, /b]}]]}
  - {call: sys_linkat, selectors: *selectors}
---
# nothing here
---
apiVersion: cilium.io/v1alpha1
kind: TracingPolicy
metadata: {name: b}
spec: {kprobes: [{call: sys_symlink}]}
...
";
    let [a, b] = plans(yaml).try_into().unwrap();
    assert_eq!((a.name.as_str(), b.name.as_str()), ("a", "b"));
    assert_eq!(a.hooks[0].selectors, a.hooks[1].selectors);
    assert_eq!(a.hooks[1].selectors[0].binaries[0].condition.values, ["/a", "/b"]);
    assert_eq!(b.hooks[0].position, (14, 25));
}

#[test]
fn a_list_stands_for_a_hook_on_each_of_its_members() {
    let yaml = "
apiVersion: cilium.io/v1alpha1
kind: TracingPolicy
metadata: {name: lists}
spec:
  lists:
  - {name: all, type: generated_syscalls}
  - {name: dups, type: syscalls, values: [sys_dup, dup, sys_dup2, __ia32_sys_dup]}
  - {name: files, values: [fd_install, filp_close]}
  kprobes:
  - call: list:dups
    message: dup
  - {call: 'list:files', syscall: false}
  - {call: 'list:all', return: true, returnArg: {type: int}}
";
    let plans = plans(yaml);
    let hooks = &plans[0].hooks;
    let syscall = |name: &str, number| Target::Syscall { name: name.into(), number };
    let targets: Vec<_> = hooks.iter().take(5).map(|hook| hook.target.clone()).collect();
    let expected = [
        syscall("dup", 32),
        syscall("dup2", 33),
        Target::CompatSyscall { name: "dup".into(), number: 41 },
        Target::Function("fd_install".into()),
        Target::Function("filp_close".into()),
    ];
    assert_eq!(targets, expected);
    assert!(hooks[..3].iter().all(|hook| hook.message == "dup" && hook.position == (11, 11)));
    let all = &hooks[5..];
    assert!(all.len() > 300 && all.iter().all(|hook| hook.ignore_not_found));
    let never: Vec<_> = all.iter().filter(|hook| hook.returns.is_none()).map(|hook| &hook.target).collect();
    assert_eq!(never, [&syscall("exit", 60), &syscall("exit_group", 231)]);
}

#[test]
fn objects_of_kubernetes_are_left_out_and_told() {
    let policy = "apiVersion: cilium.io/v1alpha1\nkind: TracingPolicy\nmetadata: {name: p}\n\
                  spec: {kprobes: [{call: sys_close}]}\n";
    let pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: bait}\nspec: {containers: []}\n";
    for (text, lines) in [
        (policy.to_owned(), vec![]),
        (format!("{pod}---\n{policy}"), vec!["p.yaml:2:7"]),
        (format!("{policy}---\n{pod}---\n{pod}"), vec!["p.yaml:7:7", "p.yaml:12:7"]),
    ] {
        let policies = Policy::parse(&text, Path::new("p.yaml")).unwrap();
        let notes: Vec<_> = policies.iter().flat_map(Policy::left_out).map(|note| note.to_string()).collect();
        let told = notes.iter().zip(&lines).all(|(note, line)| note.starts_with(line));
        assert!(policies.len() == 1 && notes.len() == lines.len() && told, "{notes:#?}");
    }
    for text in [pod.to_owned(), format!("{policy}---\n{}", policy.replace("cilium.io/v1alpha1", "v1"))] {
        assert!(Policy::parse(&text, Path::new("p.yaml")).is_err(), "{text}");
    }
}
