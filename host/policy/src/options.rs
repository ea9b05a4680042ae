//! Reads `spec.options`: how the policy as a whole is loaded.

use crate::fields::{Field, Fields};
use crate::report::Report;
use crate::schema::{OPTION, OPTIONS, OVERRIDE_METHODS, POLICY_MODES, PolicyOption};
use crate::selector::read_each;

/// What the options of a policy say.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Options {
    /// `policy-mode: monitor`.
    pub(crate) monitor: bool,
    /// `disable-kprobe-multi`.
    pub(crate) one_by_one: bool,
}

/// What a switch may hold, as Go's `strconv.ParseBool` takes it.
const ON: &[&str] = &["true", "True", "TRUE", "t", "T", "1"];
const OFF: &[&str] = &["false", "False", "FALSE", "f", "F", "0"];

/// Reads the options; each may be given once.
pub(crate) fn read(options: Field<'_>, report: &mut Report<'_>) -> Option<Options> {
    let mut read = Options::default();
    let mut seen: Vec<String> = vec![];
    read_each(options, report, |item, report| {
        let fields = Fields::read(item.node, &OPTION, report)?;
        let name = fields.require("name", report);
        let value = fields.require("value", report);
        let (name, value) = (name?, value?);
        let option = name.word(&OPTIONS, report)?;
        let text = name.string(report)?;
        if seen.iter().any(|seen| seen == text) {
            report.error_with_help(name.span(), "this option is given twice", "leave one out");
            return None;
        }
        seen.push(text.into());
        match option {
            PolicyOption::Mode => read.monitor = value.word(&POLICY_MODES, report)?,
            PolicyOption::OneByOne => read.one_by_one = switch(value, report)?,
            // There is nothing that it would change.
            PolicyOption::Switch => drop(switch(value, report)?),
            PolicyOption::Room => drop(number(value, report)?),
            // How a call is refused is found out by trying what the kernel has.
            PolicyOption::OverrideMethod => value.word(&OVERRIDE_METHODS, report)?,
        }
        Some(())
    })?;
    Some(read)
}

fn switch(value: Field<'_>, report: &mut Report<'_>) -> Option<bool> {
    let is_any = |texts: &[&str]| texts.iter().any(|text| value.node.is_text(text));
    match (is_any(ON), is_any(OFF)) {
        (true, _) => Some(true),
        (_, true) => Some(false),
        _ => value.refuse("`true` or `false`", report),
    }
}

/// A number, in quotes or not.
fn number(value: Field<'_>, report: &mut Report<'_>) -> Option<u64> {
    let number = value.text(report)?.parse().ok().filter(|&number| number > 0);
    number.or_else(|| value.refuse("a whole number above 0", report))
}
