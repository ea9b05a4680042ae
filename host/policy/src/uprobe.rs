//! Reads where an entry of `spec.uprobes` hooks.

use std::path::Path;
use std::sync::Arc;

use crate::diagnostic::quote;
use crate::fields::{Field, Fields, is_default};
use crate::report::Report;
use crate::scalar::parse_integer;
use crate::schema::UPROBE_IGNORE;
use crate::selector::read_each;
use crate::source::Span;
use crate::{Digest, ProgramPlace, Target, Uprobe, digest};

/// Longest path, in bytes: `PATH_MAX` without its NUL.
const MAX_PATH: usize = 4095;

/// Longest symbol, in bytes.
const MAX_SYMBOL: usize = 4095;

/// The ways to say where in the program to hook, of which an entry has one.
const WAYS: [&str; 3] = ["symbols", "offsets", "addrs"];

/// The places that an entry names, each with where it stands.
pub(crate) fn read(
    path: Field<'_>,
    fields: &Fields<'_>,
    report: &mut Report<'_>,
) -> Option<Vec<(Target, Span)>> {
    let path = read_path(path, report);
    let types = read_types(fields, report);
    let (digests, ignore_digests) = (read_digests(fields, report), read_ignore(fields, report));
    let ways: Vec<_> = WAYS.into_iter().filter_map(|way| fields.get(way)).collect();
    let [way] = ways.as_slice() else {
        let message = "an entry of `spec.uprobes` must have one of `symbols`, `offsets` and `addrs`";
        let span = ways.last().map_or(fields.span(), |way| way.span());
        report.error_with_help(span, message, "write `symbols: [\"…\"]` to hook a function by its name");
        return None;
    };
    let places = read_each(*way, report, |item, report| {
        let place = if way.name == "symbols" { read_symbol(item, report) } else { read_number(item, report) };
        Some((place?, item.span()))
    })?;
    let counters = read_counters(fields, places.len(), report)?;
    let (path, types, digests, ignore_digests) = (path?, types?, digests?, ignore_digests?);
    let probe = |place, counter| Uprobe {
        path: path.into(),
        place,
        types: types.clone(),
        counter,
        digests: Arc::clone(&digests),
        ignore_digests,
    };
    let target = |((place, span), counter)| (Target::Uprobe(probe(place, counter)), span);
    Some(places.into_iter().zip(counters).map(target).collect())
}

/// `binaryDigests`; none if any file will do.
fn read_digests(fields: &Fields<'_>, report: &mut Report<'_>) -> Option<Arc<[Digest]>> {
    let field = fields.get("binaryDigests").filter(|field| !is_default(field.node));
    field.map_or(Some(vec![]), |field| read_each(field, report, digest::read)).map(Arc::from)
}

/// `ignore.digestVerificationFailure`
fn read_ignore(fields: &Fields<'_>, report: &mut Report<'_>) -> Option<bool> {
    let Some(ignore) = fields.get("ignore").filter(|field| !is_default(field.node)) else {
        return Some(false);
    };
    let fields = Fields::read(ignore.node, &UPROBE_IGNORE, report)?;
    fields.get("digestVerificationFailure").map_or(Some(false), |field| field.boolean(report))
}

/// `refCtrOffsets`, one for each place; 0 for none.
fn read_counters(fields: &Fields<'_>, places: usize, report: &mut Report<'_>) -> Option<Vec<u64>> {
    let Some(field) = fields.get("refCtrOffsets").filter(|field| !is_default(field.node)) else {
        return Some(vec![0; places]);
    };
    let counters = read_each(field, report, |item, report| {
        item.integer("a whole number", 0..=u64::from(u32::MAX), report)
    })?;
    if counters.len() != places {
        let message = format!("the number of counters is {}, that of places {places}", counters.len());
        report.error_with_help(field.span(), message, "write one for each, and 0 where there is none");
        return None;
    }
    Some(counters)
}

/// `btfPath`; `Some(None)` if there is none.
pub(crate) fn read_types(fields: &Fields<'_>, report: &mut Report<'_>) -> Option<Option<String>> {
    // Tetragon does not mind the case of letters.
    let types = fields.get("btfPath").or(fields.get("BTFPath")).filter(|field| !is_default(field.node));
    types.map_or(Some(None), |field| read_path(field, report).map(|path| Some(path.into())))
}

pub(crate) fn read_path<'n>(field: Field<'n>, report: &mut Report<'_>) -> Option<&'n str> {
    let path = field.string(report)?;
    if !Path::new(path).is_absolute() || path.contains('\0') || path.len() > MAX_PATH {
        let message = format!("{} is not an absolute path", quote(path));
        report.error_with_help(field.span(), message, "write the path of a program or library: `/bin/bash`");
        return None;
    }
    Some(path)
}

/// A symbol, perhaps with how many bytes behind it: `main`, `main+0x10`.
pub(crate) fn read_symbol(item: Field<'_>, report: &mut Report<'_>) -> Option<ProgramPlace> {
    let text = item.string(report)?;
    let (name, offset) = match text.split_once('+') {
        Some((name, offset)) => (name, parse_integer(offset).and_then(|offset| u64::try_from(offset).ok())),
        None => (text, Some(0)),
    };
    match offset.filter(|_| !name.is_empty() && name.len() <= MAX_SYMBOL) {
        Some(offset) => Some(ProgramPlace::Symbol { name: name.into(), offset }),
        None => {
            let message = format!("{} is not a symbol", quote(text));
            report.error_with_help(
                item.span(),
                message,
                "write its name, or `name+0x10` for bytes behind it",
            );
            None
        }
    }
}

fn read_number(item: Field<'_>, report: &mut Report<'_>) -> Option<ProgramPlace> {
    let number = item.integer("a whole number", 0..=u64::MAX, report)?;
    Some(if item.name == "offsets" { ProgramPlace::Offset(number) } else { ProgramPlace::Address(number) })
}
