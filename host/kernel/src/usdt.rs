//! USDT probes: what the notes in an executable's file say of where they are and how they pass their arguments.
//!
//! <https://sourceware.org/systemtap/wiki/UserSpaceProbeImplementation>

use std::path::Path;

use object::{Architecture, Object as _, ObjectSection as _, ObjectSymbol as _};
use serin_abi::config::{
    MAX_OPERANDS, OPERAND_CONSTANT, OPERAND_MEMORY, OPERAND_REGISTER, Operand, REGISTERS,
};
use serin_policy::{PlaceError, ProbeArgument, Usdt};

use crate::executable::{Executable, code_offset, data_offset, open};

/// The section with the notes, their owner and their type.
const NOTES: &str = ".note.stapsdt";
const OWNER: &[u8] = b"stapsdt\0";
const TYPE: u32 = 3;

/// Stands where the notes of the file, as it was linked, say that it stands: by how far it does not, prelink has moved the rest.
const BASE: &str = ".stapsdt.base";

/// A place that a probe has in a file: a function that was inlined several times has as many.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Site {
    /// Where its instruction is in the file.
    pub(crate) offset: u64,
    /// Where in the file the counter is that says whether somebody looks; 0 if it has none.
    pub(crate) counter: u64,
    /// Its arguments, or why they cannot be read.
    pub(crate) arguments: Vec<Result<Operand, String>>,
}

/// What policies are held against: of each place of a probe, how each argument is passed.
///
/// # Errors
/// If the file is no executable, or has no such probe.
pub fn find_probe(probe: &Usdt) -> Result<Vec<Vec<ProbeArgument>>, PlaceError> {
    let argument = |operand: Result<Operand, String>| match operand {
        Err(specification) => ProbeArgument::Unreadable(specification),
        Ok(Operand { kind: OPERAND_MEMORY, size: 4, .. }) => ProbeArgument::Writable,
        Ok(_) => ProbeArgument::Readable,
    };
    let sites = find_sites(probe)?.into_iter();
    Ok(sites.map(|site| site.arguments.into_iter().map(argument).collect()).collect())
}

/// The places of a probe.
pub(crate) fn find_sites(probe: &Usdt) -> Result<Vec<Site>, PlaceError> {
    let file = open(Path::new(&probe.path))?;
    let object = file.parse()?;
    if object.architecture() != Architecture::X86_64 {
        return Err(PlaceError::Program("not a program for x86_64".into()));
    }
    let notes = read_notes(&object)?;
    let is_meant = |note: &&Note<'_>| note.provider == probe.provider && note.name == probe.name;
    let found: Vec<_> = notes.iter().filter(is_meant).collect();
    if found.is_empty() {
        let names = notes.iter().map(|note| format!("{}:{}", note.provider, note.name));
        return Err(PlaceError::NotThere(names.collect()));
    }
    found.into_iter().map(|note| site(&object, note)).collect()
}

fn site(object: &Executable<'_>, note: &Note<'_>) -> Result<Site, PlaceError> {
    let lost = |what: &str| {
        PlaceError::Program(format!("the {what} of `{}:{}` is not in the file", note.provider, note.name))
    };
    let offset = code_offset(object, note.address).ok_or_else(|| lost("code"))?;
    let counter = match note.counter {
        0 => 0,
        counter => data_offset(object, counter).ok_or_else(|| lost("counter"))?,
    };
    let symbol = |name: &str| {
        let mut symbols = object.symbols().chain(object.dynamic_symbols());
        let symbol = symbols.find(|symbol| symbol.is_definition() && symbol.name() == Ok(name))?;
        Some(symbol.address().wrapping_sub(note.address))
    };
    let arguments = note.arguments.split_ascii_whitespace();
    let arguments = arguments.map(|text| operand(text, &symbol).ok_or_else(|| text.to_owned()));
    Ok(Site { offset, counter, arguments: arguments.collect() })
}

/// A note, with addresses as the file's symbols have them.
#[derive(Debug, PartialEq, Eq)]
struct Note<'d> {
    address: u64,
    counter: u64,
    provider: &'d str,
    name: &'d str,
    arguments: &'d str,
}

fn read_notes<'d>(object: &Executable<'d>) -> Result<Vec<Note<'d>>, PlaceError> {
    let Some(section) = object.section_by_name(NOTES) else { return Ok(Vec::new()) };
    let base = object.section_by_name(BASE).map(|section| section.address());
    let malformed = || PlaceError::Program(format!("its `{NOTES}` is malformed"));
    let data = section.data().map_err(|_| malformed())?;
    parse_notes(data, base).ok_or_else(malformed)
}

/// `Elf64_Nhdr`, then owner and description, each padded to four bytes.
fn parse_notes(mut data: &[u8], base: Option<u64>) -> Option<Vec<Note<'_>>> {
    let mut notes = Vec::new();
    while !data.is_empty() {
        let sizes: [usize; 2] = [number(data, 0)?, number(data, 4)?];
        let kind = u32::from_le_bytes(data.get(8..12)?.try_into().ok()?);
        let description_at = sizes[0].checked_add(12 + 3)? & !3;
        let end = description_at.checked_add(sizes[1])?;
        let (owner, description) = (data.get(12..12 + sizes[0])?, data.get(description_at..end)?);
        if (owner, kind) == (OWNER, TYPE) {
            notes.push(parse_note(description, base)?);
        }
        // The last need not be padded.
        data = data.get(end.checked_add(3)? & !3..).unwrap_or_default();
    }
    Some(notes)
}

fn number(data: &[u8], at: usize) -> Option<usize> {
    usize::try_from(u32::from_le_bytes(data.get(at..at + 4)?.try_into().ok()?)).ok()
}

fn parse_note(description: &[u8], base: Option<u64>) -> Option<Note<'_>> {
    let word =
        |index: usize| Some(u64::from_le_bytes(description.get(index * 8..index * 8 + 8)?.try_into().ok()?));
    let (address, linked_base, counter) = (word(0)?, word(1)?, word(2)?);
    let moved = base.map_or(0, |base| base.wrapping_sub(linked_base));
    let mut texts =
        description.get(24..)?.split(|byte| *byte == 0).map(|text| std::str::from_utf8(text).ok());
    Some(Note {
        address: address.wrapping_add(moved),
        counter: if counter == 0 { 0 } else { counter.wrapping_add(moved) },
        provider: texts.next()??,
        name: texts.next()??,
        arguments: texts.next()??,
    })
}

/// `-4@%eax`, `8@-24(%rbp)`, `4@$5`, `8@(%rax,%rbx,4)`, `8@name+8(%rip)`: size, negative if signed, and operand as the assembler
/// has it. `symbol` tells how far a symbol is from the probe's instruction.
fn operand(text: &str, symbol: &impl Fn(&str) -> Option<u64>) -> Option<Operand> {
    let (size, place) = text.split_once('@')?;
    let size: i32 = size.parse().ok()?;
    if !matches!(size.unsigned_abs(), 1 | 2 | 4 | 8) {
        return None;
    }
    let operand = if let Some(constant) = place.strip_prefix('$') {
        Operand { kind: OPERAND_CONSTANT, value: integer(constant)?, ..Operand::NONE }
    } else if let Some(name) = place.strip_prefix('%') {
        Operand { kind: OPERAND_REGISTER, register: register(name)?, ..Operand::NONE }
    } else {
        memory(place, symbol)?
    };
    Some(Operand { size: size.unsigned_abs(), signed: u32::from(size < 0), ..operand })
}

/// `displacement(base,index,scale)`
fn memory(place: &str, symbol: &impl Fn(&str) -> Option<u64>) -> Option<Operand> {
    let (displacement, registers) = place.strip_suffix(')')?.split_once('(')?;
    let mut registers = registers.split(',').map(str::trim);
    let mut next = || match registers.next() {
        None | Some("") => Some(0),
        Some(name) => register(name.strip_prefix('%')?),
    };
    let (base, index) = (next()?, next()?);
    let scale = registers.next().map_or(Some(1), |scale| scale.parse().ok())?;
    if registers.next().is_some() || !matches!(scale, 1 | 2 | 4 | 8) || base == 0 && index == 0 {
        return None;
    }
    let value = match displacement {
        "" => 0,
        number if integer(number).is_some() => integer(number)?,
        // Addresses of symbols are known to this instruction by how far they are from it only.
        name if base == register("rip")? => {
            let (name, behind) = name.split_once('+').unwrap_or((name, "0"));
            symbol(name)?.wrapping_add(integer(behind)?)
        }
        _ => return None,
    };
    Some(Operand { kind: OPERAND_MEMORY, value, register: base, index, scale, ..Operand::NONE })
}

fn integer(text: &str) -> Option<u64> {
    let (negative, digits) = text.strip_prefix('-').map_or((false, text), |digits| (true, digits));
    let value = match digits.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok()?,
        None => digits.parse().ok()?,
    };
    Some(if negative { value.wrapping_neg() } else { value })
}

/// The number of a register by any of its names: `rax`, `eax`, `ax`, `al`.
fn register(name: &str) -> Option<u32> {
    let is_part_of = |whole: &str| {
        let Some(short) = whole.strip_prefix('r') else { return false };
        let numbered = short.starts_with(|digit: char| digit.is_ascii_digit());
        name == whole
            || if numbered {
                name.strip_prefix(whole).is_some_and(|part| matches!(part, "d" | "w" | "b"))
            } else {
                let low = short.strip_suffix('x').unwrap_or(short);
                name.strip_prefix('e') == Some(short) || name == short || name.strip_suffix('l') == Some(low)
            }
    };
    let index = REGISTERS.iter().position(|whole| is_part_of(whole))?;
    u32::try_from(index + 1).ok()
}

/// The arguments that programs can be given: the first of them.
pub(crate) fn operands(site: &Site) -> [Operand; MAX_OPERANDS] {
    let mut operands = [Operand::NONE; MAX_OPERANDS];
    for (to, argument) in operands.iter_mut().zip(&site.arguments) {
        *to = argument.clone().unwrap_or(Operand::NONE);
    }
    operands
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn number_of(name: &str) -> u32 {
        REGISTERS.iter().position(|known| *known == name).unwrap() as u32 + 1
    }

    fn read(text: &str) -> Option<Operand> {
        operand(text, &|name| (name == "counter").then_some(0x100))
    }

    #[test]
    fn operands_are_read_as_the_assembler_writes_them() {
        let memory = |value: i64, base: &str, size| Operand {
            kind: OPERAND_MEMORY,
            value: value as u64,
            register: number_of(base),
            scale: 1,
            size,
            ..Operand::NONE
        };
        let of = |name: &str, size, signed| Operand {
            kind: OPERAND_REGISTER,
            register: number_of(name),
            size,
            signed,
            ..Operand::NONE
        };
        let constant = |value: i64, size, signed| Operand {
            kind: OPERAND_CONSTANT,
            value: value as u64,
            size,
            signed,
            ..Operand::NONE
        };
        for (text, expected) in [
            ("-4@%eax", of("rax", 4, 1)),
            ("8@%rdi", of("rdi", 8, 0)),
            ("8@%rbp", of("rbp", 8, 0)),
            ("4@%r8d", of("r8", 4, 0)),
            ("-1@%r15b", of("r15", 1, 1)),
            ("1@%al", of("rax", 1, 0)),
            ("1@%sil", of("rsi", 1, 0)),
            ("2@%dx", of("rdx", 2, 0)),
            ("4@$5", constant(5, 4, 0)),
            ("-4@$-5", constant(-5, 4, 1)),
            ("8@-24(%rbp)", memory(-24, "rbp", 8)),
            ("4@(%rsp)", memory(0, "rsp", 4)),
            ("8@0x10(%rax)", memory(16, "rax", 8)),
            ("8@counter(%rip)", memory(0x100, "rip", 8)),
            ("8@counter+8(%rip)", memory(0x108, "rip", 8)),
            ("8@8(%rax,%rbx,4)", Operand { index: number_of("rbx"), scale: 4, ..memory(8, "rax", 8) }),
            (
                "8@(,%rbx,2)",
                Operand { register: 0, index: number_of("rbx"), scale: 2, ..memory(0, "rax", 8) },
            ),
        ] {
            assert_eq!(read(text), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_told_apart() {
        for text in [
            "",
            "@",
            "%eax",
            "3@%eax",
            "4@",
            "4@%",
            "4@%xmm0",
            "8@%ah",
            "4@$",
            "4@$x",
            "8@other(%rip)",
            "8@counter(%rax)",
            "8@()",
            "8@(%rax",
            "8@(%rax,%rbx,3)",
            "8@(%rax,%rbx,4,5)",
            "4@name",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    /// A note with these addresses and texts.
    fn note(owner: &[u8], words: [u64; 3], texts: &str) -> Vec<u8> {
        let description: Vec<u8> =
            words.iter().flat_map(|word| word.to_le_bytes()).chain(texts.bytes()).collect();
        let mut note = Vec::new();
        for number in [owner.len() as u32, description.len() as u32, TYPE] {
            note.extend(number.to_le_bytes());
        }
        for part in [owner, &description] {
            note.extend(part);
            note.resize(note.len().next_multiple_of(4), 0);
        }
        note
    }

    #[test]
    fn notes_are_moved_with_their_base() {
        let mut data = note(OWNER, [0x1000, 0x5000, 0], "one\0begin\08@%rdi -4@%eax\0");
        data.extend(note(b"GNU\0", [1, 2, 3], "other\0note\0\0"));
        data.extend(note(OWNER, [0x2000, 0x5000, 0x6000], "two\0end\0\0"));
        let one =
            Note { address: 0x1000, counter: 0, provider: "one", name: "begin", arguments: "8@%rdi -4@%eax" };
        let two = Note { address: 0x2000, counter: 0x6000, provider: "two", name: "end", arguments: "" };
        assert_eq!(parse_notes(&data, None).unwrap(), [one, two]);
        let moved = parse_notes(&data, Some(0x5100)).unwrap();
        let addresses: Vec<_> = moved.iter().map(|note| (note.address, note.counter)).collect();
        assert_eq!(addresses, [(0x1100, 0), (0x2100, 0x6100)]);
    }

    #[test]
    fn notes_that_are_cut_or_lie_are_refused() {
        let data = note(OWNER, [1, 2, 3], "p\0n\0\0");
        for length in 1..data.len() - 3 {
            assert_eq!(parse_notes(&data[..length], None), None, "{length}");
        }
        let mut lying = data.clone();
        lying[0..4].copy_from_slice(&u32::MAX.to_le_bytes());
        assert_eq!(parse_notes(&lying, None), None);
        assert_eq!(parse_notes(&note(OWNER, [1, 2, 3], "p\0"), None), None);
    }
}
