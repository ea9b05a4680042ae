//! Hooks and where they are.

use super::argument::argument;
use super::fields::{Fields, ReadError};
use crate::event::{Hook, Mapping, Place, Probe, ProgramPlace, StackFrame};

pub(super) fn program_place(body: &mut Fields) -> Result<ProgramPlace, ReadError> {
    Ok(ProgramPlace {
        path: body.text("path")?,
        symbol: body.text("symbol")?,
        offset: body.integer("offset")?,
        counter: body.integer("ref_ctr_offset")?,
    })
}

pub(super) fn probe(body: &mut Fields) -> Result<Probe, ReadError> {
    Ok(Probe { path: body.text("path")?, provider: body.text("provider")?, name: body.text("name")? })
}

pub(super) fn mapping(body: &mut Fields) -> Result<Mapping, ReadError> {
    let path = body.text("path")?;
    let build_id = body.take("buildid").map_or(Ok(Vec::new()), |value| body.as_bytes("buildid", value))?;
    Ok(Mapping { path, build_id })
}

pub(super) fn hook(body: &mut Fields, place: Place) -> Result<Hook, ReadError> {
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
pub(super) fn known_action(fields: &Fields, key: &str, name: &str) -> Result<&'static str, ReadError> {
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
