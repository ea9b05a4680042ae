//! Decodes the bytes of a record.

use std::borrow::Cow;

use serin_abi::record::{
    self, ARGUMENT_INCOMPLETE, ARGUMENT_UNREADABLE, EXEC_ARGUMENTS_TRUNCATED, EXEC_BINARY_INCOMPLETE,
    EXEC_CWD_INCOMPLETE, HOOK_FAILED_CLOSED, HOOK_HASH, HOOK_KERNEL_STACK, HOOK_UNENFORCED, HOOK_USER_STACK,
    KIND_BINPRM, KIND_BPF_CMD, KIND_BYTES, KIND_CAP_EFFECTIVE, KIND_CAP_INHERITABLE, KIND_CAP_PERMITTED,
    KIND_CAPABILITY, KIND_FILE, KIND_INT, KIND_INT8, KIND_INT16, KIND_KERNEL_CAP, KIND_LONG, KIND_PATH,
    KIND_SIZE, KIND_SKB, KIND_SOCK, KIND_SOCKADDR, KIND_SOCKADDR_UN, KIND_STRING, KIND_SYSCALL, KIND_UINT,
    KIND_UINT8, KIND_UINT16, TaskKey,
};
use serin_event::argument::{Argument, File, FileRole};
use serin_event::names::{self, BPF_COMMANDS};
use serin_event::network::UnixAddress;
use serin_event::record::{Credentials, Exec, Exit, Fork, Header, HookHit, Record, Task};
use serin_event::structure::Structure;

use serin_policy::COMPAT_BIT;

use crate::wire::read;
use crate::{network, structures};

macro_rules! unresolved {
    ($($depth:literal)*) => {
        [$(concat!("Bad address encountered during resolve dereference at depth ", $depth)),*]
    };
}

/// What `error_arg` says of an argument that could not be read: Tetragon's words.
const UNREADABLE: &str = "Bad address for basic type";

/// What it says of one that lies behind a pointer that could not be followed, by which of the steps that was.
const UNRESOLVED: [&str; 16] = unresolved!(1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16);

/// Decodes a record; `None` if it is not one, which only a bug can cause.
pub(crate) fn decode(bytes: &[u8]) -> Option<Record> {
    let raw: record::Header = read(bytes, 0)?;
    let bytes = bytes.get(..raw.length as usize)?;
    let header = header(&raw);
    let body = size_of::<record::Header>();
    match raw.kind {
        record::EXEC => exec(header, raw.flags, read(bytes, body)?, bytes),
        record::FORK => {
            let fork: record::Fork = read(bytes, body)?;
            Some(Record::Fork(Fork { header, child: task(fork.child), parent: task(fork.parent) }))
        }
        record::EXIT => {
            let exit: record::Exit = read(bytes, body)?;
            Some(Record::Exit(Exit { header, code: exit.code }))
        }
        record::HOOK => hook(header, raw.flags, read(bytes, body)?, bytes),
        _ => None,
    }
}

fn header(raw: &record::Header) -> Header {
    Header {
        cpu: raw.cpu,
        sequence: raw.sequence,
        time: raw.time,
        task: task(raw.task),
        cgroup_id: raw.cgroup_id,
    }
}

fn task(key: TaskKey) -> Task {
    Task { pid: key.pid, tid: key.tid, start_time: key.start_time }
}

fn exec(header: Header, flags: u8, raw: record::Exec, bytes: &[u8]) -> Option<Record> {
    let mut rest = bytes.get(size_of::<record::Header>() + size_of::<record::Exec>()..)?;
    let mut take = |length: u32| {
        let (text, after) = rest.split_at_checked(length as usize)?;
        rest = after;
        Some(text)
    };
    let (binary, cwd, arguments) = (take(raw.binary)?, take(raw.cwd)?, take(raw.arguments)?);
    Some(Record::Exec(Exec {
        header,
        parent: task(raw.parent),
        binary: string(binary),
        arguments: split_arguments(arguments),
        cwd: string(cwd),
        credentials: Credentials { uid: raw.uid, gid: raw.gid, euid: raw.euid, egid: raw.egid },
        auid: raw.auid,
        arguments_truncated: flags & EXEC_ARGUMENTS_TRUNCATED != 0,
        binary_incomplete: flags & EXEC_BINARY_INCOMPLETE != 0,
        cwd_incomplete: flags & EXEC_CWD_INCOMPLETE != 0,
    }))
}

/// `argv` without `argv[0]`.
fn split_arguments(bytes: &[u8]) -> Vec<String> {
    let bytes = bytes.strip_suffix(&[0]).unwrap_or(bytes);
    bytes.split(|&byte| byte == 0).skip(1).map(string).collect()
}

fn string(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn hook(header: Header, flags: u8, raw: record::Hit, bytes: &[u8]) -> Option<Record> {
    let mut at = size_of::<record::Header>() + size_of::<record::Hit>();
    let mut arguments = Vec::with_capacity(raw.arguments.min(serin_abi::MAX_ARGUMENTS as u32) as usize);
    let mut next = || {
        let argument_header: record::Argument = read(bytes, at)?;
        at += size_of::<record::Argument>();
        let value = bytes.get(at..at.checked_add(argument_header.length as usize)?)?;
        at += (argument_header.length as usize).next_multiple_of(8);
        Some((argument_header, value))
    };
    for _ in 0..raw.arguments {
        let (header, value) = next()?;
        arguments.push(argument(&header, value)?);
    }
    let mut stack = |flag| if flags & flag == 0 { Some(Vec::new()) } else { Some(addresses(next()?.1)) };
    let (kernel_stack, user_stack) = (stack(HOOK_KERNEL_STACK)?, stack(HOOK_USER_STACK)?);
    let hash =
        if flags & HOOK_HASH == 0 { None } else { next().map(|(header, value)| hash(header.mode, value))? };
    let mut next = || next().and_then(|(header, value)| argument(&header, value));
    let returned = if raw.returned & record::RETURNED == 0 { None } else { Some(next()?) };
    // Bytes that were read when the call had returned take the place of their address.
    if let Some(copied) = (raw.returned >> record::COPIED_SHIFT).checked_sub(1) {
        *arguments.get_mut(copied as usize)? = next()?;
    }
    Some(Record::Hook(HookHit {
        header,
        hook: raw.hook,
        selector: raw.selector,
        arguments,
        returned,
        kernel_stack,
        user_stack,
        hash,
        failed_closed: flags & HOOK_FAILED_CLOSED != 0,
        unenforced: flags & HOOK_UNENFORCED != 0,
    }))
}

/// A hash, as Tetragon writes it: `sha256:…`. `None` if the kernel has another algorithm by this number.
fn hash(algorithm: u16, bytes: &[u8]) -> Option<Box<str>> {
    let (name, length) = HASH_ALGORITHMS.get(usize::from(algorithm))?;
    let digits = bytes.get(..*length)?.iter().map(|byte| format!("{byte:02x}"));
    Some(format!("{name}:{}", digits.collect::<String>()).into())
}

/// Names and bytes of the kernel's `enum hash_algo`, by their numbers.
///
/// <https://elixir.bootlin.com/linux/v6.12/source/crypto/hash_info.c>
const HASH_ALGORITHMS: [(&str, usize); 20] = [
    ("md4", 16),
    ("md5", 16),
    ("sha1", 20),
    ("rmd160", 20),
    ("sha256", 32),
    ("sha384", 48),
    ("sha512", 64),
    ("sha224", 28),
    ("rmd128", 16),
    ("rmd256", 32),
    ("rmd320", 40),
    ("wp256", 32),
    ("wp384", 48),
    ("wp512", 64),
    ("tgr128", 16),
    ("tgr160", 20),
    ("tgr192", 24),
    ("sm3", 32),
    ("streebog256", 32),
    ("streebog512", 64),
];

fn addresses(bytes: &[u8]) -> Vec<u64> {
    bytes.as_chunks().0.iter().map(|&word| u64::from_ne_bytes(word)).collect()
}

fn argument(header: &record::Argument, value: &[u8]) -> Option<Argument> {
    if header.flags & ARGUMENT_UNREADABLE != 0 {
        let step = usize::from(header.mode).checked_sub(1);
        let reason = step.map_or(UNREADABLE, |step| UNRESOLVED[step.min(UNRESOLVED.len() - 1)]);
        return Some(Argument::Unreadable(reason));
    }
    let number = || value.try_into().ok().map(i64::from_ne_bytes);
    Some(match u32::from(header.kind) {
        KIND_INT | KIND_INT8 | KIND_INT16 => Argument::Int(number()? as i32),
        KIND_UINT | KIND_UINT8 | KIND_UINT16 => Argument::Uint(number()? as u32),
        KIND_LONG => Argument::Long(number()?),
        KIND_SIZE => Argument::Size(number()? as u64),
        KIND_STRING => Argument::String(string(value)),
        KIND_FILE => file(FileRole::Open, header, value),
        KIND_PATH => file(FileRole::Path, header, value),
        KIND_BINPRM => file(FileRole::Program, header, value),
        KIND_BYTES => Argument::Bytes { bytes: value.get(8..)?.to_vec(), original: read(value, 0)? },
        KIND_SYSCALL => Argument::Structure(Box::new(syscall(number()? as u32))),
        KIND_CAPABILITY => Argument::Structure(Box::new(Structure::Capability(number()? as i32))),
        KIND_BPF_CMD => Argument::Word("bpf_cmd_arg", names::name(BPF_COMMANDS, number()? as u32)),
        KIND_KERNEL_CAP => Argument::Word("kernel_cap_t_arg", hexadecimal(number()?)),
        KIND_CAP_INHERITABLE => Argument::Word("cap_inheritable_arg", hexadecimal(number()?)),
        KIND_CAP_PERMITTED => Argument::Word("cap_permitted_arg", hexadecimal(number()?)),
        KIND_CAP_EFFECTIVE => Argument::Word("cap_effective_arg", hexadecimal(number()?)),
        kind => Argument::Structure(Box::new(structure(kind, header, value)?)),
    })
}

fn structure(kind: u32, header: &record::Argument, value: &[u8]) -> Option<Structure> {
    Some(match kind {
        KIND_SOCK => Structure::Sock(network::sock(&read(value, 0)?)),
        KIND_SKB => Structure::Packet(network::packet(&read(value, 0)?)),
        KIND_SOCKADDR => Structure::Address(network::address(&read(value, 0)?)),
        KIND_SOCKADDR_UN => Structure::UnixAddress(UnixAddress { family: header.mode, path: string(value) }),
        _ => structures::decode(kind, value)?,
    })
}

fn syscall(number: u32) -> Structure {
    Structure::Syscall { number: number & !COMPAT_BIT, is_compat: number & COMPAT_BIT != 0 }
}

fn hexadecimal(set: i64) -> Cow<'static, str> {
    format!("{set:016x}").into()
}

fn file(role: FileRole, header: &record::Argument, path: &[u8]) -> Argument {
    let incomplete = header.flags & ARGUMENT_INCOMPLETE != 0;
    Argument::File(File { role, path: string(path), incomplete, mode: header.mode })
}

#[cfg(test)]
mod tests;
