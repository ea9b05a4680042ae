//! Reads one entry of `spec.kprobes`.

use crate::fields::{Field, Fields, is_default};
use crate::report::Report;
use crate::schema::{ARGUMENT, IGNORE, KPROBE, TYPES};
use crate::selector;
use crate::source::Span;
use crate::syscall::{self, SyscallError};
use crate::{
    ArgumentKind, ArgumentPlan, HookPlan, MAX_ARGUMENT_INDEX, MAX_MESSAGE, MAX_TAG, MAX_TAGS, Target,
};

/// Longest name of a kernel function, in bytes: `KSYM_NAME_LEN` without its NUL.
const MAX_FUNCTION: usize = 511;

/// Where the parts of a hook stand, for errors found after reading.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct HookPlaces {
    pub(crate) call: Span,
    pub(crate) arguments: Vec<ArgumentPlaces>,
}

/// Where the parts of an argument stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ArgumentPlaces {
    pub(crate) index: Span,
    pub(crate) kind: Span,
}

/// What is known of a hook while its selectors are read. Parts that were refused are missing.
pub(crate) struct Context {
    pub(crate) target: Option<Target>,
    /// Parameter numbers and types of the arguments; `None` if an argument was refused.
    pub(crate) arguments: Option<Vec<(u8, ArgumentKind)>>,
}

/// Reads a hook; `None` if anything in it was refused.
pub(crate) fn read(item: Field<'_>, report: &mut Report<'_>) -> Option<(HookPlan, HookPlaces)> {
    let fields = Fields::read(item.node, &KPROBE, report)?;
    let call = fields.require("call", report);
    let target = call.and_then(|call| read_target(call, &fields, report));
    let arguments = fields.get("args").map_or(Some(vec![]), |args| read_arguments(args, report));
    let message = fields.get("message").map_or(Some(""), |message| read_message(message, report));
    let tags = fields.get("tags").map_or(Some(vec![]), |tags| read_tags(tags, report));
    let ignore_not_found = fields.get("ignore").map_or(Some(false), |ignore| read_ignore(ignore, report));
    let signature =
        arguments.as_ref().map(|all| all.iter().map(|(plan, _)| (plan.index, plan.kind)).collect());
    let context = Context { target, arguments: signature };
    let selectors = selector::read_all(&fields, &context, report);

    let call = call?.span();
    let (arguments, argument_places) = arguments?.into_iter().unzip();
    let plan = HookPlan {
        target: context.target?,
        arguments,
        selectors: selectors?,
        message: message?.into(),
        tags: tags?,
        ignore_not_found: ignore_not_found?,
        position: (call.line, call.column),
    };
    Some((plan, HookPlaces { call, arguments: argument_places }))
}

fn read_target(call: Field<'_>, fields: &Fields<'_>, report: &mut Report<'_>) -> Option<Target> {
    let name = call.string(report)?;
    // The schema's default, and the most frequent error: a kernel function without `syscall: false`.
    let is_syscall = fields.get("syscall").map_or(Some(true), |syscall| syscall.boolean(report))?;
    if name.starts_with("list:") {
        report.error(call.span(), "`list:…` refers to `spec.lists`, which is not supported yet");
        return None;
    }
    if is_syscall {
        read_syscall(name, call.span(), report)
    } else {
        read_function(name, call.span(), report)
    }
}

fn read_syscall(name: &str, span: Span, report: &mut Report<'_>) -> Option<Target> {
    match syscall::find(name) {
        Ok((name, number)) => return Some(Target::Syscall { name, number }),
        Err(SyscallError::Foreign(prefix)) => {
            let message = format!("`{prefix}…` calls are not supported yet");
            report.error_with_help(span, message, "only 64-bit calls of x86_64 can be hooked: write `sys_…`");
        }
        Err(SyscallError::Unknown(suggestion)) => {
            let message = format!("{} is not a system call", crate::diagnostic::quote(name));
            let did_you_mean =
                suggestion.map(|name| format!("did you mean `sys_{name}`? ")).unwrap_or_default();
            let help =
                format!("{did_you_mean}for a kernel function write `syscall: false`; it is true by default");
            report.error_with_help(span, message, help);
        }
    }
    None
}

fn read_function(name: &str, span: Span, report: &mut Report<'_>) -> Option<Target> {
    let is_symbol = |character: char| character.is_ascii_alphanumeric() || "_.$".contains(character);
    if syscall::is_entry(name) {
        let message =
            format!("`{name}` is the entry of a system call, whose arguments are not its parameters");
        report.error_with_help(span, message, "write `syscall: true`");
        return None;
    }
    if name.len() > MAX_FUNCTION
        || !name.chars().all(is_symbol)
        || name.starts_with(|c: char| c.is_ascii_digit())
    {
        let message = format!("{} is not the name of a kernel function", crate::diagnostic::quote(name));
        report.error_with_help(span, message, "write a name from /proc/kallsyms, such as `fd_install`");
        return None;
    }
    Some(Target::Function(name.into()))
}

fn read_arguments(args: Field<'_>, report: &mut Report<'_>) -> Option<Vec<(ArgumentPlan, ArgumentPlaces)>> {
    let mut arguments: Vec<(ArgumentPlan, ArgumentPlaces)> = vec![];
    let mut complete = true;
    for item in args.items(report)? {
        let (plan, places) = match read_argument(item, report) {
            Some(Some(read)) => read,
            Some(None) => continue,
            None => {
                complete = false;
                continue;
            }
        };
        if let Some((_, first)) = arguments.iter().find(|(other, _)| other.index == plan.index) {
            let message =
                format!("parameter {} is read twice, first on line {}", plan.index, first.index.line);
            report.error_with_help(places.index, message, "keep one of them");
            complete = false;
        }
        arguments.push((plan, places));
    }
    complete.then_some(arguments)
}

/// Reads an argument; `Some(None)` for one of type `nop`, which only holds a place.
fn read_argument(item: Field<'_>, report: &mut Report<'_>) -> Option<Option<(ArgumentPlan, ArgumentPlaces)>> {
    let fields = Fields::read(item.node, &ARGUMENT, report)?;
    let index_field = fields.require("index", report);
    let index = index_field.and_then(|index| index.integer("a whole number", 0..=MAX_ARGUMENT_INDEX, report));
    let kind_field = fields.require("type", report);
    let kind = kind_field.and_then(|kind| kind.word(&TYPES, report));
    let label = fields.get("label").map_or(Some(""), |label| label.optional_string(report));
    let places = ArgumentPlaces { index: index_field?.span(), kind: kind_field?.span() };
    let (index, label) = (index?, label?.into());
    let Some(kind) = kind? else { return Some(None) };
    let kind = read_size(&fields, kind, places.kind, report)?;
    Some(Some((ArgumentPlan { index, kind, label }, places)))
}

/// Completes the type of bytes by the parameter that has their number, which the file counts from 1.
fn read_size(
    fields: &Fields<'_>,
    kind: ArgumentKind,
    span: Span,
    report: &mut Report<'_>,
) -> Option<ArgumentKind> {
    let size = fields.get("sizeArgIndex").filter(|size| !is_default(size.node));
    match (kind, size) {
        (ArgumentKind::Bytes { .. }, Some(size)) => {
            let number = size.integer("a whole number", 1..=MAX_ARGUMENT_INDEX + 1, report)?;
            Some(ArgumentKind::Bytes { size: number - 1 })
        }
        (ArgumentKind::Bytes { .. }, None) => {
            let help = "add `sizeArgIndex: …`, the number of that parameter, counted from 1";
            report.error_with_help(
                span,
                "`char_buf` needs a parameter that says how many bytes there are",
                help,
            );
            None
        }
        (kind, None) => Some(kind),
        (_, Some(size)) => {
            report.error_with_help(
                size.span(),
                "`sizeArgIndex` belongs to the type `char_buf`",
                "leave it out",
            );
            None
        }
    }
}

fn read_message<'n>(message: Field<'n>, report: &mut Report<'_>) -> Option<&'n str> {
    let text = message.optional_string(report)?;
    if text.len() == 1 || text.len() > MAX_MESSAGE {
        let length = text.len();
        report.error(
            message.span(),
            format!("`spec.kprobes.message` must have 2 to {MAX_MESSAGE} bytes, not {length}"),
        );
        return None;
    }
    Some(text)
}

fn read_tags(tags: Field<'_>, report: &mut Report<'_>) -> Option<Vec<String>> {
    let mut texts = vec![];
    let mut complete = true;
    for (index, item) in tags.items(report)?.enumerate() {
        if index == MAX_TAGS {
            report.error(item.span(), format!("`spec.kprobes.tags` has more than {MAX_TAGS} tags"));
            return None;
        }
        let text = item.string(report);
        if let Some(text) = text.filter(|text| !(2..=MAX_TAG).contains(&text.len())) {
            report.error(item.span(), format!("a tag must have 2 to {MAX_TAG} bytes, not {}", text.len()));
            complete = false;
        }
        complete &= text.is_some();
        texts.extend(text.map(String::from));
    }
    complete.then_some(texts)
}

fn read_ignore(ignore: Field<'_>, report: &mut Report<'_>) -> Option<bool> {
    let fields = Fields::read(ignore.node, &IGNORE, report)?;
    fields.get("callNotFound").map_or(Some(false), |field| field.boolean(report))
}
