//! The structures of a frame, as `docs/plugin-abi.md` describes them; a test of `plugins/frame` keeps that page true.

use anyhow::{Context, Result, bail};

/// A structure of the frame.
#[derive(Debug)]
pub(crate) struct Structure {
    /// Name, e.g. `ActionResult`.
    pub(crate) name: String,
    /// What it is.
    pub(crate) text: String,
    pub(crate) fields: Vec<Field>,
}

/// A field of a structure.
#[derive(Debug)]
pub(crate) struct Field {
    pub(crate) offset: usize,
    /// Name, e.g. `exec_id`.
    pub(crate) name: String,
    pub(crate) kind: FieldKind,
    /// What it is.
    pub(crate) text: String,
}

/// How a field is stored.
#[derive(Debug)]
pub(crate) enum FieldKind {
    /// Of so many bits.
    Integer(u32),
    Text,
    Texts,
    /// A structure of this name.
    One(String),
    /// Structures of this name, in a row.
    List(String),
    /// A structure of this name in the shared part.
    Shared(String),
    /// Structures of this name in the shared part.
    SharedList(String),
}

/// Reads the page.
pub(crate) fn structures(page: &str) -> Result<Vec<Structure>> {
    let (_, after) = page.split_once("\n## Structures\n").context("no section `Structures`")?;
    let (section, _) = after.split_once("\n## ").unwrap_or((after, ""));
    section.split("\n### ").skip(1).map(structure).collect()
}

fn structure(section: &str) -> Result<Structure> {
    let (name, rest) = section.split_once('\n').context("a structure without a description")?;
    let (text, table) = rest.split_once("\n| offset |").with_context(|| format!("{name}: no table"))?;
    let (text, _) = text.trim().rsplit_once(" Size ").with_context(|| format!("{name}: no size"))?;
    let rows = table.lines().skip(2).filter(|line| line.starts_with("| "));
    let fields = rows.map(field).collect::<Result<_>>().with_context(|| name.to_owned())?;
    Ok(Structure { name: name.to_owned(), text: text.to_owned(), fields })
}

fn field(row: &str) -> Result<Field> {
    let cells: Vec<&str> = row.trim_matches(['|', ' ']).splitn(4, " | ").collect();
    let [offset, name, kind, text] = cells.as_slice() else { bail!("not a row of four cells: {row}") };
    Ok(Field {
        offset: offset.parse().with_context(|| format!("not an offset: {offset}"))?,
        name: (*name).to_owned(),
        kind: FieldKind::read(kind)?,
        text: (*text).to_owned(),
    })
}

impl FieldKind {
    fn read(text: &str) -> Result<Self> {
        if let Some(name) = text.strip_prefix("list of shared ") {
            return Ok(Self::SharedList(name.to_owned()));
        }
        if let Some(name) = text.strip_prefix("list of ") {
            return Ok(Self::List(name.to_owned()));
        }
        if let Some(name) = text.strip_prefix("shared ") {
            return Ok(Self::Shared(name.to_owned()));
        }
        match text {
            "text" => Ok(Self::Text),
            "texts" => Ok(Self::Texts),
            "u8" | "u16" | "u32" | "u64" => Ok(Self::Integer(text.trim_start_matches('u').parse()?)),
            name if name.starts_with(|first: char| first.is_ascii_uppercase()) => {
                Ok(Self::One(name.to_owned()))
            }
            _ => bail!("no such type: {text}"),
        }
    }
}

/// `ActionResult` as `action_result`.
pub(crate) fn snake_case(name: &str) -> String {
    let mut snake = String::new();
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && !snake.is_empty() {
            snake.push('_');
        }
        snake.push(letter.to_ascii_lowercase());
    }
    snake
}
