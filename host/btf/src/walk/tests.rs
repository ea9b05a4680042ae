//! Walks through types made by hand, and through the running kernel's.

#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;
use crate::builder::Builder;

const INT: u32 = 1;
const CHAR: u32 = 2;
const CHAR_POINTER: u32 = 3;
const NAME: u32 = 4;
const NODE: u32 = 5;
const NODE_POINTER: u32 = 6;
const NODES: u32 = 7;
const NODE_POINTER_POINTER: u32 = 8;
const ANONYMOUS: u32 = 9;
const FLEXIBLE: u32 = 10;
const PARAMETERS: u32 = 11;

/// ```c
/// struct node {
///     int id;                 // 0
///     char name[16];          // 4
///     struct node *next;      // 24
///     struct node *all[3];    // 32
///     struct node **list;     // 56
///     union { int a; char b; };    // 64
///     int narrow : 3;         // 68
///     char *text;             // 72
///     int more[];             // 80
/// };
/// int do_it(struct node *p, int fds[], int number);
/// ```
fn sample() -> Btf {
    let mut builder = Builder::default();
    builder.add("int", 1, 0, 4, &[1 << 24 | 32]);
    builder.add("char", 1, 0, 1, &[1 << 24 | 8]);
    builder.add("", 2, 0, CHAR, &[]);
    builder.add("", 3, 0, 0, &[CHAR, INT, 16]);
    let fields = [
        ("id", INT, 0),
        ("name", NAME, 4),
        ("next", NODE_POINTER, 24),
        ("all", NODES, 32),
        ("list", NODE_POINTER_POINTER, 56),
        ("", ANONYMOUS, 64),
        ("narrow", INT, 3 << 24 | 68),
        ("text", CHAR_POINTER, 72),
        ("more", FLEXIBLE, 80),
    ];
    // Offsets are in bits, beside the width of a bit field.
    let bits = |place: u32| (place & 0xff << 24) | ((place & 0xff_ffff) * 8);
    let trailing: Vec<_> =
        fields.iter().flat_map(|&(name, kind, at)| [builder.name(name), kind, bits(at)]).collect();
    builder.add("node", 0x80 | 4, fields.len() as u32, 80, &trailing);
    builder.add("", 2, 0, NODE, &[]);
    builder.add("", 3, 0, 0, &[NODE_POINTER, INT, 3]);
    builder.add("", 2, 0, NODE_POINTER, &[]);
    let (a, b) = (builder.name("a"), builder.name("b"));
    builder.add("", 5, 2, 4, &[a, INT, 0, b, CHAR, 0]);
    builder.add("", 3, 0, 0, &[INT, INT, 0]);
    builder.add("", 2, 0, INT, &[]);
    let (p, fds, number) = (builder.name("p"), builder.name("fds"), builder.name("number"));
    builder.add("", 13, 3, INT, &[p, NODE_POINTER, fds, PARAMETERS, number, INT]);
    builder.add("do_it", 12, 0, PARAMETERS + 1, &[]);
    Btf::parse(builder.build(24)).unwrap()
}

fn path(text: &str) -> Vec<Element> {
    let element = |part: &str| part.parse().map_or_else(|_| Element::Field(part.into()), Element::Index);
    text.split('.').map(element).collect()
}

const INTEGER: Option<Load> = Some(Load { size: 4, signed: true, bits: None });

#[test]
fn paths_are_steps() {
    let btf = sample();
    let read = Some(POINTER);
    for (parameter, text, expected) in [
        (0, "id", vec![(0, INTEGER)]),
        (0, "name", vec![(4, None)]),
        (0, "name.2", vec![(4, None), (2, Some(Load { size: 1, signed: true, bits: None }))]),
        (0, "next.id", vec![(24, read), (0, INTEGER)]),
        (0, "next", vec![(24, read)]),
        (0, "all.2.id", vec![(32, None), (16, read), (0, INTEGER)]),
        (0, "list.2.id", vec![(56, read), (16, read), (0, INTEGER)]),
        (0, "list.id", vec![(56, read), (0, read), (0, INTEGER)]),
        (0, "b", vec![(64, Some(Load { size: 1, signed: true, bits: None }))]),
        (
            0,
            "narrow",
            vec![(68, Some(Load { size: 1, signed: true, bits: Some(Bits { first: 0, count: 3 }) }))],
        ),
        (0, "text", vec![(72, read)]),
        (0, "more.4", vec![(80, None), (16, INTEGER)]),
        (0, "1.id", vec![(80, None), (0, INTEGER)]),
        (1, "3", vec![(12, INTEGER)]),
    ] {
        let walk = btf.walk(Root::Parameter("do_it", parameter), &path(text)).unwrap();
        let steps: Vec<_> = walk.steps.iter().map(|step| (step.offset, step.load)).collect();
        assert_eq!(steps, expected, "{text}");
    }
    let second = btf.walk(Root::Pointer("node"), &path("1.id")).unwrap();
    let steps = [Step { offset: 80, load: None }, Step { offset: 0, load: INTEGER }];
    assert_eq!(second.steps, steps);
    let pointed = btf.walk(Root::Pointer("node"), &path("next.name")).unwrap();
    assert_eq!(pointed.kind, TypeKind::Array { element: "char".into(), size: 16 });
    assert_eq!(pointed.steps.len(), 2);
}

#[test]
fn what_cannot_be_reached_is_told() {
    let btf = sample();
    for (root, text, element, expected) in [
        (Root::Parameter("do_it", 3), "id", None, "the types do not tell what is there"),
        (Root::Pointer("nod"), "id", None, "the types do not tell what is there"),
        (Root::Pointer("node"), "next.ide", Some(1), "`struct node` has no such field"),
        (Root::Pointer("node"), "narrow.a", Some(1), "`int` has no fields"),
        (Root::Pointer("node"), "id.a", Some(1), "`int` has no fields"),
        (Root::Pointer("node"), "1.2", Some(1), "`struct node` has no elements"),
        (Root::Pointer("node"), "id.3", Some(1), "`int` has no elements"),
        (Root::Pointer("node"), "all.3", Some(1), "the array has 3 elements"),
        (Root::Pointer("node"), "more.4000000000", Some(1), "it lies beyond 4 GiB"),
        (Root::Parameter("do_it", 2), "a", Some(0), "`int` has no fields"),
    ] {
        let error = btf.walk(root, &path(text)).unwrap_err();
        assert_eq!((error.element, error.reason.to_string()), (element, expected.into()), "{text}");
    }
    let error = btf.walk(Root::Pointer("node"), &path("x")).unwrap_err();
    let WalkReason::NoField { fields, .. } = error.reason else { panic!("{error:?}") };
    assert_eq!(fields, ["id", "name", "next", "all", "list", "a", "b", "narrow", "text", "more"]);
}

#[test]
fn the_running_kernel_is_walked() {
    let Ok(btf) = Btf::load(crate::KERNEL_BTF.as_ref()) else {
        eprintln!("skipped: this kernel shows no BTF");
        return;
    };
    let comm = btf.walk(Root::Pointer("task_struct"), &path("real_parent.comm")).unwrap();
    assert_eq!(comm.kind, TypeKind::Array { element: "char".into(), size: 16 });
    let file = btf.walk(Root::Tracepoint("sched_process_exec", 2), &path("file")).unwrap();
    assert_eq!(file.kind, TypeKind::Pointer { target: "struct file".into() });
    let uid = btf.walk(Root::Parameter("commit_creds", 0), &path("uid.val")).unwrap();
    assert_eq!(uid.kind, TypeKind::Int { size: 4, signed: false });
}
