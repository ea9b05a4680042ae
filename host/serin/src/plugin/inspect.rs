//! `serin plugin inspect`: what a component is, before anybody runs it.

use std::path::Path;

use anyhow::Result;
use serin_pipeline::{ArgumentPredicate, EventFilter, Glob, Inspection};

/// Prints what there is to know about a component.
pub(crate) fn print(component: &Path, config: &str) -> Result<()> {
    let inspection = Inspection::of(component, config)?;
    let mut lines: Vec<(&str, String)> = Vec::new();
    match &inspection.info {
        Ok(info) => lines.extend([
            ("name", info.name.clone()),
            ("version", info.version.clone()),
            ("subscribes to", subscription(&info.subscription)),
            ("frame schema", info.schema.to_string()),
        ]),
        Err(message) => lines.push(("does not say", message.clone())),
    }
    lines.extend([
        ("exports", list(&inspection.exports)),
        ("imports", list(&inspection.imports)),
        ("needs grants", list(&inspection.grants)),
        ("size", format!("{} bytes", inspection.size)),
        ("digest", inspection.digest.to_string()),
    ]);
    for (what, value) in lines {
        println!("{what:<14} {value}");
    }
    Ok(())
}

fn list(items: &[impl AsRef<str>]) -> String {
    match items {
        [] => "none".to_owned(),
        _ => items.iter().map(AsRef::as_ref).collect::<Vec<_>>().join(", "),
    }
}

fn subscription(filter: &EventFilter) -> String {
    let EventFilter { kinds, policies, binaries, namespaces, arguments } = filter;
    let kinds = match kinds.as_slice() {
        [] => "those of hooks".to_owned(),
        kinds => kinds.iter().map(|kind| kind.name()).collect::<Vec<_>>().join(", "),
    };
    let mut parts = vec![kinds];
    for (what, globs) in [("of policies", policies), ("of binaries", binaries), ("in namespaces", namespaces)]
    {
        if !globs.is_empty() {
            parts.push(format!("{what} {}", patterns(globs)));
        }
    }
    for ArgumentPredicate { index, field, values } in arguments {
        let dot = if field.is_empty() { "" } else { "." };
        parts.push(format!("with argument {index}{dot}{field} {}", patterns(values)));
    }
    parts.join("; ")
}

fn patterns(globs: &[Glob]) -> String {
    globs.iter().map(Glob::pattern).collect::<Vec<_>>().join(" or ")
}
