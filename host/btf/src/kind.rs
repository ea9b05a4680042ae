//! What a type is.

use crate::Btf;
use crate::parse::{Kind, Type, read_u32};

/// How deep anonymous members and typedefs may nest: far more than any kernel has.
pub(crate) const MAX_DEPTH: u32 = 32;

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

impl Btf {
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
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

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
