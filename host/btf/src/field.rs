//! Where a field lies.

use crate::kind::MAX_DEPTH;
use crate::parse::Type;
use crate::{Btf, BtfError};

/// A field of a struct.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field {
    /// Bytes from the start of the outermost struct.
    pub offset: u32,
    /// Size in bytes.
    pub size: u32,
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
            let (member_name, member) = structure.member(index)?;
            if self.is_named(member_name, name) {
                return Some(member);
            }
            if self.string(member_name).is_empty()
                && let Some(inner) = self.find_member(member.kind, name, depth + 1)
            {
                return Some(Member { offset: member.offset.checked_add(inner.offset)?, ..inner });
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::builder::{Builder, sample};

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
}
