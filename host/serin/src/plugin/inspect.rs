//! `serin plugin inspect`: what a component is, before anybody runs it.

use std::path::Path;

use anyhow::Result;
use serin_pipeline::{EventFilter, Inspection};

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
    let kinds: Vec<&str> = filter.kinds.iter().map(|kind| kind.name()).collect();
    let policies: Vec<&str> = filter.policies.iter().map(|policy| policy.pattern()).collect();
    match (kinds.is_empty(), policies.is_empty()) {
        (true, true) => "none".to_owned(),
        (_, true) => kinds.join(", "),
        (true, false) => format!("process_kprobe of policies {}", policies.join(", ")),
        (false, false) => format!("{}, of policies {}", kinds.join(", "), policies.join(", ")),
    }
}
