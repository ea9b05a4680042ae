//! Processes in JSON: Tetragon's `Process`.

use super::encode::{Object, escaped, number};
use crate::process::{Flags, Process};

/// Tetragon cuts container ids to this many characters in `docker`.
const DOCKER_ID_LENGTH: usize = 31;

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
    if let Some(id) = process.container_id() {
        object.string("docker", &id[..DOCKER_ID_LENGTH]);
    }
    object.text("parent_exec_id", &process.parent_exec_id);
}

/// Appends the rest of a process.
pub(super) fn thread(tid: u32, out: &mut Vec<u8>) {
    out.extend_from_slice(b",\"tid\":");
    number(tid, out);
    out.push(b'}');
}

/// One string: joined by spaces, an argument with a space in it in quotes.
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

/// One string, in Tetragon's order.
fn flags(flags: Flags, out: &mut Vec<u8>) {
    let names = [
        (flags.execve, "execve"),
        (flags.proc_fs, "procFS"),
        (flags.truncated_arguments, "truncArgs"),
        (flags.miss, "miss"),
        (flags.error_filename, "errorFilename"),
        (flags.root_cwd, "rootcwd"),
        (flags.error_cwd, "errorCWD"),
        (flags.clone, "clone"),
    ];
    out.push(b'"');
    let start = out.len();
    for (_, name) in names.into_iter().filter(|(set, _)| *set) {
        if out.len() != start {
            out.push(b' ');
        }
        out.extend_from_slice(name.as_bytes());
    }
    out.push(b'"');
}
