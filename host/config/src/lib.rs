//! Values as people write them in configuration files: durations, sizes, counts, patterns.
//!
//! Each is read through [`scalar`], so that an error stands at the value's own line and column and says what to
//! write instead.

mod glob;
mod quantity;

use std::fmt::{self, Display};

use serde::Deserializer;
use serde::de::{Error, Visitor};

pub use glob::Glob;
pub use quantity::{count, duration, size, within};

/// Reads a scalar with `parse`.
///
/// By way of a visitor, because only then does the YAML reader put the scalar's own line and column on the error. A
/// bare number is text too, so that its error can say which units there are.
///
/// # Errors
/// What `parse` says, or that there is no single value.
pub fn scalar<'de, D, T, E>(deserializer: D, parse: impl FnOnce(&str) -> Result<T, E>) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    E: Display,
{
    struct Scalar<F>(F);

    impl<T, E: Display, F: FnOnce(&str) -> Result<T, E>> Visitor<'_> for Scalar<F> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a single value")
        }

        fn visit_str<E2: Error>(self, text: &str) -> Result<T, E2> {
            (self.0)(text).map_err(E2::custom)
        }

        fn visit_u64<E2: Error>(self, number: u64) -> Result<T, E2> {
            self.visit_str(&number.to_string())
        }

        fn visit_i64<E2: Error>(self, number: i64) -> Result<T, E2> {
            self.visit_str(&number.to_string())
        }

        fn visit_f64<E2: Error>(self, number: f64) -> Result<T, E2> {
            self.visit_str(&number.to_string())
        }
    }

    deserializer.deserialize_any(Scalar(parse))
}
