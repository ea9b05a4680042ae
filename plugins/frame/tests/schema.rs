//! The schema is sound, and docs/plugin-abi.md describes it as it is.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

use serin_frame::*;

struct Structure {
    name: &'static str,
    size: usize,
    fields: &'static [Field],
}

macro_rules! structures {
    ($($view:ident),*) => {
        [$(Structure { name: stringify!($view), size: $view::SIZE, fields: $view::FIELDS }),*]
    };
}

fn structures() -> [Structure; 13] {
    structures![
        EventView,
        NodeView,
        ProcessView,
        ExitView,
        HookView,
        KprobeView,
        ArgumentView,
        LossView,
        ActionResultView,
        AnnotationView,
        FieldView,
        AlertView,
        PluginErrorView
    ]
}

/// Size, alignment, and the name in the documentation.
fn describe(kind: &str) -> (usize, usize, String) {
    let kind = kind.trim_matches(['{', '}', ' ']);
    let view = |text: &str| text.split(',').next().unwrap_or_default().trim_end_matches("View").to_owned();
    let list = |text: &str| text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).map(view);
    match kind {
        "u8" => (1, 1, kind.to_owned()),
        "u16" => (2, 2, kind.to_owned()),
        "u32" => (4, 4, kind.to_owned()),
        "u64" | "text" | "texts" => (8, 8, kind.to_owned()),
        _ => match (kind.strip_prefix("shared "), list(kind)) {
            (Some(shared), _) => match list(shared) {
                Some(item) => (8, 8, format!("list of shared {item}")),
                None => (4, 4, format!("shared {}", view(shared))),
            },
            (None, Some(item)) => (8, 8, format!("list of {item}")),
            (None, None) => (4, 4, view(kind.trim_start_matches('('))),
        },
    }
}

#[test]
fn fields_are_aligned_do_not_overlap_and_fit() {
    for Structure { name, size, fields } in structures() {
        let mut end = 4;
        for field in fields {
            let (size, alignment, _) = describe(field.kind);
            assert!(field.offset >= end, "{name}.{} overlaps the field before it", field.name);
            assert_eq!(field.offset % alignment, 0, "{name}.{} is not aligned", field.name);
            end = field.offset + size;
        }
        assert!(end <= size, "{name} is {size} bytes, but its fields end at {end}");
        assert_eq!(size % 8, 0, "{name}");
    }
}

#[test]
fn documentation_lists_every_field() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/plugin-abi.md");
    let text = std::fs::read_to_string(path).unwrap();
    for Structure { name, size, fields } in structures() {
        let title = name.trim_end_matches("View");
        let section =
            text.split(&format!("### {title}\n")).nth(1).unwrap_or_else(|| panic!("no section {title}"));
        let section = section.split("\n#").next().unwrap();
        assert!(
            section.contains(&format!("Size {size}.")),
            "docs/plugin-abi.md, {title}: not `Size {size}.`"
        );
        for field in fields {
            let (_, _, kind) = describe(field.kind);
            let row = format!("| {} | {} | {kind} |", field.offset, field.name);
            assert!(section.contains(&row), "docs/plugin-abi.md, {title}: no row `{row}`");
        }
        assert_eq!(
            section.matches("\n| ").count(),
            fields.len() + 1,
            "docs/plugin-abi.md, {title}: too many rows"
        );
    }
}
