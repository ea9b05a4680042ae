//! Walks from a value along fields and elements, through the pointers between them.

use std::fmt;

use crate::field::Member;
use crate::parse::{Kind, read_u32};
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
mod tests;
