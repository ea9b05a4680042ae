//! USDT probes of this program, as `sys/sdt.h` makes them.

use std::arch::asm;
use std::ffi::CString;
use std::sync::atomic::{AtomicU16, Ordering};

use anyhow::{Result, bail};

use super::{Ended, run, say};

/// Hits the probe `serin:numbers` with a number in a register, a text, twice the number in memory, and 5; what is in memory then.
pub(crate) fn number(number: i32, text: &str) -> Result<Ended> {
    run(&["probe", "number", &number.to_string(), text])
}

/// Hits it at another place, where the number is always -7, what is in memory 1, and the last 6.
pub(crate) fn constant(text: &str) -> Result<Ended> {
    run(&["probe", "constant", text])
}

/// Says how many look at the probe.
pub(crate) fn counter() -> Result<Ended> {
    run(&["probe", "counter"])
}

/// The kernel counts here who looks at the probe.
#[allow(unsafe_code, reason = "the section is one that nothing else has a meaning for")]
#[unsafe(link_section = ".probes")]
static COUNTER: AtomicU16 = AtomicU16::new(0);

/// A place of the probe, with its arguments in the assembler's words.
macro_rules! probe {
    ($arguments:literal, $($operands:tt)*) => {
        // SAFETY: nothing is executed but a `nop`; the note is for who reads the file.
        #[allow(unsafe_code, reason = "only the assembler can write such a note")]
        unsafe {
            asm!(
                "990: nop",
                ".pushsection .note.stapsdt, \"\", \"note\"",
                ".balign 4",
                ".4byte 992f - 991f, 994f - 993f, 3",
                "991: .asciz \"stapsdt\"",
                "992: .balign 4",
                "993: .8byte 990b",
                ".8byte _.stapsdt.base",
                ".8byte {counter}",
                ".asciz \"serin\"",
                ".asciz \"numbers\"",
                concat!(".asciz \"", $arguments, "\""),
                "994: .balign 4",
                ".popsection",
                ".ifndef _.stapsdt.base",
                ".pushsection .stapsdt.base, \"aG\", \"progbits\", .stapsdt.base, comdat",
                ".weak _.stapsdt.base",
                ".hidden _.stapsdt.base",
                "_.stapsdt.base: .space 1",
                ".size _.stapsdt.base, 1",
                ".popsection",
                ".endif",
                counter = sym COUNTER,
                $($operands)*,
                options(att_syntax)
            );
        }
    };
}

pub(super) fn act(words: &[&str]) -> Result<()> {
    match words {
        ["number", number, text] => {
            let (number, text): (i32, _) = (number.parse()?, CString::new(*text)?);
            let mut place = 2 * number;
            probe!(
                "-4@{number:e} 8@{text:r} -4@({place:r}) 1@$5",
                number = in(reg) number,
                text = in(reg) text.as_ptr(),
                place = in(reg) &raw mut place
            );
            say(place)
        }
        ["constant", text] => {
            let text = CString::new(*text)?;
            let mut place = 1;
            probe!(
                "-4@$-7 8@{text:r} -4@({place:r}) 1@$6",
                text = in(reg) text.as_ptr(),
                place = in(reg) &raw mut place
            );
            say(place)
        }
        ["counter"] => say(COUNTER.load(Ordering::Relaxed).into()),
        _ => bail!("no such probe: {words:?}"),
    }
}
