//! Reading events back: traces that were recorded, and fixtures that people write.
//!
//! Takes what [`Encoder`](super::Encoder) writes. Two things that Tetragon's shape can't hold may stand in a process
//! besides, for whoever writes a fixture: `cgroup`, the path, and `arguments` as a list of strings instead of one.
//! Nothing is ignored: a key that an event doesn't have is an error. A line doesn't hold everything: of a cgroup only
//! the start of a container's id, of a request no headers and of its body the size, of what was unreadable or suppressed
//! no reason that comes back.

mod action;
mod argument;
mod fields;
mod hook;
mod structure;
mod time;

use std::sync::Arc;

use serde_json::Value;

use self::action::action_result;
use self::fields::Fields;
pub use self::fields::ReadError;
use self::hook::{hook, known_action, mapping, probe, program_place};
use crate::event::{Alert, Annotation, Event, EventKind, Finding, Place, PluginError, Severity};
use crate::process::{Flags, Pod, Process};

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
        pod: fields.object("pod")?.map(pod).transpose()?,
    };
    // The first half of a container id: the whole one is in the cgroup's path, or nowhere.
    fields.text("docker")?;
    let tid = fields.integer("tid")?;
    fields.finish()?;
    Ok(Some((Arc::new(process), tid)))
}

fn pod(mut fields: Fields) -> Result<Arc<Pod>, ReadError> {
    let mut pod = Pod { namespace: fields.text("namespace")?, name: fields.text("name")?, ..Pod::default() };
    if let Some(mut container) = fields.object("container")? {
        pod.container_id = container.text("id")?;
        pod.container_name = container.text("name")?;
        if let Some(mut image) = container.object("image")? {
            pod.image = image.text("name")?;
            image.finish()?;
        }
        container.finish()?;
    }
    if let Some(labels) = fields.object("pod_labels")? {
        pod.labels = labels.into_texts()?;
    }
    fields.finish()?;
    Ok(Arc::new(pod))
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
