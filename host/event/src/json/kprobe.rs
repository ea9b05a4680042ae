//! Hooks in JSON: Tetragon's `ProcessKprobe`, the messages like it, and `KprobeArgument`.

use super::encode::{Object, string};
use crate::argument::{Argument, File, FileRole};
use crate::event::{Hook, Place, StackFrame};
use crate::field::{Fields, Value};

/// Appends the fields of a hook to an object that has its process already.
pub(super) fn hook(hook: &Hook, object: &mut Object<'_>) {
    match &hook.place {
        Place::Function | Place::Lsm => object.text("function_name", &hook.function_name),
        Place::Tracepoint => {
            let (subsystem, event) = hook.tracepoint();
            object.text("subsys", subsystem);
            object.text("event", event);
        }
        Place::Program(place) => {
            object.text("path", &place.path);
            object.text("symbol", &place.symbol);
            if place.offset != 0 {
                object.long("offset", place.offset);
            }
            if place.counter != 0 {
                object.long("ref_ctr_offset", place.counter);
            }
        }
        Place::Probe(probe) => {
            object.text("path", &probe.path);
            object.text("provider", &probe.provider);
            object.text("name", &probe.name);
        }
    }
    object.array("args", &hook.arguments, |(value, label), out| argument(value, label, out));
    object.array("data", &hook.data, |(value, label), out| argument(value, label, out));
    if let Some((value, label)) = &hook.returned {
        argument(value, label, object.key("return"));
    }
    object.array("kernel_stack_trace", &hook.kernel_stack, frame);
    object.array("user_stack_trace", &hook.user_stack, frame);
    // Tetragon tells only the last of several actions.
    object.text("action", hook.actions.last().unwrap_or(&""));
    object.text("return_action", hook.return_actions.last().unwrap_or(&""));
    object.text("policy_name", &hook.policy_name);
    object.text("message", &hook.message);
    object.array("tags", hook.tags.iter(), |tag, out| string(tag, out));
    object.text("ima_hash", hook.ima_hash.as_deref().unwrap_or(""));
}

fn frame(frame: &StackFrame, out: &mut Vec<u8>) {
    let mut object = Object::open(out);
    for (key, number) in [("address", frame.address), ("offset", frame.offset)] {
        if number != 0 {
            object.long(key, number);
        }
    }
    object.text("symbol", &frame.symbol);
    object.text("module", &frame.module);
    object.close();
}

fn argument(argument: &Argument, label: &str, out: &mut Vec<u8>) {
    let mut object = Object::open(out);
    match argument {
        Argument::Int(value) => object.number("int_arg", *value),
        Argument::Uint(value) => object.number("uint_arg", *value),
        Argument::Long(value) => object.long("long_arg", *value),
        Argument::Size(value) => object.long("size_arg", *value),
        Argument::String(value) => object.string("string_arg", value),
        Argument::File(value) => file(value, &mut object),
        Argument::Bytes { bytes, original } if *original > bytes.len() as u64 => {
            let mut truncated = Object::open(object.key("truncated_bytes_arg"));
            if !bytes.is_empty() {
                truncated.bytes("bytes_arg", bytes);
            }
            truncated.long("orig_size", *original);
            truncated.close();
        }
        Argument::Bytes { bytes, .. } => object.bytes("bytes_arg", bytes),
        Argument::Word(key, word) => object.string(key, word),
        Argument::Structure(value) => fields(value.fields(), object.key(value.name())),
        Argument::Unreadable(reason) => {
            let mut error = Object::open(object.key("error_arg"));
            error.text("Message", reason);
            error.close();
        }
    }
    object.text("label", label);
    object.close();
}

fn file(file: &File, argument: &mut Object<'_>) {
    let mut object = Object::open(argument.key(match file.role {
        FileRole::Open => "file_arg",
        FileRole::Path => "path_arg",
        FileRole::Program => "linux_binprm_arg",
    }));
    object.text("path", &file.path);
    if file.incomplete {
        object.string("flags", "unresolvedPathComponents");
    }
    object.text("permission", &file.permission());
    object.close();
}

/// Like a protobuf message: what is zero or empty is left out.
fn fields(list: Fields<'_>, out: &mut Vec<u8>) {
    let mut object = Object::open(out);
    for (key, value) in list {
        match value {
            Value::Number(0) | Value::Long(0) | Value::Flag(false) => {}
            Value::Text(text) => object.text(key, &text),
            Value::Number(number) => object.number(key, number),
            Value::Long(number) => object.long(key, number),
            Value::Wrapped(number) => object.number(key, number),
            Value::Flag(flag) | Value::WrappedFlag(flag) => {
                object.key(key).extend_from_slice(if flag { b"true" } else { b"false" });
            }
            Value::Texts(texts) => object.array(key, texts, string),
            Value::Fields(inner) => fields(inner, object.key(key)),
        }
    }
    object.close();
}
