//! Getting from what a parameter holds to an argument that lies behind it.

use aya_ebpf::helpers::generated::{bpf_probe_read, bpf_probe_read_str, bpf_probe_read_user};
use serin_abi::config::{
    ArgumentConfig, FIELD_ADDRESS, FIELD_BITS, FIELD_FIRST_BIT, FIELD_SIGNED, HookConfig, ORIGIN_PARAMETER,
    PROGRAM, USDT,
};
use serin_abi::selector::{constant, entry};
use serin_abi::{MAX_FIELDS, MAX_STRING};

use crate::arguments::Registers;
use crate::fault_in;
use crate::scratch::Slot;

/// Where the steps to an argument led.
#[derive(Clone, Copy)]
pub struct Resolved {
    /// The argument, as a parameter would hold it; 0 if a step failed.
    pub value: u64,
    /// Which step failed, from 1, or [`UNREADABLE`]; 0 if none did.
    pub failed: u32,
}

/// The parameter itself cannot be read: no step, in the 16 bits that a record has for it.
pub const UNREADABLE: u32 = 1 << 16;

/// Takes the steps to an argument, of which there may be none, from what its parameter holds.
#[inline(always)]
pub fn resolve<R: Registers>(config: &HookConfig, argument: &ArgumentConfig, value: u64) -> Resolved {
    let (first, count) = (constant(&argument.first_step), constant(&argument.step_count));
    let in_program = R::IN_PROGRAM
        && matches!(constant(&config.source), PROGRAM | USDT)
        && constant(&argument.origin) == ORIGIN_PARAMETER;
    let (mut place, mut errors, mut taken) = (value, 0_u64, 0_u32);
    let mut index = 0;
    while index < MAX_FIELDS as u32 && index < count {
        let step = entry(&config.fields, first + index);
        place = place.wrapping_add(u64::from(constant(&step.offset)));
        let size = constant(&step.size);
        if size != FIELD_ADDRESS {
            if R::MAY_SLEEP && in_program {
                fault_in::touch_bytes(place, size_of::<u64>() as u64);
            }
            let (read, error) = number(in_program, place, size);
            place = read;
            errors |= error;
        }
        taken += 1 - nonzero(errors);
        index += 1;
    }
    if count == 0 {
        return Resolved { value, failed: 0 };
    }
    let failed = nonzero(errors);
    Resolved { value: place * u64::from(1 - failed), failed: (taken + 1) * failed }
}

/// Reads a number of at most eight bytes, and whether that went wrong, without a branch on it.
#[inline(always)]
fn number(in_program: bool, from: u64, size: u32) -> (u64, u64) {
    let mut value = 0_u64;
    let bytes = size & (FIELD_SIGNED - 1);
    let bytes = if bytes > 8 { 8 } else { bytes };
    let to = (&raw mut value).cast();
    // SAFETY: the destination is not shorter than the size; the helpers check the source. The first reads of either half of
    // the address space, as pointers to the program's memory stand among the kernel's.
    let error = unsafe {
        if in_program {
            bpf_probe_read_user(to, bytes, from as *const _)
        } else {
            bpf_probe_read(to, bytes, from as *const _)
        }
    };
    let width = size >> FIELD_BITS;
    if width != 0 {
        value = value.wrapping_shl(64 - (size >> FIELD_FIRST_BIT & 7) - width);
        value = narrowed(value, 64 - width, size);
    } else if size & FIELD_SIGNED != 0 {
        let unused = 64 - 8 * bytes;
        value = narrowed(value << unused, unused, size);
    }
    (value, error as u64)
}

/// A number that stands in the upper bits, without the `unused` ones below it.
#[inline(always)]
fn narrowed(value: u64, unused: u32, size: u32) -> u64 {
    if size & FIELD_SIGNED != 0 {
        (value as i64).wrapping_shr(unused) as u64
    } else {
        value.wrapping_shr(unused)
    }
}

/// Reads a string from an array of at most this many bytes, which need not end with a NUL.
#[inline(always)]
pub fn load_text(to: *mut Slot, from: u64, size: u32) -> bool {
    let size = if size > MAX_STRING as u32 { MAX_STRING as u32 } else { size };
    // SAFETY: a pointer to a map value, whose buffer is longer than the longest string and its NUL; the helper checks the
    // source.
    unsafe {
        let result = bpf_probe_read_str((&raw mut (*to).buffer).cast(), size + 1, from as *const _);
        // Of an empty string in the program's memory, some kernels do not count the NUL.
        let with_nul = if result > 0 { result as u32 } else { 1 };
        (*to).start = 0;
        (*to).header.length = with_nul - 1;
        result >= 0
    }
}

/// 1 for a number that is not 0, without a branch, of which the verifier would follow both ways.
#[inline(always)]
fn nonzero(number: u64) -> u32 {
    ((number | number.wrapping_neg()) >> 63) as u32
}
