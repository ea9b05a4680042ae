//! Texts that are compared, as the programs read them.

use serin_abi::text::{FALLBACKS, fallbacks};
use serin_abi::{MAX_SUBSTRING, Text};

use crate::wire::zeroed;

/// A text as the programs read it.
pub(crate) fn text(value: &[u8]) -> Text {
    let mut text: Text = zeroed();
    text.length = value.len() as u32;
    text.bytes[..value.len()].copy_from_slice(value);
    if value.len() <= MAX_SUBSTRING {
        fallbacks(value, |at, length| {
            let at = FALLBACKS + size_of::<u16>() * at;
            text.bytes[at..at + size_of::<u16>()].copy_from_slice(&length.to_ne_bytes());
        });
    }
    text
}
