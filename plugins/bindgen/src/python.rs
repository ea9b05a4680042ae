//! Views of the frame in Python.

use std::fmt::Write;

use serin_frame::{Kind, SCHEMA};

use crate::abi::{Field, FieldKind, Structure};

/// `plugins/sdk-python/serin/views.py`
pub(crate) fn views(structures: &[Structure]) -> Result<String, std::fmt::Error> {
    let mut out = String::from(
        "# Generated from docs/plugin-abi.md by plugins/bindgen: do not edit.\n\
         \"\"\"The structures of a frame.\"\"\"\n\n\
         from __future__ import annotations\n\n\
         from collections.abc import Iterator\n\n\
         from .frame import Structure\n\n",
    );
    writeln!(out, "# The schema of frames that these views know.\nSCHEMA = {SCHEMA}\n")?;
    out.push_str("# Kinds of events by their code.\nKINDS = {\n");
    for kind in Kind::ALL {
        writeln!(out, "    {}: \"{}\",", kind.code(), kind.name())?;
    }
    out.push_str("}\n");
    for Structure { name, text, fields } in structures {
        writeln!(out, "\n\nclass {name}(Structure):\n    \"\"\"{text}\"\"\"\n\n    __slots__ = ()")?;
        for field in fields {
            property(&mut out, field)?;
        }
    }
    Ok(out)
}

fn property(out: &mut String, field: &Field) -> std::fmt::Result {
    let Field { offset, name, kind, text } = field;
    let (result, body) = match kind {
        FieldKind::Integer(bits) => ("int".to_owned(), format!("_u{bits}({offset})")),
        FieldKind::Text => ("str".to_owned(), format!("_text({offset})")),
        FieldKind::Texts => ("Iterator[str]".to_owned(), format!("_texts({offset})")),
        FieldKind::One(item) => (format!("{item} | None"), format!("_one({offset}, {item})")),
        FieldKind::Shared(item) => (format!("{item} | None"), format!("_shared({offset}, {item})")),
        FieldKind::List(item) => (format!("Iterator[{item}]"), format!("_list({offset}, {item})")),
        FieldKind::SharedList(item) => {
            (format!("Iterator[{item}]"), format!("_shared_list({offset}, {item})"))
        }
    };
    let text = text.replace('\\', "\\\\");
    writeln!(
        out,
        "\n    @property\n    def {name}(self) -> {result}:\n        \"\"\"{text}\"\"\"\n        return self.{body}"
    )
}
