//! What `Override` changes at places in programs.

use serin_abi::config::{
    ASSIGNMENTS_SHIFT, Assignment, MAX_ASSIGNMENTS, OPERAND_CONSTANT, OPERAND_MEMORY, OPERAND_REGISTER,
    REGISTERS,
};
use serin_policy::{ActionPlan, AssignedValue, HookPlan, ProgramOverride, Register, SelectorPlan};

use super::{Lowered, Types, limit};

impl Lowered {
    /// Adds those of a selector; where they are, as [`Selector::assignments`](serin_abi::config::Selector::assignments) says
    /// it.
    pub(super) fn assignments(
        &mut self,
        plan: &HookPlan,
        selector: &SelectorPlan,
        types: &impl Types,
    ) -> Result<u32, String> {
        let changes = selector.actions.iter().find_map(|action| match action {
            ActionPlan::OverrideInProgram(change) => Some(change),
            _ => None,
        });
        let Some(change) = changes else { return Ok(0) };
        let first = self.assignments.len() as u32;
        match change {
            ProgramOverride::Registers(registers) => {
                self.assignments.extend(registers.iter().map(assignment))
            }
            ProgramOverride::Place(place) => {
                let here = Register { field: "ip", size: 8 };
                let value = AssignedValue::Register(here, types.distance(&plan.target, place)?);
                self.assignments.push(assignment(&serin_policy::Assignment { register: here, value }));
            }
        }
        limit("registers that `Override` sets", self.assignments.len(), MAX_ASSIGNMENTS)?;
        Ok(first | (self.assignments.len() as u32 - first) << ASSIGNMENTS_SHIFT)
    }

    /// All of them, as the programs take them.
    pub(crate) fn all_assignments(&self) -> [Assignment; MAX_ASSIGNMENTS] {
        let mut all = [Assignment::default(); MAX_ASSIGNMENTS];
        all.iter_mut().zip(&self.assignments).for_each(|(to, from)| *to = *from);
        all
    }
}

fn assignment(plan: &serin_policy::Assignment) -> Assignment {
    let to = Assignment {
        register: number(plan.register),
        size: plan.register.size.into(),
        ..Assignment::default()
    };
    let from = |kind, source: Register, value| Assignment {
        value,
        kind,
        source: number(source),
        source_size: source.size.into(),
        ..to
    };
    match plan.value {
        AssignedValue::Constant(value) => Assignment { value, kind: OPERAND_CONSTANT, ..to },
        AssignedValue::Register(source, offset) => from(OPERAND_REGISTER, source, offset),
        AssignedValue::Memory(source, offset) => from(OPERAND_MEMORY, source, offset),
    }
}

/// A register's number: 1 and its position in [`REGISTERS`], whose names begin with an `r` that fields lack.
fn number(register: Register) -> u32 {
    let is_meant = |name: &&str| *name == register.field || name.strip_prefix('r') == Some(register.field);
    REGISTERS.iter().position(is_meant).map_or(0, |position| position as u32 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registers_have_the_numbers_that_programs_know_them_by() {
        for (field, name) in [("ax", "rax"), ("ip", "rip"), ("sp", "rsp"), ("r8", "r8"), ("r15", "r15")] {
            let number = number(Register { field, size: 8 });
            assert_eq!(REGISTERS.get(number as usize - 1), Some(&name), "{field}");
        }
    }

    #[test]
    fn sources_are_told_from_numbers() {
        let (register, source) = (Register { field: "ax", size: 4 }, Register { field: "si", size: 2 });
        let to = Assignment { register: 1, size: 4, ..Assignment::default() };
        let from = Assignment { source: 5, source_size: 2, ..to };
        for (value, expected) in [
            (AssignedValue::Constant(7), Assignment { value: 7, kind: OPERAND_CONSTANT, ..to }),
            (AssignedValue::Register(source, 8), Assignment { value: 8, kind: OPERAND_REGISTER, ..from }),
            (AssignedValue::Memory(source, 0), Assignment { value: 0, kind: OPERAND_MEMORY, ..from }),
        ] {
            assert_eq!(assignment(&serin_policy::Assignment { register, value }), expected);
        }
    }
}
