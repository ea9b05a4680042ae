//! `spec.selectorsMacros`: filters with a name, which selectors take in.
//!
//! They are put in before anything is read, so that nothing behind this knows of them; what is wrong in a macro is
//! told with its place in the macro.

use crate::MAX_TEXT;
use crate::diagnostic::quote;
use crate::fields::{Field, Fields, is_default};
use crate::report::Report;
use crate::schema::{MACRO, SECTIONS, SPEC};
use crate::selector::read_each;
use crate::source::Span;
use crate::suggest::nearest;
use crate::tree::{Entry, Node, Value};

/// The specification with macros put into the selectors that name them, and whether none of it was refused.
pub(crate) fn expand(spec: &Node, report: &mut Report<'_>) -> (Node, bool) {
    let mut spec = spec.clone();
    let macros = spec.field("selectorsMacros").cloned();
    let entries = entries(macros.as_ref(), report);
    let mut complete = entries.is_some();
    let mut expansion = Expansion { macros: entries.unwrap_or_default(), left: MAX_TEXT, report };
    for section in SECTIONS {
        for selector in selectors(&mut spec, section.name) {
            complete &= expansion.selector(selector).is_some();
        }
    }
    (spec, complete)
}

/// The macros, each a mapping of filters.
fn entries<'n>(macros: Option<&'n Node>, report: &mut Report<'_>) -> Option<&'n [Entry]> {
    let Some(node) = macros.filter(|node| !is_default(node)) else { return Some(&[]) };
    let Value::Mapping(entries) = &node.value else {
        let field = Field { path: SPEC.path, name: "selectorsMacros", in_list: false, node };
        return field.refuse("a mapping of names to filters", report);
    };
    let read: Vec<_> = entries.iter().map(|entry| check(&entry.node, report)).collect();
    read.iter().all(Option::is_some).then_some(entries)
}

fn check(filters: &Node, report: &mut Report<'_>) -> Option<()> {
    let fields = Fields::read(filters, &MACRO, report)?;
    if let Some(nested) = fields.get("macros") {
        report.error_with_help(nested.span(), "a macro cannot take in others", "write its filters out");
        return None;
    }
    (!fields.refused()).then_some(())
}

/// The selectors of a section's hooks. What has another shape is refused where it is read.
fn selectors<'n>(spec: &'n mut Node, section: &str) -> Vec<&'n mut Node> {
    let hooks = sequence(spec.field_mut(section));
    hooks.into_iter().flat_map(|hook| sequence(hook.field_mut("selectors"))).collect()
}

fn sequence(node: Option<&mut Node>) -> Vec<&mut Node> {
    match node.map(|node| &mut node.value) {
        Some(Value::Sequence(nodes)) => nodes.iter_mut().collect(),
        _ => vec![],
    }
}

struct Expansion<'n, 'r, 's> {
    macros: &'n [Entry],
    /// How much may still be put in: few lines could otherwise stand for more than memory holds.
    left: usize,
    report: &'r mut Report<'s>,
}

impl Expansion<'_, '_, '_> {
    fn selector(&mut self, selector: &mut Node) -> Option<()> {
        let Value::Mapping(fields) = &mut selector.value else { return Some(()) };
        let Some(index) = fields.iter().position(|entry| entry.key == "macros") else { return Some(()) };
        let names = fields.remove(index).node;
        if is_default(&names) {
            return Some(());
        }
        let names = Field { path: "spec.kprobes.selectors", name: "macros", in_list: false, node: &names };
        let filters = read_each(names, self.report, |name, report| {
            let text = name.string(report)?;
            let found = self.macros.iter().find(|entry| entry.key == text);
            if found.is_none() {
                let all = self.macros.iter().map(|entry| entry.key.as_str());
                let help = match nearest(text, all) {
                    Some(other) => format!("did you mean `{other}`?"),
                    None => format!("add `{text}` with its filters to `spec.selectorsMacros`"),
                };
                report.error_with_help(name.span(), format!("there is no macro {}", quote(text)), help);
            }
            Some((name.span(), &found?.node))
        })?;
        filters.into_iter().try_for_each(|(name, node)| self.put_in(fields, name, node))
    }

    fn put_in(&mut self, fields: &mut Vec<Entry>, name: Span, filters: &Node) -> Option<()> {
        let Value::Mapping(entries) = &filters.value else { return None };
        for entry in entries {
            if fields.iter().any(|field| field.key == entry.key) {
                let message =
                    format!("`{}` is in the selector or in another of its macros already", entry.key);
                let help = "a selector takes each field from one place: leave it out in one";
                self.report.error_with_help(name, message, help);
                return None;
            }
            self.left = match self.left.checked_sub(entry.node.size()) {
                Some(left) => left,
                None => {
                    let message =
                        format!("the macros that are taken in have more than {MAX_TEXT} bytes in all");
                    self.report.error_with_help(name, message, "split the policy");
                    return None;
                }
            };
            fields.push(entry.clone());
        }
        Some(())
    }
}
