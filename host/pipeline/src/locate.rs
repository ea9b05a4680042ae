//! Where something stands in a YAML file.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// A line and a column, both from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Location {
    /// Line.
    pub line: usize,
    /// Column.
    pub column: usize,
}

impl From<serde_yaml::Location> for Location {
    fn from(location: serde_yaml::Location) -> Self {
        Self { line: location.line(), column: location.column() }
    }
}

/// A step down into a document.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Step<'a> {
    Key(&'a str),
    Index(usize),
}

/// Where the value at `path` begins; nothing if there is none.
///
/// The YAML reader tells positions only in errors: so the document is read
/// once more, with an error at the value that is sought.
pub(crate) fn locate(text: &str, path: &[Step<'_>]) -> Option<Location> {
    let error = Seek(path).deserialize(serde_yaml::Deserializer::from_str(text)).err()?;
    error.to_string().contains(FOUND).then(|| error.location())?.map(Location::from)
}

const FOUND: &str = "the value that is sought";

#[derive(Clone, Copy)]
struct Seek<'a>(&'a [Step<'a>]);

impl<'de> DeserializeSeed<'de> for Seek<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        match self.0 {
            [] => deserializer.deserialize_any(Found),
            _ => deserializer.deserialize_any(self),
        }
    }
}

impl<'de> Visitor<'de> for Seek<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a mapping or sequence on the path")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<String>()? {
            match self.0 {
                [Step::Key(wanted), rest @ ..] if key == *wanted => map.next_value_seed(Seek(rest))?,
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let [Step::Index(wanted), rest @ ..] = self.0 else {
            return Err(A::Error::custom("not on the path"));
        };
        for _ in 0..*wanted {
            if seq.next_element::<IgnoredAny>()?.is_none() {
                return Ok(());
            }
        }
        seq.next_element_seed(Seek(rest))?;
        Err(A::Error::custom("not on the path"))
    }
}

/// Accepts nothing, so that every value is an error at its place.
struct Found;

impl Visitor<'_> for Found {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(FOUND)
    }
}

#[cfg(test)]
mod tests {
    use super::{Step, locate};

    #[test]
    fn positions_of_scalars_and_mappings() {
        let text = "a: 1\nlist:\n  - name: x\n  - { name: y, of: [1, 2] }\n";
        let at = |path: &[Step<'_>]| locate(text, path).map(|at| (at.line, at.column));
        assert_eq!(at(&[Step::Key("a")]), Some((1, 4)));
        assert_eq!(at(&[Step::Key("list"), Step::Index(0), Step::Key("name")]), Some((3, 11)));
        assert_eq!(at(&[Step::Key("list"), Step::Index(1), Step::Key("name")]), Some((4, 13)));
        assert_eq!(at(&[Step::Key("list"), Step::Index(1)]), Some((4, 5)));
        assert_eq!(at(&[Step::Key("list"), Step::Index(2)]), None);
        assert_eq!(at(&[Step::Key("b")]), None);
    }
}
