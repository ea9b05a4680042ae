//! Reading events back: traces that were recorded, and fixtures that people write.
//!
//! Takes what [`Encoder`](super::Encoder) writes. Two things that Tetragon's shape can't hold may stand in a process
//! besides, for whoever writes a fixture: `cgroup`, the path, and `arguments` as a list of strings instead of one.
//! Nothing is ignored: a key that an event doesn't have is an error. A line doesn't hold everything: of a cgroup only
//! the start of a container's id, of a request no headers and of its body the size, of what was unreadable or suppressed
//! no reason that comes back.

mod fields;
mod structure;
mod time;

use std::sync::Arc;

use serde_json::Value;

use self::fields::Fields;
pub use self::fields::ReadError;
use crate::action::{
    Action, ActionRequest, ActionResult, Method, Outcome, Source, UnknownAnswer, UnknownRecordType,
};
use crate::argument::{Argument, File, FileRole};
use crate::event::{
    Alert, Annotation, Event, EventKind, Finding, Hook, Mapping, Place, PluginError, Probe, ProgramPlace,
    Severity, StackFrame,
};
use crate::process::{Flags, Process};

/// Reads one line.
///
/// # Errors
/// If it is no JSON, or no event; the message says where.
///
/// ```
/// # use serin_event::json;
/// let line = r#"{"process_exec":{"process":{"pid":7,"binary":"/bin/ls"}},"time":"2023-11-14T22:13:20Z"}"#;
/// let event = json::read(line).unwrap();
/// assert_eq!(event.process.unwrap().binary, "/bin/ls");
/// let error = json::read(r#"{"process_exec":{"process":{"bin":"/bin/ls"}}}"#).unwrap_err();
/// assert_eq!(error.to_string(), "process_exec.process: `bin` is no key that serin writes here");
/// ```
pub fn read(line: &str) -> Result<Event, ReadError> {
    let mut fields = Fields::parse(line)?;
    let mut event = Event {
        time: fields.time("time")?,
        node_name: fields.text("node_name")?.into(),
        kind: EventKind::Exec,
        process: None,
        parent: None,
        tid: 0,
        annotations: Vec::new(),
        alerts: Vec::new(),
    };
    let additions = fields.object("serin")?;
    let (name, mut body) = fields.only("an event, like `process_exec`")?;
    if let Some((process, tid)) = process(body.object("process")?)? {
        (event.process, event.tid) = (Some(process), tid);
    }
    event.parent = process(body.object("parent")?)?.map(|(parent, _)| parent);
    event.kind = kind(&name, &mut body)?.ok_or_else(|| fields.unknown(&name))?;
    body.finish()?;
    if let Some(additions) = additions {
        add(additions, &mut event)?;
    }
    Ok(event)
}

/// What an event of this name has beside its process; nothing if there is no such event.
fn kind(name: &str, body: &mut Fields) -> Result<Option<EventKind>, ReadError> {
    Ok(Some(match name {
        "process_exec" => EventKind::Exec,
        "process_exit" => exit(body)?,
        "process_kprobe" => EventKind::Kprobe(hook(body, Place::Function)?),
        "process_lsm" => EventKind::Kprobe(hook(body, Place::Lsm)?),
        "process_tracepoint" => EventKind::Kprobe(hook(body, Place::Tracepoint)?),
        "process_uprobe" => {
            let place = program_place(body)?;
            EventKind::Kprobe(hook(body, Place::Program(place.into()))?)
        }
        "process_usdt" => {
            let probe = probe(body)?;
            EventKind::Kprobe(hook(body, Place::Probe(probe.into()))?)
        }
        "process_loader" => EventKind::Loader(mapping(body)?),
        "loss" => {
            // Lost on the way to a client of the API: by no CPU, which an event has no other word for than 0.
            body.boolean("client")?;
            EventKind::Loss { cpu: body.integer("cpu")?, count: body.integer("count")? }
        }
        "action_result" => EventKind::ActionResult(action_result(body)?),
        "alert" => EventKind::Alert(Box::new(finding(body)?)),
        "plugin_error" => EventKind::PluginError(Box::new(PluginError {
            plugin: body.text("plugin")?.into(),
            reason: body.text("reason")?,
            failures: body.integer("failures")?,
        })),
        _ => return Ok(None),
    }))
}

fn finding(body: &mut Fields) -> Result<Finding, ReadError> {
    let alert = alert(body)?;
    let Some(mut outer) = body.object("trigger")? else {
        return Err(body.wrong("trigger", "missing: what the alert was raised on"));
    };
    let (name, mut inner) = outer.only("an event, like `process_exec`")?;
    let trigger = kind(&name, &mut inner)?.ok_or_else(|| outer.unknown(&name))?;
    inner.finish()?;
    Ok(Finding { alert, trigger })
}

/// A process, and the thread it was seen in.
fn process(fields: Option<Fields>) -> Result<Option<(Arc<Process>, u32)>, ReadError> {
    let Some(mut fields) = fields else { return Ok(None) };
    let process = Process {
        exec_id: fields.text("exec_id")?,
        pid: fields.integer("pid")?,
        uid: fields.integer("uid")?,
        cwd: fields.text("cwd")?,
        binary: fields.text("binary")?,
        arguments: arguments(&mut fields)?,
        flags: flags(&mut fields)?,
        start_time: fields.time("start_time")?,
        auid: fields.integer("auid")?,
        parent_exec_id: fields.text("parent_exec_id")?,
        cgroup_id: fields.integer("cgroup_id")?,
        cgroup: fields.text("cgroup")?,
    };
    // The first half of a container id: the whole one is in the cgroup's path, or nowhere.
    fields.text("docker")?;
    let tid = fields.integer("tid")?;
    fields.finish()?;
    Ok(Some((Arc::new(process), tid)))
}

fn arguments(fields: &mut Fields) -> Result<Vec<String>, ReadError> {
    match fields.take("arguments") {
        Some(Value::String(text)) => Ok(split_arguments(&text)),
        other => fields.texts("arguments", other),
    }
}

/// The inverse of how they are joined: by spaces, one with a space in it in quotes.
fn split_arguments(text: &str) -> Vec<String> {
    let mut arguments = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let quoted = rest.strip_prefix('"').and_then(|inner| {
            let (argument, after) = inner.split_once('"')?;
            (after.is_empty() || after.starts_with(' ')).then_some((argument, after))
        });
        let (argument, after) = quoted.unwrap_or_else(|| rest.split_at(rest.find(' ').unwrap_or(rest.len())));
        arguments.push(argument.to_owned());
        rest = after.strip_prefix(' ').unwrap_or(after);
    }
    arguments
}

fn flags(fields: &mut Fields) -> Result<Flags, ReadError> {
    let mut flags = Flags::default();
    for name in fields.text("flags")?.split_whitespace() {
        let flag = match name {
            "execve" => &mut flags.execve,
            "procFS" => &mut flags.proc_fs,
            "truncArgs" => &mut flags.truncated_arguments,
            "miss" => &mut flags.miss,
            "errorFilename" => &mut flags.error_filename,
            "rootcwd" => &mut flags.root_cwd,
            "errorCWD" => &mut flags.error_cwd,
            "clone" => &mut flags.clone,
            _ => return Err(fields.wrong("flags", &format!("`{name}` is no flag of a process"))),
        };
        *flag = true;
    }
    Ok(flags)
}

fn exit(body: &mut Fields) -> Result<EventKind, ReadError> {
    // It says the same as the event's own.
    body.time("time")?;
    let status = body.integer("status")?;
    let name = body.text("signal")?;
    let signal = match name.as_str() {
        "" => 0,
        _ => (1..=64)
            .find(|number| crate::signal::name(*number) == name)
            .ok_or_else(|| body.wrong("signal", &format!("`{name}` is no signal")))?,
    };
    Ok(EventKind::Exit { status, signal })
}

fn program_place(body: &mut Fields) -> Result<ProgramPlace, ReadError> {
    Ok(ProgramPlace {
        path: body.text("path")?,
        symbol: body.text("symbol")?,
        offset: body.integer("offset")?,
        counter: body.integer("ref_ctr_offset")?,
    })
}

fn probe(body: &mut Fields) -> Result<Probe, ReadError> {
    Ok(Probe { path: body.text("path")?, provider: body.text("provider")?, name: body.text("name")? })
}

fn mapping(body: &mut Fields) -> Result<Mapping, ReadError> {
    let path = body.text("path")?;
    let build_id = body.take("buildid").map_or(Ok(Vec::new()), |value| body.as_bytes("buildid", value))?;
    Ok(Mapping { path, build_id })
}

fn hook(body: &mut Fields, place: Place) -> Result<Hook, ReadError> {
    let arguments = body.list("args")?.into_iter().map(argument).collect::<Result<_, _>>()?;
    let data = body.list("data")?.into_iter().map(argument).collect::<Result<_, _>>()?;
    let returned = body.object("return")?.map(argument).transpose()?;
    let (actions, return_actions) = (only_action(body, "action")?, only_action(body, "return_action")?);
    let tags = body.take("tags");
    let function_name = match &place {
        Place::Function | Place::Lsm => body.text("function_name")?,
        Place::Tracepoint => format!("{}/{}", body.text("subsys")?, body.text("event")?),
        Place::Program(place) if place.symbol.is_empty() => format!("{}:{:#x}", place.path, place.offset),
        Place::Program(place) => format!("{}:{}", place.path, place.symbol),
        Place::Probe(probe) => format!("{}:{}:{}", probe.path, probe.provider, probe.name),
    };
    Ok(Hook {
        place,
        function_name: function_name.into(),
        policy_name: body.text("policy_name")?.into(),
        message: body.text("message")?.into(),
        tags: body.texts("tags", tags)?.into(),
        arguments,
        data,
        returned,
        kernel_stack: stack(body, "kernel_stack_trace")?,
        user_stack: stack(body, "user_stack_trace")?,
        ima_hash: Some(body.text("ima_hash")?).filter(|hash| !hash.is_empty()).map(String::into),
        actions: actions.into(),
        return_actions: return_actions.into(),
        selector: 0,
        failed_closed: false,
        unenforced: false,
    })
}

/// The action that is told under a key, if one is.
fn only_action(body: &mut Fields, key: &'static str) -> Result<Vec<&'static str>, ReadError> {
    let action = body.text(key)?;
    if action.is_empty() { Ok(Vec::new()) } else { Ok(vec![known_action(body, key, &action)?]) }
}

fn stack(body: &mut Fields, key: &'static str) -> Result<Vec<StackFrame>, ReadError> {
    let frame = |mut fields: Fields| {
        let frame = StackFrame {
            address: fields.integer("address")?,
            offset: fields.integer("offset")?,
            symbol: fields.text("symbol")?,
            module: fields.text("module")?.into(),
        };
        fields.finish()?;
        Ok(frame)
    };
    body.list(key)?.into_iter().map(frame).collect()
}

/// Tetragon's `KprobeAction`: <https://tetragon.io/docs/reference/grpc-api/#kprobeaction>.
fn known_action(fields: &Fields, key: &str, name: &str) -> Result<&'static str, ReadError> {
    const KNOWN: [&str; 15] = [
        "KPROBE_ACTION_POST",
        "KPROBE_ACTION_NOPOST",
        "KPROBE_ACTION_FOLLOWFD",
        "KPROBE_ACTION_UNFOLLOWFD",
        "KPROBE_ACTION_COPYFD",
        "KPROBE_ACTION_SIGKILL",
        "KPROBE_ACTION_SIGNAL",
        "KPROBE_ACTION_OVERRIDE",
        "KPROBE_ACTION_GETURL",
        "KPROBE_ACTION_DNSLOOKUP",
        "KPROBE_ACTION_TRACKSOCK",
        "KPROBE_ACTION_UNTRACKSOCK",
        "KPROBE_ACTION_NOTIFYENFORCER",
        "KPROBE_ACTION_CLEANUPENFORCERNOTIFICATION",
        "KPROBE_ACTION_SET",
    ];
    let found = KNOWN.into_iter().find(|known| *known == name);
    found.ok_or_else(|| fields.wrong(key, &format!("`{name}` is no action of a policy")))
}

/// The keys of numbers that are told in words.
const WORDS: [&str; 5] =
    ["bpf_cmd_arg", "kernel_cap_t_arg", "cap_inheritable_arg", "cap_permitted_arg", "cap_effective_arg"];

fn argument(mut fields: Fields) -> Result<(Argument, Arc<str>), ReadError> {
    let label = fields.text("label")?.into();
    let (name, value) = fields.only_value("an argument, like `string_arg`")?;
    let argument = match name.as_str() {
        "int_arg" => Argument::Int(fields.as_integer(&name, value)?),
        "uint_arg" => Argument::Uint(fields.as_integer(&name, value)?),
        "long_arg" => Argument::Long(fields.as_integer(&name, value)?),
        "size_arg" => Argument::Size(fields.as_integer(&name, value)?),
        "string_arg" => Argument::String(fields.as_text(&name, value)?),
        "file_arg" => Argument::File(file(fields.as_object(&name, value)?, FileRole::Open)?),
        "path_arg" => Argument::File(file(fields.as_object(&name, value)?, FileRole::Path)?),
        "linux_binprm_arg" => Argument::File(file(fields.as_object(&name, value)?, FileRole::Program)?),
        "error_arg" => {
            let mut error = fields.as_object(&name, value)?;
            error.text("Message")?;
            error.finish()?;
            Argument::Unreadable("unreadable when this was recorded")
        }
        "bytes_arg" => {
            let bytes = fields.as_bytes(&name, value)?;
            let original = bytes.len() as u64;
            Argument::Bytes { bytes, original }
        }
        "truncated_bytes_arg" => truncated(fields.as_object(&name, value)?)?,
        _ => in_words_or_fields(&fields, &name, value)?,
    };
    Ok((argument, label))
}

fn in_words_or_fields(fields: &Fields, name: &str, value: Value) -> Result<Argument, ReadError> {
    if let Some(word) = WORDS.into_iter().find(|word| *word == name) {
        return Ok(Argument::Word(word, fields.as_text(word, value)?.into()));
    }
    let read = structure::reader(name).ok_or_else(|| fields.unknown(name))?;
    let mut inner = fields.as_object(name, value)?;
    let structure = read(&mut inner)?;
    inner.finish()?;
    Ok(Argument::Structure(Box::new(structure)))
}

/// Bytes of which there were more.
fn truncated(mut fields: Fields) -> Result<Argument, ReadError> {
    let bytes = fields.take("bytes_arg").map(|value| fields.as_bytes("bytes_arg", value)).transpose()?;
    let argument =
        Argument::Bytes { bytes: bytes.unwrap_or_default(), original: fields.integer("orig_size")? };
    fields.finish()?;
    Ok(argument)
}

fn file(mut fields: Fields, role: FileRole) -> Result<File, ReadError> {
    let permission = fields.text("permission")?;
    let mode = mode(&permission)
        .ok_or_else(|| fields.wrong("permission", &format!("`{permission}` is not like `-rw-r--r--`")))?;
    let file = File { role, path: fields.text("path")?, incomplete: !fields.text("flags")?.is_empty(), mode };
    fields.finish()?;
    Ok(file)
}

/// The inverse of [`File::permission`].
fn mode(permission: &str) -> Option<u16> {
    if permission.is_empty() {
        return Some(0);
    }
    let bytes: &[u8; 10] = permission.as_bytes().try_into().ok()?;
    let kind = match bytes[0] {
        b's' => 0o140_000,
        b'l' => 0o120_000,
        b'-' => 0o100_000,
        b'b' => 0o060_000,
        b'd' => 0o040_000,
        b'c' => 0o020_000,
        b'p' => 0o010_000,
        b'?' => 0,
        _ => return None,
    };
    let mut mode = kind;
    for (start, shift, special, letter) in [(1, 6, 0o4000, b's'), (4, 3, 0o2000, b's'), (7, 0, 0o1000, b't')]
    {
        let [read, write, execute] = [bytes[start], bytes[start + 1], bytes[start + 2]];
        let bit = |given: u8, set: u8| match given {
            _ if given == set => Some(1),
            b'-' => Some(0),
            _ => None,
        };
        let (x, set) = match execute {
            b'x' => (1, 0),
            b'-' => (0, 0),
            _ if execute == letter => (1, special),
            _ if execute == letter.to_ascii_uppercase() => (0, special),
            _ => return None,
        };
        mode |= (bit(read, b'r')? << 2 | bit(write, b'w')? << 1 | x) << shift | set;
    }
    Some(mode)
}

fn action_result(body: &mut Fields) -> Result<ActionResult, ReadError> {
    let source = match (body.text("policy")?, body.text("plugin")?) {
        (policy, plugin) if plugin.is_empty() => Source::Policy(policy),
        (_, plugin) => Source::Plugin(plugin),
    };
    let exec_id = body.text("exec_id")?;
    let action = action(body)?;
    let outcome = outcome(body)?;
    let duration = body.integer("duration_ns")?;
    Ok(ActionResult { request: ActionRequest { source, action, exec_id }, outcome, duration })
}

fn action(body: &mut Fields) -> Result<Action, ReadError> {
    if let Some(mut dns) = body.object("dns")? {
        let name = dns.text("name")?;
        let record = match dns.text("record")?.as_str() {
            "" => None,
            text => Some(
                text.parse().map_err(|error: UnknownRecordType| dns.wrong("record", &error.to_string()))?,
            ),
        };
        dns.finish()?;
        return Ok(Action::Dns { name, record });
    }
    let Some(mut http) = body.object("http")? else {
        return Err(body.wrong("dns", "neither `dns` nor `http` is there"));
    };
    let method = match http.text("method")?.as_str() {
        "GET" => Method::Get,
        "POST" => Method::Post,
        other => return Err(http.wrong("method", &format!("`{other}` is neither GET nor POST"))),
    };
    // Of a body only the size is told.
    let body = vec![0; http.integer::<u16>("body_size")?.into()];
    let url = http.text("url")?;
    http.finish()?;
    Ok(Action::Http { method, url, headers: Vec::new(), body })
}

fn outcome(body: &mut Fields) -> Result<Outcome, ReadError> {
    if let Some(resolved) = body.take("resolved") {
        let answers = body.texts("resolved", Some(resolved))?;
        let parse = |text: &String| {
            text.parse().map_err(|error: UnknownAnswer| body.wrong("resolved", &error.to_string()))
        };
        return Ok(Outcome::Resolved(answers.iter().map(parse).collect::<Result<_, _>>()?));
    }
    let status = body.integer("http_status")?;
    let (suppressed, failed) = (body.text("suppressed")?, body.text("failed")?);
    Ok(match (status, suppressed.as_str()) {
        (0, "") => Outcome::Failed(failed),
        (0, _) => Outcome::Suppressed("suppressed when this was recorded"),
        (status, _) => Outcome::HttpStatus(status),
    })
}

/// Reads what stands under `serin`.
fn add(mut fields: Fields, event: &mut Event) -> Result<(), ReadError> {
    let trigger = match &mut event.kind {
        EventKind::Alert(finding) => &mut finding.trigger,
        kind => kind,
    };
    if let EventKind::Kprobe(hook) = trigger {
        hook.selector = fields.integer("selector")?;
        hook.failed_closed = fields.boolean("failed_closed")?;
        hook.unenforced = fields.boolean("unenforced")?;
        for (key, actions) in [("actions", &mut hook.actions), ("return_actions", &mut hook.return_actions)] {
            if let Some(value) = fields.take(key) {
                let names = fields.texts(key, Some(value))?;
                *actions =
                    names.iter().map(|name| known_action(&fields, key, name)).collect::<Result<_, _>>()?;
            }
        }
    }
    for mut annotation in fields.list("annotations")? {
        event.annotations.push(Annotation {
            plugin: annotation.text("plugin")?.into(),
            key: annotation.text("key")?.into(),
            value: annotation.text("value")?.into(),
        });
        annotation.finish()?;
    }
    for mut found in fields.list("alerts")? {
        event.alerts.push(alert(&mut found)?);
        found.finish()?;
    }
    fields.finish()
}

fn alert(fields: &mut Fields) -> Result<Alert, ReadError> {
    let name = fields.text("severity")?;
    let severity = Severity::ALL.into_iter().find(|severity| severity.name() == name);
    let severity = severity.ok_or_else(|| fields.wrong("severity", &format!("`{name}` is no severity")))?;
    let mut facts = Vec::new();
    for mut field in fields.list("fields")? {
        facts.push((field.text("key")?, field.text("value")?));
        field.finish()?;
    }
    let techniques = fields.take("techniques");
    Ok(Alert {
        plugin: fields.text("plugin")?.into(),
        severity,
        title: fields.text("title")?,
        rule: fields.text("rule")?,
        techniques: fields.texts("techniques", techniques)?,
        key: fields.text("key")?,
        fields: facts,
    })
}
