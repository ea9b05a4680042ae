//! Arguments that are structures, of which the hook's configuration says what to read.

use aya_ebpf::helpers::generated::bpf_probe_read_kernel;
use serin_abi::config::{ArgumentConfig, FIELD_POINTER, FIELD_TEXT, HookConfig};
use serin_abi::selector::{constant, entry};
use serin_abi::{MAX_FIELD_TEXT, MAX_FIELDS};

use crate::memory::{pointer, short_string};
use crate::scratch::Slot;

/// Reads the fields of a structure; false if there is none.
#[inline(always)]
pub fn load(config: &HookConfig, argument: &ArgumentConfig, to: *mut Slot, from: u64) -> bool {
    let (first, count) = (constant(&argument.first_field), constant(&argument.field_count));
    let mut place = from;
    let (mut bytes, mut text) = (0, 0);
    let mut index = 0;
    while index < MAX_FIELDS as u32 && index < count {
        let field = entry(&config.fields, first + index);
        let at = place + u64::from(constant(&field.offset));
        place = from;
        // SAFETY: a pointer to a map value; there are fewer words than the buffer has, and room behind
        // them for the longest text.
        unsafe {
            let end = (&raw mut (*to).buffer).cast::<u8>().add(bytes);
            match constant(&field.size) {
                FIELD_POINTER => place = pointer(at),
                FIELD_TEXT => text = short_string::<{ MAX_FIELD_TEXT as u32 + 1 }>(end, at),
                size => {
                    end.cast::<u64>().write(number(at, size));
                    bytes += 8;
                }
            }
        }
        index += 1;
    }
    // SAFETY: a pointer to a map value.
    unsafe {
        (*to).start = 0;
        (*to).header.length = bytes as u32 + text;
    }
    from != 0
}

/// Reads a number of at most eight bytes; 0 if it cannot be read, or has none.
#[inline(always)]
fn number(from: u64, size: u32) -> u64 {
    let mut value = 0_u64;
    let size = if size > 8 { 8 } else { size };
    // SAFETY: the destination is not shorter than the size; the helper checks the source.
    unsafe { bpf_probe_read_kernel((&raw mut value).cast(), size, from as *const _) };
    value
}
