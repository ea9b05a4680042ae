//! Views of the frame in JavaScript.

use std::fmt::Write;

use serin_frame::{Kind, SCHEMA};

use crate::abi::{Field, FieldKind, Structure};

/// `plugins/sdk-javascript/views.js`
pub(crate) fn views(structures: &[Structure]) -> Result<String, std::fmt::Error> {
    let mut out = String::from(
        "// Generated from docs/plugin-abi.md by plugins/bindgen: do not edit.\n\
         import { Structure } from \"./frame.js\";\n\n",
    );
    writeln!(out, "/** The schema of frames that these views know. */\nexport const SCHEMA = {SCHEMA};\n")?;
    out.push_str("/** Kinds of events by their code. */\nexport const KINDS = {\n");
    for kind in Kind::ALL {
        writeln!(out, "  {}: \"{}\",", kind.code(), kind.name())?;
    }
    out.push_str("};\n");
    for structure in structures {
        let Structure { name, text, fields } = structure;
        writeln!(out, "\n/** {text} */\nexport class {name} extends Structure {{")?;
        for field in fields {
            let Field { offset, name, kind, text } = field;
            let body = match kind {
                FieldKind::Integer(bits) => format!("readU{bits}({offset})"),
                FieldKind::Text => format!("readText({offset})"),
                FieldKind::Texts => format!("readTexts({offset})"),
                FieldKind::One(item) => format!("readOne({offset}, {item})"),
                FieldKind::Shared(item) => format!("readShared({offset}, {item})"),
                FieldKind::List(item) => format!("readList({offset}, {item})"),
                FieldKind::SharedList(item) => format!("readSharedList({offset}, {item})"),
            };
            writeln!(out, "  /** {text} */\n  get {}() {{\n    return this.{body};\n  }}", camel_case(name))?;
        }
        out.push_str("}\n");
    }
    Ok(out)
}

/// `exec_id` as `execId`.
fn camel_case(name: &str) -> String {
    let mut words = name.split('_');
    let mut camel = words.next().unwrap_or_default().to_owned();
    for word in words {
        let (first, rest) = word.split_at(word.len().min(1));
        camel.push_str(&first.to_uppercase());
        camel.push_str(rest);
    }
    camel
}
