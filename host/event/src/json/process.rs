//! Processes in JSON: Tetragon's `Process`.

use std::collections::BTreeMap;

use super::encode::{Object, escaped, number, string};
use crate::process::{Flags, Pod, Process};

/// Appends a process up to its thread id, which is the event's and not the process's.
pub(super) fn all_but_thread(process: &Process, out: &mut Vec<u8>) {
    let mut object = Object::open(out);
    object.text("exec_id", &process.exec_id);
    object.number("pid", process.pid);
    object.number("uid", process.uid);
    object.text("cwd", &process.cwd);
    object.text("binary", &process.binary);
    if !process.arguments.is_empty() {
        arguments(&process.arguments, object.key("arguments"));
    }
    if process.flags != Flags::default() {
        flags(process.flags, object.key("flags"));
    }
    if process.start_time != 0 {
        object.time("start_time", process.start_time);
    }
    object.number("auid", process.auid);
    if let Some(known) = &process.pod {
        pod(known, object.key("pod"));
    }
    if let Some(id) = process.docker() {
        object.string("docker", id);
    }
    object.text("parent_exec_id", &process.parent_exec_id);
}

/// Appends a pod: Tetragon's `Pod`.
fn pod(pod: &Pod, out: &mut Vec<u8>) {
    let mut object = Object::open(out);
    object.text("namespace", &pod.namespace);
    object.text("name", &pod.name);
    container(pod, object.key("container"));
    if !pod.labels.is_empty() {
        texts(&pod.labels, object.key("pod_labels"));
    }
    object.close();
}

/// Appends an object whose keys may be anything.
fn texts(map: &BTreeMap<String, String>, out: &mut Vec<u8>) {
    out.push(b'{');
    for (index, (key, value)) in map.iter().enumerate() {
        if index != 0 {
            out.push(b',');
        }
        string(key, out);
        out.push(b':');
        string(value, out);
    }
    out.push(b'}');
}

fn container(pod: &Pod, out: &mut Vec<u8>) {
    let mut object = Object::open(out);
    object.text("id", &pod.container_id);
    object.text("name", &pod.container_name);
    if !pod.image.is_empty() {
        let mut image = Object::open(object.key("image"));
        image.text("name", &pod.image);
        image.close();
    }
    object.close();
}

/// Appends the rest of a process.
pub(super) fn thread(tid: u32, out: &mut Vec<u8>) {
    out.extend_from_slice(b",\"tid\":");
    number(tid, out);
    out.push(b'}');
}

/// [`Process::command_arguments`], without the copy.
fn arguments(arguments: &[String], out: &mut Vec<u8>) {
    out.push(b'"');
    for (index, argument) in arguments.iter().enumerate() {
        if index != 0 {
            out.push(b' ');
        }
        let quote: &[u8] = if argument.contains(' ') { b"\\\"" } else { b"" };
        out.extend_from_slice(quote);
        escaped(argument, out);
        out.extend_from_slice(quote);
    }
    out.push(b'"');
}

/// One string.
fn flags(flags: Flags, out: &mut Vec<u8>) {
    out.push(b'"');
    for (index, name) in flags.names().enumerate() {
        if index != 0 {
            out.push(b' ');
        }
        out.extend_from_slice(name.as_bytes());
    }
    out.push(b'"');
}
