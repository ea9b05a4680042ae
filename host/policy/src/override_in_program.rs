//! Reads `Override` at places in programs.

use crate::fields::{Field, Fields, is_default};
use crate::hook::Context;
use crate::register;
use crate::report::Report;
use crate::selector::read_each;
use crate::uprobe::read_symbol;
use crate::{
    ActionPlan, AssignedValue, Assignment, MAX_ASSIGNMENTS, ProgramOverride, ProgramPlace, Register,
};

/// The ways to say what the program goes on with, of which the action has one.
const WAYS: [&str; 5] = ["argError", "argRegs", "argNewSymbol", "argNewAddr", "argNewOffset"];

/// What an `Override` elsewhere cannot have.
pub(crate) const ONLY_IN_PROGRAMS: [&str; 4] = ["argRegs", "argNewSymbol", "argNewAddr", "argNewOffset"];

/// Reads the parameters of the action.
pub(crate) fn read(
    action: Field<'_>,
    fields: &Fields<'_>,
    context: &Context<'_>,
    report: &mut Report<'_>,
) -> Option<ActionPlan> {
    let waits = context.returns.is_some();
    if waits {
        let message = "a function of a program that `Override` sends elsewhere cannot be waited for: the kernel would write \
                       over the program's stack";
        report.error_with_help(action.span(), message, "leave `return` out");
    }
    // 0 is what a function may well return.
    let is_given = |field: &Field<'_>| field.name == "argError" || !is_default(field.node);
    let ways: Vec<_> = WAYS.into_iter().filter_map(|way| fields.get(way)).filter(is_given).collect();
    let [way] = ways.as_slice() else {
        let message = "`Override` at a place in a program has one of `argError`, `argRegs`, `argNewSymbol`, `argNewAddr` and \
                       `argNewOffset`";
        let span = ways.last().map_or(action.span(), Field::span);
        report.error_with_help(
            span,
            message,
            "write `argError: …` to have the function return that where it begins",
        );
        return None;
    };
    let whole_number = "a whole number";
    let change = match way.name {
        "argError" => way.integer(whole_number, i32::MIN..=i32::MAX, report).map(returning)?,
        "argRegs" => ProgramOverride::Registers(read_assignments(*way, report)?),
        "argNewSymbol" => ProgramOverride::Place(read_symbol(*way, report)?),
        "argNewAddr" => {
            ProgramOverride::Place(ProgramPlace::Address(way.integer(whole_number, 0..=u64::MAX, report)?))
        }
        _ => ProgramOverride::Place(ProgramPlace::Offset(way.integer(whole_number, 0..=u64::MAX, report)?)),
    };
    (!waits).then_some(ActionPlan::OverrideInProgram(change))
}

fn read_assignments(list: Field<'_>, report: &mut Report<'_>) -> Option<Vec<Assignment>> {
    let assignments = read_each(list, report, |item, report| {
        register::read_assignment(item.string(report)?, item.span(), report)
    })?;
    if assignments.len() > MAX_ASSIGNMENTS {
        let message = format!("`argRegs` has more than {MAX_ASSIGNMENTS} registers");
        report.error(list.span(), message);
        return None;
    }
    Some(assignments)
}

/// Has a function return a number where it begins, and its return address is the top of the stack. What can fail comes
/// first: then the registers are as they were.
fn returning(value: i32) -> ProgramOverride {
    let register = |field| Register { field, size: 8 };
    let assign = |field, value| Assignment { register: register(field), value };
    let stack = register("sp");
    ProgramOverride::Registers(vec![
        assign("ip", AssignedValue::Memory(stack, 0)),
        assign("sp", AssignedValue::Register(stack, 8)),
        assign("ax", AssignedValue::Constant(i64::from(value) as u64)),
    ])
}
