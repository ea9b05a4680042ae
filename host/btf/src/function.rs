//! What functions take and return.

use std::sync::PoisonError;

use crate::Btf;
use crate::kind::TypeKind;
use crate::parse::{Kind, Type, read_u32};

/// What the names of types that belong to raw tracepoints start with.
const TRACEPOINT_PREFIX: &str = "btf_trace_";

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

impl Btf {
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
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::builder::sample;

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
}
