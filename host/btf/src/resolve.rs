//! Questions about types: where a field lies, what a function takes.

use std::sync::PoisonError;

use crate::parse::{Kind, Type, read_u32};
use crate::{Btf, BtfError};

/// How deep anonymous members and typedefs may nest: far more than any kernel has.
const MAX_DEPTH: u32 = 32;

/// What the names of types that belong to raw tracepoints start with.
const TRACEPOINT_PREFIX: &str = "btf_trace_";

/// A field of a struct.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field {
    /// Bytes from the start of the outermost struct.
    pub offset: u32,
    /// Size in bytes.
    pub size: u32,
}

/// A function's signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Function {
    /// The parameters in order.
    pub parameters: Vec<Parameter>,
    /// The type it returns.
    pub returns: TypeKind,
}

/// A function's parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameter {
    /// Its name; empty if the kernel's BTF has none.
    pub name: String,
    /// Its type.
    pub kind: TypeKind,
}

/// A type, as far as argument types need to know it; qualifiers and typedefs are seen through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TypeKind {
    /// An integer, enum or boolean.
    Int {
        /// Size in bytes.
        size: u32,
        /// Whether it is signed.
        signed: bool,
    },
    /// A pointer.
    Pointer {
        /// What it points to, without qualifiers: `struct file`, `char`, `void`, or `…` for anything unnamed.
        target: String,
    },
    /// An array.
    Array {
        /// The type of an element, as that of a target.
        element: String,
        /// Size in bytes of them all; 0 if the type does not tell.
        size: u32,
    },
    /// Anything else, e.g. `struct path` by value.
    Other(String),
}

/// A member of a structure.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Member {
    /// From the structure's start, in bits.
    pub(crate) offset: u32,
    /// The id of its type.
    pub(crate) kind: u32,
    /// How many bits it has, if it is a bit field; else 0.
    pub(crate) width: u32,
}

impl Btf {
    /// Finds a field by its dotted path, through nested structs and anonymous members.
    ///
    /// # Errors
    /// [`BtfError::NoField`] if this kernel has no such struct or field, or it is a bit field.
    pub fn field(&self, structure: &str, path: &str) -> Result<Field, BtfError> {
        self.find_field(structure, path)
            .ok_or_else(|| BtfError::NoField { structure: structure.into(), path: path.into() })
    }

    /// The value of an enum's word, e.g. of `SKB_EXT_SEC_PATH` in `enum skb_ext_id`; `None` if it has no such word.
    #[must_use]
    pub fn enumerator(&self, enumeration: &str, word: &str) -> Option<i64> {
        let is_wanted = |found: &Type<'_>| {
            matches!(found.kind, Kind::Enum | Kind::Enum64) && self.is_named(found.name, enumeration)
        };
        let (_, found) = self.types().find(|(_, found)| is_wanted(found))?;
        let size = found.trailing.len().checked_div(found.count)?;
        let at = (0..found.count)
            .map(|index| index * size)
            .find(|&at| read_u32(found.trailing, at).is_some_and(|name| self.is_named(name, word)))?;
        let low = read_u32(found.trailing, at + 4)?;
        match found.kind {
            Kind::Enum64 => {
                Some((u64::from(read_u32(found.trailing, at + 8)?) << 32 | u64::from(low)) as i64)
            }
            _ if found.kind_flag => Some((low as i32).into()),
            _ => Some(low.into()),
        }
    }

    /// The id of a kernel function's type, by which programs are attached to it, if BTF knows the function.
    #[must_use]
    pub fn function_id(&self, name: &str) -> Option<u32> {
        Some(self.function_type(name)?.0)
    }

    /// The signature of a kernel function, if BTF knows it.
    #[must_use]
    pub fn function(&self, name: &str) -> Option<Function> {
        let (_, function) = self.function_type(name)?;
        self.signature(function.size_or_type)
    }

    /// What a raw tracepoint gives, if BTF knows it: the type of its programs is `btf_trace_NAME`.
    #[must_use]
    pub fn tracepoint(&self, name: &str) -> Option<Function> {
        let mut function = self.signature(self.tracepoint_prototype(name)?)?;
        // The first parameter is data of who attaches, which programs do not see.
        (!function.parameters.is_empty()).then(|| {
            function.parameters.remove(0);
            function
        })
    }

    fn tracepoint_prototype(&self, name: &str) -> Option<u32> {
        let is_wanted = |found: &Type<'_>| {
            found.kind == Kind::Typedef
                && self.string(found.name).strip_prefix(TRACEPOINT_PREFIX) == Some(name)
        };
        let (_, found) = self.types().find(|(_, found)| is_wanted(found))?;
        let pointer = self.type_by_id(self.skip_qualifiers(found.size_or_type)?)?;
        (pointer.kind == Kind::Pointer).then_some(pointer.size_or_type)
    }

    /// The type of a function's parameter.
    pub(crate) fn parameter_type(&self, function: &str, index: usize) -> Option<u32> {
        let (_, function) = self.function_type(function)?;
        self.prototype_parameter(function.size_or_type, index)
    }

    /// The type of what a raw tracepoint gives in this place.
    pub(crate) fn tracepoint_argument_type(&self, name: &str, index: usize) -> Option<u32> {
        self.prototype_parameter(self.tracepoint_prototype(name)?, index + 1)
    }

    fn prototype_parameter(&self, prototype: u32, index: usize) -> Option<u32> {
        let prototype = self.type_by_id(prototype).filter(|found| found.kind == Kind::Prototype)?;
        read_u32(prototype.trailing, index * 8 + 4)
    }

    /// The names of all raw tracepoints that BTF knows.
    pub fn tracepoints(&self) -> impl Iterator<Item = &str> {
        self.types()
            .filter(|(_, found)| found.kind == Kind::Typedef)
            .filter_map(|(_, found)| self.string(found.name).strip_prefix(TRACEPOINT_PREFIX))
    }

    fn signature(&self, prototype: u32) -> Option<Function> {
        let prototype = self.type_by_id(prototype).filter(|found| found.kind == Kind::Prototype)?;
        let parameters = (0..prototype.count)
            .map(|index| {
                let name = read_u32(prototype.trailing, index * 8)?;
                let kind = self.type_kind(read_u32(prototype.trailing, index * 8 + 4)?);
                Some(Parameter { name: self.string(name).into(), kind })
            })
            .collect::<Option<Vec<_>>>()?;
        Some(Function { parameters, returns: self.type_kind(prototype.size_or_type) })
    }

    /// The names of all functions that BTF knows.
    pub fn functions(&self) -> impl Iterator<Item = &str> {
        self.types()
            .filter(|(_, found)| found.kind == Kind::Function)
            .map(|(_, found)| self.string(found.name))
    }

    fn function_type(&self, name: &str) -> Option<(u32, Type<'_>)> {
        let mut functions = self.functions.lock().unwrap_or_else(PoisonError::into_inner);
        let id = *functions.entry(name.into()).or_insert_with(|| {
            let mut functions = self.types().filter(|(_, found)| found.kind == Kind::Function);
            Some(functions.find(|(_, found)| self.is_named(found.name, name))?.0)
        });
        Some((id?, self.type_by_id(id?)?))
    }

    /// The structure or union of this name.
    pub(crate) fn structure_id(&self, name: &str) -> Option<u32> {
        self.structure_id_from(1, name)
    }

    /// The same, among the types from this id on.
    pub(crate) fn structure_id_from(&self, first: u32, name: &str) -> Option<u32> {
        let is_wanted = |found: &Type<'_>| {
            found.kind.is_structure() && found.count > 0 && self.is_named(found.name, name)
        };
        Some(self.types().find(|(id, found)| *id >= first && is_wanted(found))?.0)
    }

    fn find_field(&self, structure: &str, path: &str) -> Option<Field> {
        let mut id = self.structure_id(structure)?;
        let mut offset = 0_u32;
        for name in path.split('.') {
            // A bit field has no bytes of its own.
            let Member { offset: bits, kind: member, .. } =
                self.find_member(id, name, 0).filter(|member| member.width == 0)?;
            offset = offset.checked_add(bits)?;
            id = member;
        }
        let size = self.size_of(id, 0)?;
        offset.is_multiple_of(8).then_some(Field { offset: offset / 8, size })
    }

    /// A member, looked for in anonymous members as well.
    pub(crate) fn find_member(&self, id: u32, name: &str, depth: u32) -> Option<Member> {
        let structure = self.type_by_id(self.skip_qualifiers(id)?)?;
        if !structure.kind.is_structure() || depth > MAX_DEPTH {
            return None;
        }
        for index in 0..structure.count {
            let member = |at| read_u32(structure.trailing, index * 12 + at);
            let (member_name, member_type, raw) = (member(0)?, member(4)?, member(8)?);
            // With kind_flag the upper byte is a bit field's width.
            let (offset, width) = if structure.kind_flag { (raw & 0xff_ffff, raw >> 24) } else { (raw, 0) };
            if self.is_named(member_name, name) {
                return Some(Member { offset, kind: member_type, width });
            }
            if self.string(member_name).is_empty()
                && let Some(inner) = self.find_member(member_type, name, depth + 1)
            {
                return Some(Member { offset: offset.checked_add(inner.offset)?, ..inner });
            }
        }
        None
    }

    /// The type behind typedefs, const, volatile and their like.
    pub(crate) fn skip_qualifiers(&self, mut id: u32) -> Option<u32> {
        for _ in 0..MAX_DEPTH {
            let found = self.type_by_id(id)?;
            match found.kind {
                Kind::Typedef | Kind::Const | Kind::Volatile | Kind::Restrict | Kind::TypeTag => {
                    id = found.size_or_type;
                }
                _ => return Some(id),
            }
        }
        None
    }

    pub(crate) fn size_of(&self, id: u32, depth: u32) -> Option<u32> {
        let found = self.type_by_id(self.skip_qualifiers(id)?)?;
        match found.kind {
            Kind::Pointer => Some(8),
            Kind::Array if depth < MAX_DEPTH => {
                let element = self.size_of(read_u32(found.trailing, 0)?, depth + 1)?;
                element.checked_mul(read_u32(found.trailing, 8)?)
            }
            Kind::Int | Kind::Struct | Kind::Union | Kind::Enum | Kind::Enum64 | Kind::Float => {
                Some(found.size_or_type)
            }
            _ => None,
        }
    }

    pub(crate) fn type_kind(&self, id: u32) -> TypeKind {
        let other = || TypeKind::Other(self.type_name(id, 0));
        let Some(found) = self.skip_qualifiers(id).and_then(|id| self.type_by_id(id)) else {
            return other();
        };
        match found.kind {
            Kind::Int => {
                let signed = read_u32(found.trailing, 0).is_some_and(|data| data >> 24 & 1 == 1);
                TypeKind::Int { size: found.size_or_type, signed }
            }
            Kind::Enum | Kind::Enum64 => TypeKind::Int { size: found.size_or_type, signed: found.kind_flag },
            Kind::Pointer => TypeKind::Pointer { target: self.type_name(found.size_or_type, 0) },
            Kind::Array => TypeKind::Array {
                element: self.type_name(read_u32(found.trailing, 0).unwrap_or(0), 0),
                size: self.size_of(id, 0).unwrap_or(0),
            },
            _ => other(),
        }
    }

    pub(crate) fn type_name(&self, id: u32, depth: u32) -> String {
        let Some(found) = self.skip_qualifiers(id).and_then(|id| self.type_by_id(id)) else {
            return "…".into();
        };
        let name = if found.name == 0 { "…" } else { self.string(found.name) };
        match found.kind {
            Kind::Void => "void".into(),
            Kind::Struct => format!("struct {name}"),
            Kind::Union => format!("union {name}"),
            Kind::Forward if found.kind_flag => format!("union {name}"),
            Kind::Forward => format!("struct {name}"),
            Kind::Enum | Kind::Enum64 => format!("enum {name}"),
            Kind::Pointer if depth < MAX_DEPTH => {
                format!("{} *", self.type_name(found.size_or_type, depth + 1))
            }
            Kind::Pointer => "…".into(),
            _ => name.into(),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    /// Builds BTF by hand: types are appended raw, strings are interned.
    #[derive(Default)]
    pub(crate) struct Builder {
        types: Vec<u8>,
        strings: Vec<u8>,
    }

    impl Builder {
        pub(crate) fn name(&mut self, name: &str) -> u32 {
            if self.strings.is_empty() {
                self.strings.push(0);
            }
            if name.is_empty() {
                return 0;
            }
            let at = self.strings.len() as u32;
            self.strings.extend(name.as_bytes());
            self.strings.push(0);
            at
        }

        pub(crate) fn add(&mut self, name: &str, kind: u32, count: u32, size_or_type: u32, trailing: &[u32]) {
            let name = self.name(name);
            for word in [name, kind << 24 | count, size_or_type].iter().chain(trailing) {
                self.types.extend(word.to_le_bytes());
            }
        }

        pub(crate) fn build(self, header: u32) -> Vec<u8> {
            let (types, strings) = (self.types.len() as u32, self.strings.len() as u32);
            let mut data = 0xeb9f_u16.to_le_bytes().to_vec();
            data.extend([1, 0]);
            for word in [header, 0, types, types, strings] {
                data.extend(word.to_le_bytes());
            }
            data.resize(header as usize, 0);
            data.extend(self.types);
            data.extend(self.strings);
            data
        }
    }

    /// 1 int, 2 struct inner {int a; int b}, 3 union {inner; int c}, 4 struct outer {int x; union; }, 5 ptr, 6 proto, 7 func
    fn sample(header: u32) -> Btf {
        let mut builder = Builder::default();
        builder.add("int", 1, 0, 4, &[1 << 24 | 32]);
        let (a, b, c, x) = (builder.name("a"), builder.name("b"), builder.name("c"), builder.name("x"));
        builder.add("inner", 4, 2, 8, &[a, 1, 0, b, 1, 32]);
        builder.add("", 5, 2, 8, &[0, 2, 0, c, 1, 0]);
        builder.add("outer", 4, 2, 12, &[x, 1, 0, 0, 3, 32]);
        builder.add("", 2, 0, 4, &[]);
        let p = builder.name("p");
        builder.add("", 13, 1, 1, &[p, 5]);
        builder.add("do_it", 12, 0, 6, &[]);
        Btf::parse(builder.build(header)).unwrap()
    }

    #[test]
    fn fields_are_found_through_anonymous_members() {
        for header in [24, 32] {
            let btf = sample(header);
            for (path, offset) in [("x", 0), ("a", 4), ("b", 8), ("c", 4)] {
                assert_eq!(btf.field("outer", path).unwrap(), Field { offset, size: 4 }, "{path}");
            }
            let error = btf.field("outer", "nothing").unwrap_err().to_string();
            assert_eq!(error, "this kernel's BTF has no field outer.nothing");
        }
    }

    #[test]
    fn functions_have_signatures() {
        let btf = sample(24);
        let function = btf.function("do_it").unwrap();
        assert_eq!(function.parameters[0].name, "p");
        assert_eq!(function.parameters[0].kind, TypeKind::Pointer { target: "struct outer".into() });
        assert_eq!(function.returns, TypeKind::Int { size: 4, signed: true });
        assert_eq!(btf.functions().collect::<Vec<_>>(), ["do_it"]);
        assert_eq!(btf.function("do_it"), Some(function), "asked again");
        assert_eq!([btf.function("do"), btf.function("do")], [None, None]);
    }

    #[test]
    fn cut_off_or_altered_bytes_never_panic() {
        let mut builder = Builder::default();
        builder.add("int", 1, 0, 4, &[1 << 24 | 32]);
        let a = builder.name("a");
        builder.add("s", 4, 1, 4, &[a, 2, 0]);
        let whole = builder.build(24);
        for end in 0..whole.len() {
            assert!(Btf::parse(whole[..end].to_vec()).is_err(), "{end} of {} bytes", whole.len());
        }
        for at in 0..whole.len() {
            for byte in [0, 1, 0x7f, 0xff] {
                let mut altered = whole.clone();
                altered[at] = byte;
                if let Ok(btf) = Btf::parse(altered) {
                    drop((btf.field("s", "a.a"), btf.function("s"), btf.functions().count()));
                }
            }
        }
    }

    #[test]
    fn the_running_kernel_is_understood() {
        let Ok(btf) = Btf::load(crate::KERNEL_BTF.as_ref()) else {
            eprintln!("skipped: this kernel shows no BTF");
            return;
        };
        assert_eq!(btf.field("task_struct", "tgid").unwrap().size, 4);
        assert_eq!(btf.field("file", "f_path.dentry").unwrap().size, 8);
        assert_eq!(btf.field("dentry", "d_name.name").unwrap().size, 8);
        assert_eq!(btf.enumerator("bpf_cmd", "BPF_PROG_LOAD"), Some(5));
        assert_eq!(btf.enumerator("bpf_cmd", "BPF_NOTHING"), None);
        let exec = btf.tracepoint("sched_process_exec").unwrap();
        assert_eq!(exec.parameters[2].kind, TypeKind::Pointer { target: "struct linux_binprm".into() });
        assert!(btf.tracepoints().any(|name| name == "sched_process_exec"));
        assert_eq!(btf.tracepoint("sched_process"), None);
        let fd_install = btf.function("fd_install").unwrap();
        assert_eq!(fd_install.parameters[1].kind, TypeKind::Pointer { target: "struct file".into() });
    }
}
