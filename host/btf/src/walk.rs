//! Walks from a value along fields and elements, through the pointers between them.

use std::fmt;

use crate::parse::{Kind, read_u32};
use crate::resolve::Member;
use crate::{Btf, TypeKind};

/// Pointers to pointers that one field is reached through: more than any kernel has.
const MAX_POINTERS: u32 = 4;

/// One element of a path such as `a.b[3]`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Element {
    /// A field of a structure or union, or of an anonymous one within it.
    Field(String),
    /// An element of an array, or of what a pointer points to.
    Index(u32),
}

/// What a walk starts from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Root<'r> {
    /// A parameter of a function: its name, and the position from 0.
    Parameter(&'r str, usize),
    /// An argument of a raw tracepoint, likewise.
    Tracepoint(&'r str, usize),
    /// A pointer to the structure or union of this name, or to the first of several.
    Pointer(&'r str),
}

/// One step of a walk: an offset is added to an address, and what stands there is read, or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// Bytes that are added.
    pub offset: u32,
    /// What is read there; the next step starts from it. The address itself, if nothing is.
    pub load: Option<Load>,
}

/// An integer or a pointer that is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Load {
    /// 1, 2, 4 or 8 bytes; of a bit field any number up to 8.
    pub size: u32,
    /// Whether the integer is signed.
    pub signed: bool,
    /// Which of the bits are the integer; all of them, if it is no bit field.
    pub bits: Option<Bits>,
}

/// A bit field in the integer that its bytes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bits {
    /// Its lowest bit, from 0 to 7.
    pub first: u32,
    /// How many there are: 1 to 64.
    pub count: u32,
}

const POINTER: Load = Load { size: 8, signed: false, bits: None };

/// Where a walk leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Walk {
    /// How to get there. The value of the last step is that of an integer or pointer, and the address of anything else.
    pub steps: Vec<Step>,
    /// The type of what is there.
    pub kind: TypeKind,
}

/// Why a walk leads nowhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WalkError {
    /// The element of the path that cannot be reached; `None` if that is where the walk starts.
    pub element: Option<usize>,
    /// Why.
    pub reason: WalkReason,
}

/// See [`WalkError`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WalkReason {
    /// The types do not tell what is there to start from: no such function, parameter, structure.
    NoRoot,
    /// The structure has other fields.
    NoField {
        /// `struct file`
        structure: String,
        /// The fields that it has, those of anonymous ones in it included.
        fields: Vec<String>,
    },
    /// The bit field lies in more than eight bytes, or something is looked for in it.
    BitField,
    /// Only structures have fields.
    NotAStructure {
        /// What it is.
        kind: String,
    },
    /// Only arrays and pointers have elements, whose size must be known.
    NotAnArray {
        /// What it is.
        kind: String,
    },
    /// The array has fewer elements.
    OutOfBounds {
        /// How many it has.
        length: u32,
    },
    /// It lies beyond 4 GiB.
    TooFar,
}

impl fmt::Display for WalkReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WalkReason::NoRoot => f.write_str("the types do not tell what is there"),
            WalkReason::NoField { structure, .. } => write!(f, "`{structure}` has no such field"),
            WalkReason::BitField => f.write_str("it is a bit field, which can only be read as a whole"),
            WalkReason::NotAStructure { kind } => write!(f, "`{kind}` has no fields"),
            WalkReason::NotAnArray { kind } => write!(f, "`{kind}` has no elements"),
            WalkReason::OutOfBounds { length } => write!(f, "the array has {length} elements"),
            WalkReason::TooFar => f.write_str("it lies beyond 4 GiB"),
        }
    }
}

impl Btf {
    /// Follows a path from a value. A field is looked for behind as many pointers as there are before its structure.
    ///
    /// # Errors
    /// The first element of the path that cannot be reached, and why.
    pub fn walk(&self, root: Root<'_>, path: &[Element]) -> Result<Walk, WalkError> {
        let no_root = WalkError { element: None, reason: WalkReason::NoRoot };
        let (kind, is_address) = self.root(root).ok_or(no_root)?;
        let mut walker = Walker { btf: self, kind, is_address, steps: vec![] };
        for (index, element) in path.iter().enumerate() {
            let step = match element {
                Element::Field(name) => walker.field(name),
                Element::Index(number) => walker.element(*number),
            };
            step.map_err(|reason| WalkError { element: Some(index), reason })?;
        }
        Ok(walker.finish())
    }

    /// The names of all structures and unions.
    pub fn structures(&self) -> impl Iterator<Item = &str> {
        self.types()
            .filter(|(_, found)| matches!(found.kind, Kind::Struct | Kind::Union) && found.count > 0)
            .map(|(_, found)| self.string(found.name))
    }

    /// The type of what a walk starts from, and whether that is an address where such a thing is, or the thing itself.
    fn root(&self, root: Root<'_>) -> Option<(u32, bool)> {
        match root {
            Root::Parameter(function, index) => Some((self.parameter_type(function, index)?, false)),
            Root::Tracepoint(event, index) => Some((self.tracepoint_argument_type(event, index)?, false)),
            Root::Pointer(structure) => {
                let preferred = self.structure_id_from(self.preferred, structure);
                Some((preferred.or_else(|| self.structure_id(structure))?, true))
            }
        }
    }

    /// The fields of a structure, and of anonymous ones in it.
    fn field_names(&self, id: u32, depth: u32, names: &mut Vec<String>) {
        let found = self.skip_qualifiers(id).and_then(|id| self.type_by_id(id));
        let Some(structure) = found.filter(|found| depth < 8 && found.kind.is_structure()) else { return };
        for index in 0..structure.count {
            let member = |at| read_u32(structure.trailing, index * 12 + at);
            match member(0).map(|name| self.string(name)).zip(member(4)) {
                Some(("", inner)) => self.field_names(inner, depth + 1, names),
                Some((name, _)) => names.push(name.into()),
                None => {}
            }
        }
    }
}

/// A walk under way.
struct Walker<'b> {
    btf: &'b Btf,
    /// What has been reached.
    kind: u32,
    /// It lies in memory, at the address that the steps lead to; otherwise they lead to the value itself.
    is_address: bool,
    steps: Vec<Step>,
}

impl Walker<'_> {
    fn field(&mut self, name: &str) -> Result<(), WalkReason> {
        for _ in 0..MAX_POINTERS {
            if !self.dereference() {
                break;
            }
        }
        let names = || {
            let mut names = vec![];
            self.btf.field_names(self.kind, 0, &mut names);
            names
        };
        let Some(Member { offset, kind, width }) = self.btf.find_member(self.kind, name, 0) else {
            let structure = self.name();
            return Err(match self.kind().filter(|kind| kind.is_structure() && self.is_address) {
                None => WalkReason::NotAStructure { kind: structure },
                Some(_) => WalkReason::NoField { structure, fields: names() },
            });
        };
        if !self.is_address {
            return Err(WalkReason::NotAStructure { kind: self.name() });
        }
        self.go(offset / 8, kind);
        if width > 0 {
            let (bits, size) = (Bits { first: offset % 8, count: width }, (offset % 8 + width).div_ceil(8));
            let TypeKind::Int { signed, .. } = self.btf.type_kind(kind) else {
                return Err(WalkReason::BitField);
            };
            if size > 8 {
                return Err(WalkReason::BitField);
            }
            self.load(Load { size, signed, bits: Some(bits) });
            self.is_address = false;
        }
        Ok(())
    }

    fn element(&mut self, index: u32) -> Result<(), WalkReason> {
        let array = self.btf.skip_qualifiers(self.kind).and_then(|id| self.btf.type_by_id(id));
        let array = array.filter(|found| found.kind == Kind::Array && self.is_address);
        let (element, length) = match array {
            Some(array) => {
                let part = |at| read_u32(array.trailing, at).unwrap_or(0);
                (part(0), part(8))
            }
            None if self.dereference() || self.steps.is_empty() && self.is_address => (self.kind, 0),
            None => return Err(WalkReason::NotAnArray { kind: self.name() }),
        };
        // Arrays whose length is not part of their type have none here.
        if length != 0 && index >= length {
            return Err(WalkReason::OutOfBounds { length });
        }
        let size = self.btf.size_of(element, 0).filter(|&size| size > 0);
        let size = size.ok_or_else(|| WalkReason::NotAnArray { kind: self.name() })?;
        let offset = index.checked_mul(size).ok_or(WalkReason::TooFar)?;
        self.go(offset, element);
        Ok(())
    }

    fn go(&mut self, offset: u32, kind: u32) {
        self.steps.push(Step { offset, load: None });
        self.kind = kind;
    }

    /// Goes on to what a pointer points to; false if there is no pointer.
    fn dereference(&mut self) -> bool {
        let found = self.btf.skip_qualifiers(self.kind).and_then(|id| self.btf.type_by_id(id));
        let Some(pointer) = found.filter(|found| found.kind == Kind::Pointer) else { return false };
        if self.is_address {
            self.load(POINTER);
        }
        (self.kind, self.is_address) = (pointer.size_or_type, true);
        true
    }

    /// Reads what lies where the steps lead.
    fn load(&mut self, load: Load) {
        match self.steps.last_mut().filter(|step| step.load.is_none()) {
            Some(last) => last.load = Some(load),
            None => self.steps.push(Step { offset: 0, load: Some(load) }),
        }
    }

    fn finish(mut self) -> Walk {
        let kind = self.btf.type_kind(self.kind);
        match kind {
            // A bit field has been read.
            TypeKind::Int { .. }
                if self
                    .steps
                    .last()
                    .is_some_and(|step| step.load.is_some_and(|load| load.bits.is_some())) => {}
            TypeKind::Int { size, signed } => self.load(Load { size, signed, bits: None }),
            TypeKind::Pointer { .. } => self.load(POINTER),
            TypeKind::Array { .. } | TypeKind::Other(_) => {}
        }
        Walk { steps: self.steps, kind }
    }

    fn kind(&self) -> Option<Kind> {
        Some(self.btf.type_by_id(self.btf.skip_qualifiers(self.kind)?)?.kind)
    }

    fn name(&self) -> String {
        self.btf.type_name(self.kind, 0)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::resolve::tests::Builder;

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
}
