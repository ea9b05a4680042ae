//! Reads where an entry of `spec.tracepoints` hooks.

use crate::diagnostic::quote;
use crate::fields::{Field, Fields};
use crate::report::Report;
use crate::{Target, TraceEvent};

/// Longest name of a subsystem or an event, in bytes: `NAME_MAX`, as both are names of directories.
const MAX_NAME: usize = 255;

/// The tracepoint that an entry names.
pub(crate) fn read(event: Field<'_>, fields: &Fields<'_>, report: &mut Report<'_>) -> Option<Target> {
    let subsystem = fields.require("subsystem", report).and_then(|field| read_name(field, report));
    let event = read_name(event, report);
    let raw = fields.get("raw").map_or(Some(false), |raw| raw.boolean(report))?;
    let event = TraceEvent { subsystem: subsystem?.into(), name: event?.into() };
    Some(if raw { Target::RawTracepoint(event) } else { Target::Tracepoint(event) })
}

fn read_name<'n>(field: Field<'n>, report: &mut Report<'_>) -> Option<&'n str> {
    let name = field.string(report)?;
    let is_allowed = |character: char| character.is_ascii_alphanumeric() || "_-".contains(character);
    if name.len() > MAX_NAME || !name.chars().all(is_allowed) {
        let message = format!("{} is not the name of a trace event or of its subsystem", quote(name));
        let help = "write names from /sys/kernel/tracing/events, such as `sched` and `sched_process_exec`";
        report.error_with_help(field.span(), message, help);
        return None;
    }
    Some(name)
}
