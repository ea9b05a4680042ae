//! Holds the tracepoints of a policy against the formats of the kernel's trace events.

use serin_btf::{FormatField, TracefsError};

use crate::hook::HookPlaces;
use crate::kernel::{Findings, GIVE_TRACEFS, Record};
use crate::record::{self, find, is_untold, own_type, told, untold_elements};
use crate::report::Report;
use crate::source::Span;
use crate::suggest::nearest;
use crate::{ArgumentKind, Diagnostic, HookPlan, Policy, Target, TargetKernel, TraceEvent};

impl Policy {
    /// Checks that the tracepoints exist and have the fields that the policy reads.
    ///
    /// # Errors
    /// If there are some, and the kernel's formats cannot be read.
    pub fn check_tracepoints(&self, kernel: TargetKernel<'_>) -> Result<Findings, TracefsError> {
        let mut findings = Findings::default();
        for (hook, places) in self.plan().hooks.iter().zip(&self.hooks) {
            let Target::Tracepoint(event) = &hook.target else { continue };
            let diagnostic = |span: Span, message: String, help: String| {
                Diagnostic::new(&self.source, span, message, Some(help))
            };
            let note = |message: String, help: String| diagnostic(places.call, message, help);
            match kernel.record(event)? {
                Record::Fields(fields) => self.check_fields(hook, places, &fields, &mut findings),
                Record::Named(fields) => {
                    let message = format!(
                        "of `{event}` the BTF tells the fields, and not whether it is of the subsystem `{}`",
                        event.subsystem
                    );
                    findings.untold.push(note(message, GIVE_TRACEFS.into()));
                    self.check_fields(hook, places, &fields, &mut findings);
                }
                Record::Missing(names) => {
                    let message = format!("this kernel has no tracepoint `{event}`");
                    findings.wrong.push(note(message, suggest(event, &names)));
                }
                Record::Untold(reason, near) => {
                    let message = format!("`{event}` was not checked: {reason}");
                    findings.untold.push(note(message, meant(near) + GIVE_TRACEFS));
                }
            }
        }
        Ok(findings)
    }

    /// Checks the arguments of a hook on an event whose record has these fields.
    fn check_fields(
        &self,
        hook: &HookPlan,
        places: &HookPlaces,
        fields: &[FormatField],
        findings: &mut Findings,
    ) {
        let Target::Tracepoint(event) = &hook.target else { return };
        let diagnostic =
            |span, message, help: &str| Diagnostic::new(&self.source, span, message, Some(help.into()));
        for (argument, places) in hook.arguments.iter().zip(&places.arguments) {
            match record::check(argument, event, fields) {
                Ok(None) => {}
                Ok(Some(untold)) => findings.untold.push(diagnostic(places.kind, untold, GIVE_TRACEFS)),
                Err(wrong) => {
                    let span = if wrong.in_type { places.kind } else { places.index };
                    findings.wrong.push(diagnostic(span, wrong.message, &wrong.help));
                }
            }
        }
    }
}

/// What to do where no type is known.
const WRITE_TYPE: &str = "write the type";

/// The type of a field of a tracepoint's record, as the kernel has it that the policy is read for.
pub(crate) fn kind_of_field(
    target: &Target,
    index: u8,
    span: Span,
    report: &mut Report<'_>,
) -> Option<ArgumentKind> {
    let Target::Tracepoint(event) = target else {
        let message = "`auto` is the type of fields in records of tracepoints, which the kernel tells";
        report.error_with_help(span, message, WRITE_TYPE);
        return None;
    };
    let not_known = |reason: String| format!("the type of field {index} is not known: {reason}");
    let fields = match report.kernel().record(event) {
        Ok(Record::Fields(fields) | Record::Named(fields)) => fields,
        Ok(Record::Missing(names)) => {
            let message = format!("this kernel has no tracepoint `{event}`");
            report.error_with_help(span, message, suggest(event, &names));
            return None;
        }
        Ok(Record::Untold(reason, near)) => {
            let help = format!("{}{WRITE_TYPE}, or {GIVE_TRACEFS}", meant(near));
            report.error_with_help(span, not_known(reason), help);
            return None;
        }
        Err(error) => {
            report.error_with_help(span, not_known(error.to_string()), WRITE_TYPE);
            return None;
        }
    };
    let field = match find(index, event, &fields) {
        Ok(field) => field,
        Err(wrong) => {
            report.error_with_help(span, wrong.message, wrong.help);
            return None;
        }
    };
    let kind = own_type(field);
    if is_untold(field) {
        let help = format!("write `data_loc` if they are characters, or {GIVE_TRACEFS}");
        report.error_with_help(span, untold_elements(index, event, field), help);
    } else if kind.is_none() {
        let message = format!("field {index} (`{}`) of `{event}` is {}", field.name, told(field));
        report.error_with_help(span, message, "write a type: `auto` reads integers and arrays of characters");
    }
    kind
}

/// Asks whether an event with this name was meant, before something else is advised.
fn meant(near: Option<String>) -> String {
    near.map(|near| format!("did you mean `{near}`? Else ")).unwrap_or_default()
}

fn suggest(event: &TraceEvent, names: &[String]) -> String {
    nearest(&event.to_string(), names.iter().map(String::as_str)).map_or_else(
        || "the directories in /sys/kernel/tracing/events show which there are".into(),
        |suggestion| format!("did you mean `{suggestion}`?"),
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::path::Path;

    use serin_btf::{Btf, Tracefs};

    use super::*;

    const FORMAT: &str = "name: e
ID: 7
format:
\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;
\tfield:int common_pid;\toffset:4;\tsize:4;\tsigned:1;

\tfield:long id;\toffset:8;\tsize:8;\tsigned:1;
\tfield:unsigned long args[6];\toffset:16;\tsize:48;\tsigned:0;
\tfield:char comm[16];\toffset:64;\tsize:16;\tsigned:0;
\tfield:__data_loc char[] name;\toffset:80;\tsize:4;\tsigned:0;
\tfield:void * skbaddr;\toffset:88;\tsize:8;\tsigned:0;
\tfield:const char * filename;\toffset:96;\tsize:8;\tsigned:0;
\tfield:short adj;\toffset:104;\tsize:2;\tsigned:1;
";

    fn policy(event: &str, index: u8, kind: &str) -> String {
        format!(
            "{{apiVersion: cilium.io/v1alpha1, kind: TracingPolicy, metadata: {{name: p}}, spec: {{tracepoints: [{{\
             subsystem: s, event: {event}, args: [{{index: {index}, type: {kind}, sizeArgIndex: {}}}]}}]}}}}",
            if kind == "char_buf" { 3 } else { 0 }
        )
    }

    /// A kernel whose only event is `s/e`, and what it makes of a policy.
    fn errors(event: &str, index: u8, kind: &str) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events/s/e");
        std::fs::create_dir_all(&path).unwrap();
        std::fs::write(path.join("format"), FORMAT).unwrap();
        let (types, tracefs) = (no_types(), Tracefs::copied(folder.path()).unwrap());
        let kernel = TargetKernel::Other { types: &types, tracefs: Some(&tracefs) };
        let policies = match Policy::parse_for(&policy(event, index, kind), Path::new("p.yaml"), kernel) {
            Ok(policies) => policies,
            Err(errors) => return vec![errors.to_string()],
        };
        let found = policies[0].check_tracepoints(kernel).unwrap();
        assert_eq!(found.untold, []);
        found.wrong.iter().map(ToString::to_string).collect()
    }

    /// A header of BTF, and nothing behind it.
    fn no_types() -> Btf {
        let mut bytes = vec![0x9f, 0xeb, 1, 0, 24];
        bytes.resize(24, 0);
        Btf::parse(bytes).unwrap()
    }

    #[test]
    fn types_that_fit_their_fields_are_taken() {
        for (index, kind) in [
            (2, "int64"),
            (2, "uint32"),
            (2, "syscall64"),
            (2, "fd"),
            (4, "string"),
            (5, "string"),
            (5, "data_loc"),
            (6, "skb"),
            (6, "sock"),
            (6, "uint64"),
            (7, "string"),
            (7, "char_buf"),
            (8, "int16"),
            (3, "const_buf"),
            (3, "auto"),
            (2, "auto"),
            (4, "auto"),
            (5, "auto"),
        ] {
            assert_eq!(errors("e", index, kind), [] as [&str; 0], "{index}: {kind}");
        }
    }

    #[test]
    fn what_does_not_fit_is_told_with_what_to_write() {
        for (event, index, kind, expected) in [
            ("f", 2, "int", ["no tracepoint `s/f`", "did you mean `s/e`?"]),
            ("e", 9, "int", ["`s/e` has 9 fields, so there is no field 9", "counted from 0"]),
            ("e", 1, "int", ["field 1 (`common_pid`) of `s/e` cannot be read", "leave it out"]),
            ("e", 2, "string", ["field 2 (`id`) of `s/e` is a signed integer of 8 bytes", "write `int64`"]),
            ("e", 8, "int", ["is a signed integer of 2 bytes", "write `int16`"]),
            ("e", 3, "uint64", ["is an array of `unsigned long`", "write `const_buf`"]),
            ("e", 2, "const_buf", ["is a signed integer of 8 bytes", "write `int64`"]),
            ("e", 7, "const_buf", ["is a pointer to `char`", "`char_buf` with `sizeArgIndex`"]),
            ("e", 4, "data_loc", ["is an array of `char`", "write `string`"]),
            ("e", 5, "int", ["as long as it happens to be", "write `string`"]),
            ("e", 7, "sock", ["is a pointer to `char`", "write `string`"]),
            ("e", 6, "int", ["is a pointer to `void`", "write `uint64`"]),
            ("f", 2, "auto", ["no tracepoint `s/f`", "did you mean `s/e`?"]),
        ] {
            let errors = errors(event, index, kind);
            let [error] = errors.as_slice() else { panic!("{index} {kind}: {errors:?}") };
            assert!(expected.iter().all(|text| error.contains(text)), "{index} {kind}: {error}");
        }
    }
}
