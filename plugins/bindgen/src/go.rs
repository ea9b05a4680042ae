//! Views of the frame in Go.

use std::fmt::Write;

use serin_frame::{Kind, SCHEMA};

use crate::abi::{Field, FieldKind, Structure};

/// Words that Go writes in capitals.
const INITIALISMS: [&str; 7] = ["id", "pid", "tid", "uid", "auid", "cpu", "http"];

/// `plugins/sdk-go/views.go`
pub(crate) fn views(structures: &[Structure]) -> Result<String, std::fmt::Error> {
    let mut out = String::from(
        "// Code generated from docs/plugin-abi.md by plugins/bindgen. DO NOT EDIT.\n\n\
         package serin\n\nimport \"iter\"\n\n",
    );
    writeln!(out, "// Schema is that of the frames that these views know.\nconst Schema = {SCHEMA}\n")?;
    kinds(&mut out)?;
    for structure in structures {
        let Structure { name, text, fields } = structure;
        writeln!(out, "\n// {name}: {}\ntype {name} struct{{ at structure }}", lowered(text))?;
        writeln!(out, "\nfunc view{name}(at structure) {name} {{ return {name}{{at}} }}")?;
        for field in fields {
            accessor(&mut out, name, field)?;
        }
    }
    Ok(out)
}

fn kinds(out: &mut String) -> std::fmt::Result {
    out.push_str("// Kind tells what happened. A newer agent may tell others.\ntype Kind uint8\n\n");
    out.push_str("// The kinds that these views know.\nconst (\n");
    let name = |kind: &Kind| format!("Kind{}", pascal_case(kind.name()));
    let width = Kind::ALL.iter().map(|kind| name(kind).len()).max().unwrap_or_default();
    for kind in Kind::ALL {
        writeln!(out, "\t{:width$} Kind = {}", name(&kind), kind.code())?;
    }
    out.push_str(
        ")\n\n// String is the kind's name, as in the JSON output; `unknown` if these views don't know it.\n",
    );
    out.push_str("func (kind Kind) String() string {\n\tswitch kind {\n");
    for kind in Kind::ALL {
        writeln!(out, "\tcase {}:\n\t\treturn \"{}\"", name(&kind), kind.name())?;
    }
    out.push_str("\t}\n\treturn \"unknown\"\n}\n");
    Ok(())
}

fn accessor(out: &mut String, view: &str, field: &Field) -> std::fmt::Result {
    let Field { offset, name, kind, text } = field;
    let name = pascal_case(name);
    writeln!(out, "\n// {name}: {}", lowered(text))?;
    let (result, body) = match kind {
        FieldKind::Integer(bits) => (format!("uint{bits}"), format!("\treturn view.at.u{bits}({offset})\n")),
        FieldKind::Text => ("string".to_owned(), format!("\treturn view.at.text({offset})\n")),
        FieldKind::Texts => ("iter.Seq[string]".to_owned(), format!("\treturn view.at.texts({offset})\n")),
        FieldKind::One(item) => one("one", item, *offset),
        FieldKind::Shared(item) => one("sharedOne", item, *offset),
        FieldKind::List(item) => list("list", item, *offset),
        FieldKind::SharedList(item) => list("sharedList", item, *offset),
    };
    writeln!(out, "func (view {view}) {name}() {result} {{\n{body}}}")
}

fn one(read: &str, item: &str, offset: usize) -> (String, String) {
    let body = format!("\tat, found := view.at.{read}({offset})\n\treturn {item}{{at}}, found\n");
    (format!("({item}, bool)"), body)
}

fn list(read: &str, item: &str, offset: usize) -> (String, String) {
    (format!("iter.Seq[{item}]"), format!("\treturn {read}(view.at, {offset}, view{item})\n"))
}

/// A sentence behind a colon.
fn lowered(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|first| first.to_lowercase().to_string()).unwrap_or_default();
    // What begins with two capitals is no ordinary word.
    match letters.clone().next() {
        Some(second) if second.is_ascii_uppercase() => text.to_owned(),
        _ => first + letters.as_str(),
    }
}

/// `exec_id` as `ExecID`.
fn pascal_case(name: &str) -> String {
    let word = |word: &str| {
        if INITIALISMS.contains(&word) {
            return word.to_uppercase();
        }
        let (first, rest) = word.split_at(word.len().min(1));
        first.to_uppercase() + rest
    };
    name.split('_').map(word).collect()
}
