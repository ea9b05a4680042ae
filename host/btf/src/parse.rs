//! The binary form: one pass that finds where each type starts.

use std::ops::Range;
use std::sync::Mutex;

use crate::Btf;
use crate::field::Member;
use crate::module::MODULES;

pub(crate) const MAGIC: u16 = 0xeb9f;
/// Bytes of `struct btf_type`: name_off, info, size or type.
const TYPE_SIZE: usize = 12;

/// `BTF_KIND_*` of include/uapi/linux/btf.h.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Void,
    Int,
    Pointer,
    Array,
    Struct,
    Union,
    Enum,
    Forward,
    Typedef,
    Volatile,
    Const,
    Restrict,
    Function,
    Prototype,
    Variable,
    Section,
    Float,
    DeclarationTag,
    TypeTag,
    Enum64,
}

impl Kind {
    const ALL: [Kind; 20] = [
        Kind::Void,
        Kind::Int,
        Kind::Pointer,
        Kind::Array,
        Kind::Struct,
        Kind::Union,
        Kind::Enum,
        Kind::Forward,
        Kind::Typedef,
        Kind::Volatile,
        Kind::Const,
        Kind::Restrict,
        Kind::Function,
        Kind::Prototype,
        Kind::Variable,
        Kind::Section,
        Kind::Float,
        Kind::DeclarationTag,
        Kind::TypeTag,
        Kind::Enum64,
    ];

    /// Whether it has fields.
    pub(crate) fn is_structure(self) -> bool {
        matches!(self, Kind::Struct | Kind::Union)
    }

    /// Bytes that follow `struct btf_type`.
    fn trailing(self, count: usize) -> usize {
        match self {
            Kind::Int | Kind::Variable | Kind::DeclarationTag => 4,
            Kind::Array => 12,
            Kind::Struct | Kind::Union | Kind::Section | Kind::Enum64 => 12 * count,
            Kind::Enum | Kind::Prototype => 8 * count,
            _ => 0,
        }
    }
}

/// One type, as it stands in the type section.
#[derive(Clone, Copy)]
pub(crate) struct Type<'a> {
    pub(crate) kind: Kind,
    pub(crate) kind_flag: bool,
    pub(crate) name: u32,
    /// Size in bytes or id of the type referred to, by kind.
    pub(crate) size_or_type: u32,
    pub(crate) count: usize,
    pub(crate) trailing: &'a [u8],
}

impl Type<'_> {
    /// A member of a structure, with where its name stands among the strings.
    pub(crate) fn member(&self, index: usize) -> Option<(u32, Member)> {
        let word = |at| read_u32(self.trailing, index * 12 + at);
        let (name, kind, raw) = (word(0)?, word(4)?, word(8)?);
        // With kind_flag the upper byte is a bit field's width.
        let (offset, width) = if self.kind_flag { (raw & 0xff_ffff, raw >> 24) } else { (raw, 0) };
        Some((name, Member { offset, kind, width }))
    }
}

pub(crate) fn read_u32(data: &[u8], at: usize) -> Option<u32> {
    let bytes = data.get(at..at.checked_add(4)?)?;
    Some(u32::from_le_bytes(bytes.try_into().ok()?))
}

impl Btf {
    /// Indexes BTF that has been read already.
    ///
    /// # Errors
    /// Says what is wrong with the bytes.
    pub fn parse(data: Vec<u8>) -> Result<Self, &'static str> {
        let (types, strings) = sections(&data)?;
        let offsets = index(&data, types)?;
        let modules = MODULES.into();
        Ok(Btf { data, offsets, strings, preferred: 1, modules, functions: Mutex::default() })
    }

    /// The type with this id; `None` for ids out of range.
    pub(crate) fn type_by_id(&self, id: u32) -> Option<Type<'_>> {
        if id == 0 {
            let (kind, trailing) = (Kind::Void, &[][..]);
            return Some(Type { kind, kind_flag: false, name: 0, size_or_type: 0, count: 0, trailing });
        }
        read_type(&self.data, *self.offsets.get(id as usize)? as usize)
    }

    /// All types with their ids.
    pub(crate) fn types(&self) -> impl Iterator<Item = (u32, Type<'_>)> {
        (1..self.offsets.len() as u32).filter_map(|id| Some((id, self.type_by_id(id)?)))
    }

    /// The string at this offset of the string section; empty if it is not there or not UTF-8.
    pub(crate) fn string(&self, offset: u32) -> &str {
        let section = &self.data[self.strings.clone()];
        let bytes = section.get(offset as usize..).unwrap_or_default();
        let end = bytes.iter().position(|&byte| byte == 0).unwrap_or(0);
        std::str::from_utf8(&bytes[..end]).unwrap_or_default()
    }

    /// Whether the string at this offset is `name`, without looking for its end.
    pub(crate) fn is_named(&self, offset: u32, name: &str) -> bool {
        let section = &self.data[self.strings.clone()];
        let bytes = section.get(offset as usize..).unwrap_or_default();
        bytes.get(name.len()) == Some(&0) && bytes.starts_with(name.as_bytes())
    }
}

/// The sections of types and of strings.
pub(crate) fn sections(data: &[u8]) -> Result<(Range<usize>, Range<usize>), &'static str> {
    let magic = data.get(..2).ok_or("shorter than a header")?;
    if magic != MAGIC.to_le_bytes() {
        return Err("wrong magic number (or another byte order)");
    }
    // Later kernels append to the header: its own length says where the sections start.
    let field = |at| read_u32(data, at).map(|value| value as usize).ok_or("header cut short");
    let header = field(4)?;
    let section = |offset: usize, length: usize| {
        let start = header.checked_add(offset)?;
        let end = start.checked_add(length)?;
        (end <= data.len()).then_some(start..end)
    };
    let types = section(field(8)?, field(12)?).ok_or("type section reaches beyond the end")?;
    let strings = section(field(16)?, field(20)?).ok_or("string section reaches beyond the end")?;
    Ok((types, strings))
}

fn index(data: &[u8], types: Range<usize>) -> Result<Vec<u32>, &'static str> {
    let mut offsets = vec![0];
    let mut at = types.start;
    while at < types.end {
        let found = read_type(data, at).ok_or("unknown or cut-off type")?;
        offsets.push(u32::try_from(at).map_err(|_| "larger than 4 GiB")?);
        at += TYPE_SIZE + found.trailing.len();
    }
    Ok(offsets)
}

fn read_type(data: &[u8], at: usize) -> Option<Type<'_>> {
    let info = read_u32(data, at + 4)?;
    let kind = *Kind::ALL.get((info >> 24 & 0x1f) as usize)?;
    let count = (info & 0xffff) as usize;
    let start = at + TYPE_SIZE;
    Some(Type {
        kind,
        kind_flag: info >> 31 == 1,
        name: read_u32(data, at)?,
        size_or_type: read_u32(data, at + 8)?,
        count,
        trailing: data.get(start..start + kind.trailing(count))?,
    })
}
