//! Views of the frame in C.

use std::fmt::Write;

use serin_frame::{Kind, SCHEMA};

use crate::abi::{Field, FieldKind, Structure, snake_case};

/// `plugins/sdk-c/views.h`
pub(crate) fn views(structures: &[Structure]) -> Result<String, std::fmt::Error> {
    let mut out = String::from(
        "/* Generated from docs/plugin-abi.md by plugins/bindgen: do not edit. */\n\
         #ifndef SERIN_VIEWS_H\n#define SERIN_VIEWS_H\n\n#include \"frame.h\"\n\n",
    );
    writeln!(out, "/* The schema of frames that these views know. */\n#define SERIN_SCHEMA {SCHEMA}\n")?;
    kinds(&mut out)?;
    for Structure { name, text, .. } in structures {
        let view = snake_case(name);
        writeln!(out, "/* {text} */\ntypedef struct {{ serin_structure at; }} serin_{view};\n")?;
    }
    for structure in structures {
        for field in &structure.fields {
            accessor(&mut out, &snake_case(&structure.name), field)?;
        }
    }
    for item in listed(structures) {
        writeln!(
            out,
            "/* The next of a list; false at its end. */\n\
             static inline bool serin_next_{item}(serin_list *list, serin_{item} *next) {{\n  \
             return serin_next(list, &next->at);\n}}\n",
        )?;
    }
    out.push_str("#endif\n");
    Ok(out)
}

fn kinds(out: &mut String) -> std::fmt::Result {
    out.push_str(
        "/* Kinds of events, as `serin_event_kind_code` tells them. A newer agent may tell others. */\n",
    );
    out.push_str("typedef enum {\n");
    for kind in Kind::ALL {
        writeln!(out, "  SERIN_{} = {},", kind.name().to_uppercase(), kind.code())?;
    }
    out.push_str("} serin_kind;\n\n/* Their names, as in the JSON output. */\n");
    out.push_str("static inline const char *serin_kind_name(serin_kind kind) {\n  switch (kind) {\n");
    for kind in Kind::ALL {
        let name = kind.name();
        writeln!(out, "  case SERIN_{}:\n    return \"{name}\";", name.to_uppercase())?;
    }
    out.push_str("  }\n  return \"unknown\";\n}\n\n");
    Ok(())
}

fn accessor(out: &mut String, view: &str, field: &Field) -> std::fmt::Result {
    let Field { offset, name, kind, text } = field;
    writeln!(out, "/* {text} */")?;
    let (result, parameter, body) = match kind {
        FieldKind::Integer(bits) => {
            (format!("uint{bits}_t"), String::new(), format!("serin_u{bits}({view}.at, {offset})"))
        }
        FieldKind::Text => {
            ("serin_text".to_owned(), String::new(), format!("serin_text_at({view}.at, {offset})"))
        }
        FieldKind::Texts => {
            ("serin_texts".to_owned(), String::new(), format!("serin_texts_at({view}.at, {offset})"))
        }
        FieldKind::One(item) => one("serin_one_at", item, view, *offset),
        FieldKind::Shared(item) => one("serin_shared_at", item, view, *offset),
        FieldKind::List(_) => {
            ("serin_list".to_owned(), String::new(), format!("serin_list_at({view}.at, {offset})"))
        }
        FieldKind::SharedList(_) => {
            ("serin_list".to_owned(), String::new(), format!("serin_shared_list_at({view}.at, {offset})"))
        }
    };
    writeln!(
        out,
        "static inline {result} serin_{view}_{name}(serin_{view} {view}{parameter}) {{\n  return {body};\n}}\n"
    )
}

/// A structure comes back through a pointer, and whether it is there as the result.
fn one(read: &str, item: &str, view: &str, offset: usize) -> (String, String, String) {
    let item = snake_case(item);
    ("bool".to_owned(), format!(", serin_{item} *found"), format!("{read}({view}.at, {offset}, &found->at)"))
}

/// What there are lists of.
fn listed(structures: &[Structure]) -> Vec<String> {
    let mut items: Vec<String> = Vec::new();
    for field in structures.iter().flat_map(|structure| &structure.fields) {
        if let FieldKind::List(item) | FieldKind::SharedList(item) = &field.kind {
            items.push(snake_case(item));
        }
    }
    items.sort();
    items.dedup();
    items
}
