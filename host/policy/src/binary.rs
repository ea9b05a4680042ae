//! Reads `matchBinaries` and `matchParentBinaries`.

use crate::diagnostic::quote;
use crate::fields::{Field, Fields, Shape};
use crate::report::Report;
use crate::schema::BINARY_OPERATORS;
use crate::selector::read_each;
use crate::{BinaryComparison, BinaryCondition, BinaryFilter, MAX_VALUE};

/// Reads one filter.
pub(crate) fn read(item: Field<'_>, shape: &'static Shape, report: &mut Report<'_>) -> Option<BinaryFilter> {
    let fields = Fields::read(item.node, shape, report)?;
    let operator = fields.require("operator", report).and_then(|field| field.word(&BINARY_OPERATORS, report));
    let follow_children = fields.get("followChildren").map_or(Some(false), |field| field.boolean(report));
    let values = fields.require("values", report)?;
    // Without a known operator the values are read as paths: they most probably are.
    let comparison = operator.map_or(BinaryComparison::Equal, |(_, comparison)| comparison);
    let values = read_each(values, report, |item, report| read_value(item, comparison, report));
    let condition = BinaryCondition { comparison, values: values?, follow_children: follow_children? };
    Some(BinaryFilter { negated: operator?.0, condition })
}

fn read_value(item: Field<'_>, comparison: BinaryComparison, report: &mut Report<'_>) -> Option<String> {
    let path = item.string(report)?;
    if path.contains('\0') || comparison != BinaryComparison::Postfix && !path.starts_with('/') {
        let (what, help) = match comparison {
            BinaryComparison::Equal => {
                ("is not an absolute path", "write the path of the executable, such as `/usr/bin/ln`")
            }
            BinaryComparison::Prefix => {
                ("is not how absolute paths start", "write it with a slash first, such as `/usr/bin/`")
            }
            BinaryComparison::Postfix => ("is not how paths end", "write it without NUL, such as `/ln`"),
        };
        report.error_with_help(item.span(), format!("{} {what}", quote(path)), help);
        return None;
    }
    if path.len() > MAX_VALUE {
        let length = path.len();
        let message = format!("this path has {length} bytes; paths of binaries have at most {MAX_VALUE}");
        report.error(item.span(), message);
        return None;
    }
    Some(path.into())
}
