//! Registers by their names, and what an `Override` sets them to.

use crate::diagnostic::quote;
use crate::report::Report;
use crate::scalar::parse_integer;
use crate::source::Span;
use crate::suggest::nearest;
use crate::{AssignedValue, Assignment, Register};

/// Fields of `struct pt_regs`, and what their registers and the lower parts of 4, 2 and 1 bytes are called.
const REGISTERS: [(&str, [&str; 4]); 17] = [
    ("ip", ["rip", "eip", "", ""]),
    ("ax", ["rax", "eax", "ax", "al"]),
    ("bx", ["rbx", "ebx", "bx", "bl"]),
    ("cx", ["rcx", "ecx", "cx", "cl"]),
    ("dx", ["rdx", "edx", "dx", "dl"]),
    ("si", ["rsi", "esi", "si", "sil"]),
    ("di", ["rdi", "edi", "di", "dil"]),
    ("bp", ["rbp", "ebp", "bp", "bpl"]),
    ("sp", ["rsp", "esp", "sp", "spl"]),
    ("r8", ["r8", "r8d", "r8w", "r8b"]),
    ("r9", ["r9", "r9d", "r9w", "r9b"]),
    ("r10", ["r10", "r10d", "r10w", "r10b"]),
    ("r11", ["r11", "r11d", "r11w", "r11b"]),
    ("r12", ["r12", "r12d", "r12w", "r12b"]),
    ("r13", ["r13", "r13d", "r13w", "r13b"]),
    ("r14", ["r14", "r14d", "r14w", "r14b"]),
    ("r15", ["r15", "r15d", "r15w", "r15b"]),
];

/// The register, or part of one, with this name.
pub(crate) fn read(name: &str, span: Span, report: &mut Report<'_>) -> Option<Register> {
    let found = find(name);
    if found.is_none() {
        let message = format!("{} is not a register", quote(name));
        let names = parts().map(|(name, _)| name).filter(|name| !name.is_empty());
        let help = nearest(name, names).map_or_else(
            || "write `rax`, `edi`, `r8` or the like".into(),
            |near| format!("did you mean `{near}`?"),
        );
        report.error_with_help(span, message, help);
    }
    found
}

fn find(name: &str) -> Option<Register> {
    parts().find(|(known, _)| *known == name && !name.is_empty()).map(|(_, register)| register)
}

fn parts() -> impl Iterator<Item = (&'static str, Register)> {
    let of = |(field, names): &(&'static str, [&'static str; 4])| {
        let field = *field;
        names
            .iter()
            .zip([8, 4, 2, 1])
            .map(move |(name, size)| (*name, Register { field, size }))
            .collect::<Vec<_>>()
    };
    REGISTERS.iter().flat_map(of)
}

/// An assignment as `argRegs` has it: `rax=11`, `rbp=%rsp`, `rsp=8%rsp`, `rbp=(%rsp)`, `rip=8(%rsp)`.
///
/// <https://github.com/cilium/tetragon/blob/main/pkg/asm/assignment_linux.go>
pub(crate) fn read_assignment(text: &str, span: Span, report: &mut Report<'_>) -> Option<Assignment> {
    let Some((to, from)) = text.split_once('=').filter(|(_, from)| !from.contains('=')) else {
        return refuse(text, span, report);
    };
    let register = read(to.trim(), span, report)?;
    let source_of = source(from.trim()).filter(|(register, ..)| !register.is_empty());
    let Some((register_name, offset, is_memory)) = source_of else {
        let value = number(from.trim()).map(AssignedValue::Constant);
        return value
            .map_or_else(|| refuse(text, span, report), |value| Some(Assignment { register, value }));
    };
    let Some(offset) = (if offset.is_empty() { Some(0) } else { number(offset) }) else {
        return refuse(text, span, report);
    };
    let source = read(register_name, span, report)?;
    let value = if is_memory { AssignedValue::Memory } else { AssignedValue::Register };
    Some(Assignment { register, value: value(source, offset) })
}

fn refuse<T>(text: &str, span: Span, report: &mut Report<'_>) -> Option<T> {
    let help = "write `rax=11`, `rdi=%rsi`, `rsp=8%rsp`, `rbp=(%rsp)` or `rip=8(%rsp)`";
    report.error_with_help(span, format!("{} sets no register", quote(text)), help);
    None
}

/// The register that a value comes from, what is added to it, and whether that is the address of the value; `None` if it is
/// none that comes from a register.
fn source(text: &str) -> Option<(&str, &str, bool)> {
    if let Some((offset, rest)) = text.split_once('(') {
        let register = rest.trim_start().strip_prefix('%')?.strip_suffix(')')?;
        return Some((register.trim_end(), offset.trim_end(), true));
    }
    let (offset, register) = text.split_once('%')?;
    Some((register, offset.trim_end(), false))
}

/// A whole number that 64 bits hold, with a sign or without.
fn number(text: &str) -> Option<u64> {
    let number = parse_integer(text)?;
    i64::try_from(number).ok().map(|number| number as u64).or_else(|| u64::try_from(number).ok())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::path::Path;

    use super::*;
    use crate::source::Source;

    fn assignment(text: &str) -> Result<Assignment, usize> {
        let source = Source::new(Path::new("p.yaml"), "");
        let mut report = Report::new(&source, crate::TargetKernel::Running);
        let read = read_assignment(text, Span { line: 1, column: 1, length: 1 }, &mut report);
        let errors = report.finish().err().map_or(0, |errors| errors.0.len());
        assert_eq!(read.is_none(), errors > 0, "{text}");
        read.ok_or(errors)
    }

    #[test]
    fn assignments_are_read_as_tetragon_reads_them() {
        let part = |name| find(name).unwrap();
        let constant = |number: i64| AssignedValue::Constant(number as u64);
        for (text, register, value) in [
            ("rax=11", "rax", constant(11)),
            (" eax = -1 ", "eax", constant(-1)),
            ("r8b=0x12", "r8b", constant(0x12)),
            ("rax=0xffffffffffffffff", "rax", constant(-1)),
            ("rax=010", "rax", constant(8)),
            ("rbp=%rsp", "rbp", AssignedValue::Register(part("rsp"), 0)),
            ("rsp=8%rsp", "rsp", AssignedValue::Register(part("rsp"), 8)),
            ("rip=-0x10 %rip", "rip", AssignedValue::Register(part("rip"), -16_i64 as u64)),
            ("rbp=(%rsp)", "rbp", AssignedValue::Memory(part("rsp"), 0)),
            ("rip=8(%rsp)", "rip", AssignedValue::Memory(part("rsp"), 8)),
            ("al=0x20 ( %edi )", "al", AssignedValue::Memory(part("edi"), 32)),
        ] {
            assert_eq!(assignment(text), Ok(Assignment { register: part(register), value }), "{text}");
        }
    }

    #[test]
    fn what_sets_nothing_is_refused() {
        for text in [
            "",
            "rax",
            "rax=",
            "=1",
            "rax=1=2",
            "rxa=1",
            "rax=%",
            "rax=%xmm0",
            "rax=x",
            "rax=8%rsp%",
            "rax=(rsp)",
            "rax=(%rsp",
            "rax=8(%rsp)8",
            "rax=x(%rsp)",
            "rax=1.5",
            "rax=0x10000000000000000",
        ] {
            assert_eq!(assignment(text), Err(1), "{text}");
        }
    }
}
