//! What is asked of types when a hook is lowered.

use serin_btf::{Btf, BtfError, Field, Walk};
use serin_policy::{ArgumentPlan, ArgumentSource, HookPlan, PlaceError, ProgramPlace, Target, Uprobe, Usdt};

use crate::executable::{self, ProgramFile};

/// The types that a hook's arguments have.
pub(crate) trait Types {
    /// A field of one of the kernel's structures, by its dotted path.
    fn field(&self, structure: &str, path: &str) -> Result<Field, BtfError>;

    /// The way to an argument that lies behind a parameter; `None` for others.
    ///
    /// # Errors
    /// Says why there is none.
    fn walk(&self, plan: &HookPlan, argument: &ArgumentPlan) -> Result<Option<Walk>, String>;

    /// How far another place in the hooked program is from the hook, in memory.
    ///
    /// # Errors
    /// Says why it is not known.
    fn distance(&self, target: &Target, place: &ProgramPlace) -> Result<u64, String>;
}

/// Those of this kernel, and of the program that a hook is in.
pub(crate) struct OfTarget<'k> {
    pub(crate) kernel: &'k Btf,
    /// The program's file, if it was opened to be verified.
    pub(crate) program: Option<&'k ProgramFile>,
}

impl Types for OfTarget<'_> {
    fn field(&self, structure: &str, path: &str) -> Result<Field, BtfError> {
        self.kernel.field(structure, path)
    }

    fn walk(&self, plan: &HookPlan, argument: &ArgumentPlan) -> Result<Option<Walk>, String> {
        let walk = match &plan.target {
            Target::Uprobe(Uprobe { types: path, .. }) | Target::Usdt(Usdt { types: path, .. })
                if argument.resolve.is_some() && argument.source == ArgumentSource::Parameter =>
            {
                let path = path.as_ref().ok_or("there is no `btfPath` for `resolve`")?;
                let types = Btf::of_program(path.as_ref()).map_err(|error| format!("`{path}`: {error}"))?;
                plan.walk(argument, &types)
            }
            _ => {
                let types = argument.resolve.as_ref().map(|resolve| resolve.module_types(self.kernel));
                let types = types.transpose().map_err(|error| error.to_string())?.flatten();
                plan.walk(argument, types.as_ref().unwrap_or(self.kernel))
            }
        };
        let Some(walk) = walk else { return Ok(None) };
        match walk {
            Ok(walk) => Ok(Some(walk)),
            // It is left out, as the policy says.
            Err(_) if plan.ignore_not_found && is_missing(&plan.target, self.kernel) => Ok(None),
            Err(error) => {
                Err(format!("`resolve` of argument {} leads nowhere: {}", argument.index, error.reason))
            }
        }
    }

    fn distance(&self, target: &Target, place: &ProgramPlace) -> Result<u64, String> {
        let Target::Uprobe(probe) = target else { return Err("it is in no program".into()) };
        let found = match self.program {
            Some(program) => program.distance(&probe.place, place),
            None => executable::open(probe.path.as_ref())
                .and_then(|program| program.distance(&probe.place, place)),
        };
        found.map_err(|error| match error {
            PlaceError::Program(reason) | PlaceError::Digests(reason) => {
                format!("`{}`: {reason}", probe.path)
            }
            PlaceError::NotThere(_) => format!("`{}` has no code at `{place}`", probe.path),
        })
    }
}

fn is_missing(target: &Target, kernel: &Btf) -> bool {
    matches!(target, Target::Function(name) if kernel.function_id(name).is_none())
}
