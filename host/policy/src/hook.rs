//! Reads one hook: an entry of `spec.kprobes`, `fentries`, `tracepoints`, `lsmhooks` or `uprobes`.

use crate::argument::{self, ArgumentPlaces};
use crate::fields::{Field, Fields};
use crate::lists::{List, Lists};
use crate::report::Report;
use crate::schema::{IGNORE, Section};
use crate::source::Span;
use crate::suggest::nearest;
use crate::syscall::{self, SyscallError};
use crate::{ArgumentKind, ArgumentPlan, HookPlan, MAX_MESSAGE, MAX_TAG, MAX_TAGS, Target};
use crate::{data, returned, selector, socket, tracepoint, uprobe, usdt};

/// Longest name of a kernel function, in bytes: `KSYM_NAME_LEN` without its NUL.
const MAX_FUNCTION: usize = 511;

/// Where the parts of a hook stand, for errors found after reading.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HookPlaces {
    pub(crate) call: Span,
    pub(crate) arguments: Vec<ArgumentPlaces>,
    /// Where `btfPath` stands.
    pub(crate) types: Option<Span>,
    /// Where `binaryDigests` stands.
    pub(crate) digests: Option<Span>,
    /// Where `returnArg.type` stands, if the return is waited for.
    pub(crate) returns: Option<Span>,
    /// Whether it comes of a list that was generated: no types fit the parameters of all its members.
    pub(crate) generated: bool,
}

/// What is known of a hook while its selectors are read. Parts that were refused are missing.
pub(crate) struct Context<'l> {
    pub(crate) targets: Vec<Target>,
    /// The policy's lists; `None` if one was refused.
    pub(crate) lists: Option<&'l Lists>,
    /// The arguments; `None` if one was refused.
    pub(crate) arguments: Option<Vec<Known>>,
    /// The entries of `data`, likewise; their slots come after those of the arguments.
    pub(crate) data: Option<Vec<Known>>,
    /// Whether the return is waited for, and the type of what is returned unless that was refused.
    pub(crate) returns: Option<Option<ArgumentKind>>,
}

/// What selectors know of an argument.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Known {
    /// The parameter's number.
    pub(crate) index: u8,
    /// Which entry of `args` it is, from 0.
    pub(crate) position: usize,
    pub(crate) kind: ArgumentKind,
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
        "tracepoints" => tracepoint::read(call, &fields, report).map(Targets::from),
        "uprobes" => uprobe::read(call, &fields, report).map(Targets::from),
        "usdts" => usdt::read(call, &fields, report).map(Targets::from),
        _ => read_call(call, &fields, lists, report),
    });
    let target = targets.as_ref().and_then(|targets| targets.all.first());
    let arguments =
        fields.get("args").map_or(Some(vec![]), |args| argument::read_all(args, section, target, report));
    let data = fields.get("data").map_or(Some(vec![]), |data| data::read_all(data, report));
    let message = fields.get("message").map_or(Some(""), |message| read_message(message, report));
    let tags = fields.get("tags").map_or(Some(vec![]), |tags| read_tags(tags, report));
    // That of `uprobes` is read with the place.
    let ignore = fields.get("ignore").filter(|_| section.name != "uprobes");
    let ignore_not_found = ignore.map_or(Some(false), |ignore| read_ignore(ignore, report));
    let known = |(plan, places): &(ArgumentPlan, ArgumentPlaces)| Known {
        index: plan.index,
        position: places.position,
        kind: plan.kind,
    };
    let signature = arguments.as_ref().map(|all| all.iter().map(known).collect());
    let known_data = data.as_ref().map(|all| all.iter().map(known).collect());
    let all_targets = targets.as_ref().map_or(&[][..], |targets| &targets.all);
    // Of all system calls, those that return are waited for.
    let chosen = if targets.as_ref().is_some_and(|targets| targets.generated) { &[] } else { all_targets };
    let returns = returned::read(&fields, chosen, report);
    let return_kind = returns.as_ref().map(|read| read.as_ref().map(|(plan, _)| plan.kind));
    let copies = arguments.as_ref().map_or(Some(()), |arguments| {
        argument::check_return_copies(arguments, return_kind.flatten(), report)
    });
    let return_action = socket::read_returned(&fields, return_kind, report);
    let context = Context {
        targets: all_targets.to_vec(),
        lists,
        arguments: signature,
        data: known_data,
        returns: return_kind,
    };
    let selectors = selector::read_all(&fields, &context, report);

    copies?;
    let call = call?.span();
    let (arguments, argument_places) = arguments?.into_iter().chain(data?).unzip();
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
    let types = fields.get("btfPath").or(fields.get("BTFPath")).map(|field| field.span());
    let places = HookPlaces {
        call,
        arguments: argument_places,
        types,
        digests: fields.get("binaryDigests").map(|field| field.span()),
        returns: return_place,
        generated: targets.generated,
    };
    let own_places = targets.places.into_iter().map(Some).chain(std::iter::repeat(None));
    let each = targets.all.into_iter().zip(own_places).map(|(target, place)| {
        let returns = plan.returns.clone().filter(|_| !returned::never(&target));
        let call = place.unwrap_or(call);
        let position = (call.line, call.column);
        (HookPlan { target, returns, position, ..plan.clone() }, HookPlaces { call, ..places.clone() })
    });
    Some(each.collect())
}

/// Where an entry hooks: one place, or those of a list.
struct Targets {
    all: Vec<Target>,
    /// Where each stands in the file, if they stand there themselves.
    places: Vec<Span>,
    /// What the kernel lacks of them is left out.
    generated: bool,
}

impl From<Vec<(Target, Span)>> for Targets {
    fn from(targets: Vec<(Target, Span)>) -> Self {
        let (all, places) = targets.into_iter().unzip();
        Targets { all, places, generated: false }
    }
}

impl From<Target> for Targets {
    fn from(target: Target) -> Self {
        Targets { all: vec![target], places: vec![], generated: false }
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
        return Some(Targets { all: list.targets.clone(), places: vec![], generated: list.generated });
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
