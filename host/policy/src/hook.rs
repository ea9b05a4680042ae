//! Reads one hook: an entry of `spec.kprobes`, `fentries` or `lsmhooks`.

use crate::fields::{Field, Fields, is_default};
use crate::lists::{List, Lists};
use crate::report::Report;
use crate::schema::{ARGUMENT, IGNORE, Section, TYPES};
use crate::source::Span;
use crate::suggest::nearest;
use crate::syscall::{self, SyscallError};
use crate::{
    ArgumentKind, ArgumentPlan, HookPlan, MAX_ARGUMENT_INDEX, MAX_MESSAGE, MAX_TAG, MAX_TAGS, Target,
};
use crate::{returned, selector, socket};

/// Longest name of a kernel function, in bytes: `KSYM_NAME_LEN` without its NUL.
const MAX_FUNCTION: usize = 511;

/// Where the parts of a hook stand, for errors found after reading.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HookPlaces {
    pub(crate) call: Span,
    pub(crate) arguments: Vec<ArgumentPlaces>,
    /// Where `returnArg.type` stands, if the return is waited for.
    pub(crate) returns: Option<Span>,
    /// Whether it comes of a list that was generated: no types fit the parameters of all its members.
    pub(crate) generated: bool,
}

/// Where the parts of an argument stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ArgumentPlaces {
    pub(crate) index: Span,
    pub(crate) kind: Span,
}

/// What is known of a hook while its selectors are read. Parts that were refused are missing.
pub(crate) struct Context {
    pub(crate) targets: Vec<Target>,
    /// Parameter numbers and types of the arguments; `None` if an argument was refused.
    pub(crate) arguments: Option<Vec<(u8, ArgumentKind)>>,
    /// Whether the return is waited for, and the type of what is returned unless that was refused.
    pub(crate) returns: Option<Option<ArgumentKind>>,
}

/// Reads a hook, or those that an entry with a list stands for; `None` if anything in it was refused.
pub(crate) fn read(
    item: Field<'_>,
    section: &Section,
    lists: Option<&Lists>,
    report: &mut Report<'_>,
) -> Option<Vec<(HookPlan, HookPlaces)>> {
    let fields = Fields::read(item.node, section.shape, report)?;
    let call = fields.require(section.target, report);
    let targets = call.and_then(|call| match section.name {
        "lsmhooks" => read_lsm_hook(call, report).map(Targets::from),
        _ => read_call(call, &fields, lists, report),
    });
    let arguments = fields.get("args").map_or(Some(vec![]), |args| read_arguments(args, report));
    let message = fields.get("message").map_or(Some(""), |message| read_message(message, report));
    let tags = fields.get("tags").map_or(Some(vec![]), |tags| read_tags(tags, report));
    let ignore_not_found = fields.get("ignore").map_or(Some(false), |ignore| read_ignore(ignore, report));
    let signature =
        arguments.as_ref().map(|all| all.iter().map(|(plan, _)| (plan.index, plan.kind)).collect());
    let all_targets = targets.as_ref().map_or(&[][..], |targets| &targets.all);
    // Of all system calls, those that return are waited for.
    let chosen = if targets.as_ref().is_some_and(|targets| targets.generated) { &[] } else { all_targets };
    let returns = returned::read(&fields, chosen, report);
    let return_kind = returns.as_ref().map(|read| read.as_ref().map(|(plan, _)| plan.kind));
    let return_action = socket::read_returned(&fields, return_kind, report);
    let context = Context { targets: all_targets.to_vec(), arguments: signature, returns: return_kind };
    let selectors = selector::read_all(&fields, &context, report);

    let call = call?.span();
    let (arguments, argument_places) = arguments?.into_iter().unzip();
    let (returns, return_place) = match returns {
        Some(read) => read.map(|(plan, span)| (Some(plan), Some(span)))?,
        None => (None, None),
    };
    let targets = targets?;
    let plan = HookPlan {
        target: targets.all.first()?.clone(),
        arguments,
        returns,
        return_action: return_action?,
        selectors: selectors?,
        message: message?.into(),
        tags: tags?,
        ignore_not_found: ignore_not_found? || targets.generated,
        position: (call.line, call.column),
    };
    let places =
        HookPlaces { call, arguments: argument_places, returns: return_place, generated: targets.generated };
    let each = targets.all.into_iter().map(|target| {
        let returns = plan.returns.clone().filter(|_| !returned::never(&target));
        (HookPlan { target, returns, ..plan.clone() }, places.clone())
    });
    Some(each.collect())
}

/// Where an entry hooks: one place, or those of a list.
struct Targets {
    all: Vec<Target>,
    /// What the kernel lacks of them is left out.
    generated: bool,
}

impl From<Target> for Targets {
    fn from(target: Target) -> Self {
        Targets { all: vec![target], generated: false }
    }
}

fn read_call(
    call: Field<'_>,
    fields: &Fields<'_>,
    lists: Option<&Lists>,
    report: &mut Report<'_>,
) -> Option<Targets> {
    let name = call.string(report)?;
    // The schema's default, and the most frequent error: a kernel function without `syscall: false`.
    let is_syscall = fields.get("syscall").map_or(Some(true), |syscall| syscall.boolean(report))?;
    if let Some(name) = name.strip_prefix("list:") {
        let list = find_list(name, call.span(), lists?, report)?;
        return Some(Targets { all: list.targets.clone(), generated: list.generated });
    }
    let target = if is_syscall {
        read_syscall(name, call.span(), report)
    } else {
        read_function(name, call.span(), report)
    };
    target.map(Targets::from)
}

/// The list that `list:NAME` means.
pub(crate) fn find_list<'l>(
    name: &str,
    span: Span,
    lists: &'l Lists,
    report: &mut Report<'_>,
) -> Option<&'l List> {
    let list = lists.get(name);
    if list.is_none() {
        let message = format!("`spec.lists` has no list {}", crate::diagnostic::quote(name));
        let suggestion = nearest(name, lists.keys().map(String::as_str));
        let help = suggestion
            .map_or_else(|| "add it there".into(), |suggestion| format!("did you mean `list:{suggestion}`?"));
        report.error_with_help(span, message, help);
    }
    list
}

pub(crate) fn read_syscall(name: &str, span: Span, report: &mut Report<'_>) -> Option<Target> {
    match syscall::find(name) {
        Ok(target) => return Some(target),
        Err(SyscallError::Foreign(prefix)) => {
            let message = format!("`{prefix}…` calls are those of another processor");
            report.error_with_help(span, message, "write `sys_…`");
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

fn read_lsm_hook(hook: Field<'_>, report: &mut Report<'_>) -> Option<Target> {
    let name = hook.string(report)?;
    let prefix = ["bpf_lsm_", "security_"].into_iter().find(|prefix| name.starts_with(prefix));
    if let Some(prefix) = prefix {
        let message = format!("the names of LSM hooks do not start with `{prefix}`");
        let help = format!("write `{}`", name.trim_start_matches(prefix));
        report.error_with_help(hook.span(), message, help);
        return None;
    }
    if !is_symbol(name) {
        let message = format!("{} is not the name of an LSM hook", crate::diagnostic::quote(name));
        let help = "write a name from include/linux/lsm_hook_defs.h, such as `file_open`";
        report.error_with_help(hook.span(), message, help);
        return None;
    }
    Some(Target::Lsm(name.into()))
}

/// Whether it could be the name of a kernel function.
fn is_symbol(name: &str) -> bool {
    let is_allowed = |character: char| character.is_ascii_alphanumeric() || "_.$".contains(character);
    name.len() <= MAX_FUNCTION
        && name.chars().all(is_allowed)
        && !name.starts_with(|first: char| first.is_ascii_digit())
}

pub(crate) fn read_function(name: &str, span: Span, report: &mut Report<'_>) -> Option<Target> {
    if syscall::is_entry(name) {
        let message =
            format!("`{name}` is the entry of a system call, whose arguments are not its parameters");
        report.error_with_help(span, message, "write `syscall: true`");
        return None;
    }
    if !is_symbol(name) {
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
