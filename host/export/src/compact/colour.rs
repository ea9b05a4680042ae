//! Colours of a terminal.

use std::fmt::{self, Display};

/// A colour, as the terminal is set up to show it: `SGR` 30 to 37 of ECMA-48.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Colour {
    Red = 31,
    Green = 32,
    Yellow = 33,
    Blue = 34,
    Magenta = 35,
    Cyan = 36,
}

/// A text in a colour, or as it is.
pub(super) struct Painted<T> {
    pub(super) text: T,
    pub(super) colour: Option<Colour>,
}

impl<T: Display> Display for Painted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.colour {
            None => self.text.fmt(f),
            Some(colour) => write!(f, "\x1b[{}m{}\x1b[0m", colour as u8, self.text),
        }
    }
}
