//! Turns a hook plan into the read-only data and map contents of a hook program.

use std::hash::{BuildHasher, RandomState};
use std::ops;

use serin_abi::config::{
    ArgumentConfig, Assignment, COMPAT_SYSCALL, FIELD_ADDRESS, FIELD_BITS, FIELD_FIRST_BIT, FIELD_SIGNED,
    FUNCTION, FieldConfig, Filters, HookConfig, MAX_OPERANDS, ORIGIN_PARAMETER, ORIGIN_REGISTER, ORIGIN_TASK,
    PROGRAM, RATE_UNLIMITED, READ_TEXT, READ_VALUE, SYSCALL, Selector, USDT,
};
use serin_abi::{MAX_ARGUMENTS, MAX_FIELDS, MAX_FILTERS, MAX_SELECTORS, Member, Range};
use serin_btf::{Format, Step, TypeKind};
use serin_policy::{ArgumentKind, ArgumentSource, HookPlan, Target};

mod actions;
mod assignments;
mod expressions;
mod filters;
mod reading;
#[cfg(test)]
mod tests;
mod types;

use actions::socket_action;
pub(crate) use actions::{follows, notification, overrides, tracks};
use filters::only_ip;
pub(crate) use reading::{leads_to_memory, may_be_late};
use reading::{reading, size};
pub(crate) use types::{OfTarget, Types};

use crate::binaries::Binaries;
use crate::record;
use crate::scopes::Scopes;
use crate::structures;
use crate::wire::zeroed;

/// What one instance of the hook program is given.
#[derive(Clone)]
pub(crate) struct Lowered {
    pub(crate) config: HookConfig,
    /// The values of sets; for those of texts, their places among `texts`.
    pub(crate) members: Vec<(Member, u32)>,
    pub(crate) ranges: Vec<Range>,
    pub(crate) texts: Vec<Vec<u8>>,
    /// What `Override` sets in a program.
    assignments: Vec<Assignment>,
    /// Used entries of [`HookConfig::operations`].
    operations: usize,
}

/// Lowers a hook, with what names its filters on binaries and its scopes, with the format of its tracepoint's record, if it
/// is on one, and with the types of this kernel; the way of overriding and its place on the dispatcher are set later.
///
/// # Errors
/// Says which limit of the hook program the plan exceeds.
pub(crate) fn lower(
    plan: &HookPlan,
    hook: u32,
    named: (&Binaries, &Scopes),
    format: Option<&Format>,
    types: &impl Types,
) -> Result<Lowered, String> {
    let mut lowered = Lowered {
        config: zeroed(),
        members: Vec::new(),
        ranges: Vec::new(),
        texts: Vec::new(),
        assignments: Vec::new(),
        operations: 0,
    };
    lowered.config.hook = hook;
    lowered.config.seed = RandomState::new().hash_one(hook);
    lowered.config.source = match plan.target {
        Target::Syscall { .. } => SYSCALL,
        Target::CompatSyscall { .. } => COMPAT_SYSCALL,
        Target::Uprobe(_) => PROGRAM,
        Target::Usdt(_) => USDT,
        _ => FUNCTION,
    };
    lowered.arguments(plan, format, types)?;
    (lowered.config.returned.kind, lowered.config.returned.read) =
        plan.returns.as_ref().map_or((0, 0), |returned| reading(returned.kind));
    let copied = plan.arguments.iter().position(|argument| argument.kind == ArgumentKind::ReturnedBytes);
    lowered.config.copied = copied.map_or(0, |slot| slot as u32 + 1);
    lowered.config.return_action = plan.return_action.map_or(0, socket_action);
    let returned = lowered.config.returned.kind;
    limit("selectors", plan.selectors.len(), MAX_SELECTORS)?;
    lowered.config.selector_count = plan.selectors.len() as u32;
    let mut filters = Vec::new();
    for (index, selector) in plan.selectors.iter().enumerate() {
        let first_filter = filters.len() as u32;
        lowered.filters(selector, named, &mut filters)?;
        let filter_count = filters.len() as u32 - first_filter;
        let assignments = lowered.assignments(plan, selector, types)?;
        lowered.config.selectors[index] =
            Selector { first_filter, filter_count, assignments, ..actions::selector(selector) };
        let first = filters.len() as u32;
        for filter in &selector.returned {
            filters.extend(only_ip(filter));
            filters.push(lowered.argument(filter, returned)?);
        }
        lowered.config.return_filters[index] = Filters { first, count: filters.len() as u32 - first };
        lowered.config.return_actions[index] = actions::on_return(selector);
        lowered.config.acts_on_return |= u32::from(!selector.return_actions.is_empty());
    }
    lowered.config.late = u32::from(may_be_late(plan));
    lowered.config.hashed = actions::hashed(plan);
    lowered.config.stacks =
        plan.selectors.iter().map(|selector| actions::stack_bits(selector.stacks)).fold(0, ops::BitOr::bitor);
    limit("filters", filters.len(), MAX_FILTERS)?;
    lowered.config.filters[..filters.len()].copy_from_slice(&filters);
    Ok(lowered)
}

/// Equal events that a hook with a `rateLimit` remembers.
const RATES: usize = 32_768;

impl Lowered {
    /// Entries of the map of equal events.
    pub(crate) fn rates(&self) -> usize {
        let limited = self.config.selectors.iter().any(|selector| selector.rate_scope != RATE_UNLIMITED);
        if limited { RATES } else { 0 }
    }

    fn arguments(
        &mut self,
        plan: &HookPlan,
        format: Option<&Format>,
        types: &impl Types,
    ) -> Result<(), String> {
        limit("arguments", plan.arguments.len(), MAX_ARGUMENTS)?;
        self.config.argument_count = plan.arguments.len() as u32;
        let last = if matches!(plan.target, Target::Usdt(_)) { MAX_OPERANDS } else { MAX_ARGUMENTS } - 1;
        let mut fields = Vec::new();
        for (config, argument) in self.config.arguments.iter_mut().zip(&plan.arguments) {
            let (kind, read) = reading(argument.kind);
            let first_field = fields.len() as u32;
            let find = |structure: &str, path: &str| types.field(structure, path);
            fields.extend(structures::fields(argument.kind, find).map_err(|error| error.to_string())?);
            let field_count = fields.len() as u32 - first_field;
            let (mut index, size) = (argument.index.into(), size(argument.kind, plan));
            let (mut origin, mut width) = (ORIGIN_PARAMETER, 0);
            match argument.source {
                ArgumentSource::Parameter => {}
                ArgumentSource::CurrentTask => origin = ORIGIN_TASK,
                ArgumentSource::Register(register) => {
                    let field = types.field("pt_regs", register.field).map_err(|error| error.to_string())?;
                    (origin, index, width) = (ORIGIN_REGISTER, field.offset, register.size.into());
                }
            }
            let first_step = fields.len() as u32;
            let walk = types.walk(plan, argument)?;
            fields.extend(walk.iter().flat_map(|walk| &walk.steps).map(step));
            let step_count = fields.len() as u32 - first_step;
            *config = ArgumentConfig {
                index,
                kind,
                read,
                first_field,
                field_count,
                size,
                first_step,
                step_count,
                origin,
                width,
            };
            if let (Some(TypeKind::Array { size, .. }), READ_VALUE, ArgumentKind::String) =
                (walk.map(|walk| walk.kind), read, argument.kind)
            {
                (config.read, config.size) = (READ_TEXT, size);
            }
            match format {
                Some(format) => record::place(config, argument, format)?,
                None => limit("argument index", argument.index.into(), last)?,
            }
        }
        limit("fields of structures", fields.len(), MAX_FIELDS)?;
        self.config.fields[..fields.len()].copy_from_slice(&fields);
        Ok(())
    }
}

/// A step to an argument, as the programs take it.
fn step(step: &Step) -> FieldConfig {
    let size = step.load.map_or(FIELD_ADDRESS, |load| {
        let bits = load.bits.map_or(0, |bits| bits.first << FIELD_FIRST_BIT | bits.count << FIELD_BITS);
        load.size | (FIELD_SIGNED * u32::from(load.signed)) | bits
    });
    FieldConfig { offset: step.offset, size }
}

fn limit(what: &str, value: usize, max: usize) -> Result<(), String> {
    if value > max {
        return Err(format!("{value} {what}, where a hook can have at most {max}"));
    }
    Ok(())
}
