//! Reads `CelExpr`: expressions of the Common Expression Language over integer arguments.
//!
//! <https://github.com/google/cel-spec/blob/master/doc/langdef.md>

mod check;

use std::ops::Range;

use cel::Env;

use crate::diagnostic::quote;
use crate::fields::Field;
use crate::hook::Known;
use crate::report::Report;
use crate::{ArgumentFilter, Expression, MAX_VALUE, Part, Test};

/// Stack to parse and check with: both call themselves for each level of what may be nested as deeply as it is long.
const STACK: usize = 64 << 20;

/// What is wrong with an expression.
struct Wrong {
    /// Where, in characters.
    at: Range<usize>,
    message: String,
    /// What to write instead.
    help: String,
}

/// Reads the only value of a filter.
pub(crate) fn read(
    values: Field<'_>,
    arguments: &[Known],
    report: &mut Report<'_>,
) -> Option<ArgumentFilter> {
    let items: Vec<_> = values.items(report)?.collect();
    let [item] = items.as_slice() else {
        let message = "this operator takes one expression";
        report.error_with_help(values.span(), message, "write `(…) && (…)`, or a filter for each");
        return None;
    };
    let text = item.text(report)?;
    if text.len() > MAX_VALUE {
        let message = format!("this expression has {} bytes; at most {MAX_VALUE} are read", text.len());
        report.error(item.span(), message);
        return None;
    }
    match compile(text, arguments) {
        Ok(expression) => {
            let slot = expression.arguments().first().copied().unwrap_or(0);
            Some(ArgumentFilter {
                slot,
                part: Part::Value,
                negated: false,
                test: Test::Expression(expression),
            })
        }
        Err(Wrong { at, message, help }) => {
            report.error_with_help(item.span().part(text, &at), message, help);
            None
        }
    }
}

fn compile(text: &str, arguments: &[Known]) -> Result<Expression, Wrong> {
    let failed = || Wrong {
        at: 0..text.chars().count(),
        message: format!("{} is not an expression", quote(text)),
        help: "write it like `arg0 == int32(1) || arg1 < arg2`".into(),
    };
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("serin-cel".into()).stack_size(STACK);
        let thread = thread.spawn_scoped(scope, || parse(text, arguments)).map_err(|_| failed())?;
        thread.join().unwrap_or_else(|_| Err(failed()))
    })
}

fn parse(text: &str, arguments: &[Known]) -> Result<Expression, Wrong> {
    let parser = Env::stdlib().with_optional_support(false).parser();
    match parser.parse_with_source_info(text) {
        Ok((parsed, places)) => check::check(&parsed, &places, text, arguments),
        Err(errors) => {
            let first = errors.errors.first();
            let (line, column) = first.map_or((1, 1), |error| error.pos);
            let at = offset(text, line, column);
            // Not all that could stand there.
            let reason = first.map_or("", |error| error.msg.as_str()).trim_start_matches("Syntax error: ");
            let reason = reason.split(" expecting ").next().unwrap_or_default();
            Err(Wrong {
                at: at..at + 1,
                message: format!("{} is not an expression: {reason}", quote(text)),
                help: "write it like `arg0 == int32(1) || arg1 < arg2`".into(),
            })
        }
    }
}

/// The place of a line and column, both from 1, in characters from the start.
fn offset(text: &str, line: isize, column: isize) -> usize {
    let (line, column) = (usize::try_from(line).unwrap_or(1), usize::try_from(column).unwrap_or(1));
    let before = text.split_inclusive('\n').take(line.saturating_sub(1));
    before.map(|line| line.chars().count()).sum::<usize>() + column.saturating_sub(1)
}
