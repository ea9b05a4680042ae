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
mod tests {
    use super::*;

    /// A record in the making: numbers are appended in the machine's byte order.
    struct Bytes(Vec<u8>);

    impl Bytes {
        fn header(kind: u8, flags: u8) -> Self {
            let mut bytes = Bytes(0_u32.to_ne_bytes().to_vec());
            bytes.0.extend([kind, flags]);
            bytes.0.extend(1_u16.to_ne_bytes());
            bytes.u64(7).u64(1000).u32(42).u32(43).u64(5).u64(99)
        }

        fn u32(mut self, number: u32) -> Self {
            self.0.extend(number.to_ne_bytes());
            self
        }

        fn u64(mut self, number: u64) -> Self {
            self.0.extend(number.to_ne_bytes());
            self
        }

        fn text(mut self, text: &str) -> Self {
            self.0.extend(text.as_bytes());
            self
        }

        fn argument(self, kind: u32, flags: u8, mode: u16, value: &[u8]) -> Self {
            let mut bytes = self.u32(value.len() as u32);
            bytes.0.extend([kind as u8, flags]);
            bytes.0.extend(mode.to_ne_bytes());
            bytes.0.extend(value);
            bytes.0.resize(bytes.0.len().next_multiple_of(8), 0);
            bytes
        }

        fn finish(mut self) -> Vec<u8> {
            let length = (self.0.len() as u32).to_ne_bytes();
            self.0[..4].copy_from_slice(&length);
            self.0
        }
    }

    const HEADER: Header = Header {
        cpu: 1,
        sequence: 7,
        time: 1000,
        task: Task { pid: 42, tid: 43, start_time: 5 },
        cgroup_id: 99,
    };

    fn exec_bytes() -> Vec<u8> {
        let header = Bytes::header(record::EXEC, EXEC_ARGUMENTS_TRUNCATED).u32(1).u32(1).u64(2);
        let ids = header.u32(10).u32(11).u32(12).u32(13).u32(14);
        ids.u32(7).u32(4).u32(11).text("/bin/ls/tmpls\0-l\0a b\0\0").finish()
    }

    #[test]
    fn exec() {
        let expected = Exec {
            header: HEADER,
            parent: Task { pid: 1, tid: 1, start_time: 2 },
            binary: "/bin/ls".into(),
            arguments: vec!["-l".into(), "a b".into(), String::new()],
            cwd: "/tmp".into(),
            credentials: Credentials { uid: 10, gid: 11, euid: 12, egid: 13 },
            auid: 14,
            arguments_truncated: true,
            ..Exec::default()
        };
        assert_eq!(decode(&exec_bytes()), Some(Record::Exec(expected)));
    }

    #[test]
    fn hashes_have_the_length_of_their_algorithm() {
        let hash = |algorithm| {
            let bytes = Bytes::header(record::HOOK, HOOK_HASH).u32(3).u32(0).u32(1).u32(0).u64(0);
            let bytes = bytes.argument(KIND_INT, 0, 0, &7_i64.to_ne_bytes());
            match decode(&bytes.argument(KIND_BYTES, 0, algorithm, &[0xa5; record::MAX_HASH]).finish()) {
                Some(Record::Hook(hit)) => hit.hash,
                other => panic!("{other:?}"),
            }
        };
        for (algorithm, name, bytes) in
            [(2, "sha1", 20), (4, "sha256", 32), (6, "sha512", 64), (17, "sm3", 32)]
        {
            assert_eq!(hash(algorithm).as_deref(), Some(&*format!("{name}:{}", "a5".repeat(bytes))));
        }
        assert_eq!(hash(99), None);
        assert!(HASH_ALGORITHMS.iter().all(|(_, length)| *length <= record::MAX_HASH));
    }

    #[test]
    fn hook_with_every_kind_of_argument() {
        let bytes = Bytes::header(record::HOOK, HOOK_FAILED_CLOSED | HOOK_KERNEL_STACK | HOOK_USER_STACK)
            .u32(3)
            .u32(1)
            .u32(15)
            .u32(1)
            .u64(0)
            .argument(KIND_INT, 0, 0, &(-2_i64).to_ne_bytes())
            .argument(KIND_UINT, 0, 0, &u64::from(u32::MAX).to_ne_bytes())
            .argument(KIND_LONG, 0, 0, &i64::MIN.to_ne_bytes())
            .argument(KIND_SIZE, 0, 0, &u64::MAX.to_ne_bytes())
            .argument(KIND_STRING, 0, 0, b"x/y")
            .argument(KIND_FILE, ARGUMENT_INCOMPLETE, 0o100_644, b"/etc")
            .argument(KIND_STRING, ARGUMENT_UNREADABLE, 0, b"")
            .argument(KIND_INT, ARGUMENT_UNREADABLE, 3, b"")
            .argument(KIND_PATH, 0, 0o040_755, b"/tmp")
            .argument(KIND_BINPRM, 0, 0o100_755, b"/bin/a (deleted)")
            .argument(KIND_SOCKADDR_UN, 0, 1, b"@name")
            .argument(KIND_BYTES, 0, 0, b"\x09\0\0\0\0\0\0\0a\0b")
            .argument(KIND_BPF_CMD, 0, 0, &5_i64.to_ne_bytes())
            .argument(KIND_CAP_EFFECTIVE, 0, 0, &0x1ff_i64.to_ne_bytes())
            .argument(KIND_CAPABILITY, 0, 0, &21_i64.to_ne_bytes())
            .argument(0, 0, 0, &[u64::MAX.to_ne_bytes(), 7_u64.to_ne_bytes()].concat())
            .argument(0, 0, 0, &[])
            .argument(KIND_INT, 0, 0, &(-22_i64).to_ne_bytes())
            .finish();
        let expected = HookHit {
            header: HEADER,
            hook: 3,
            selector: 1,
            arguments: vec![
                Argument::Int(-2),
                Argument::Uint(u32::MAX),
                Argument::Long(i64::MIN),
                Argument::Size(u64::MAX),
                Argument::String("x/y".into()),
                Argument::File(File {
                    path: "/etc".into(),
                    incomplete: true,
                    mode: 0o100_644,
                    ..File::default()
                }),
                Argument::Unreadable(UNREADABLE),
                Argument::Unreadable("Bad address encountered during resolve dereference at depth 3"),
                file(
                    FileRole::Path,
                    &record::Argument { mode: 0o040_755, ..record::Argument::default() },
                    b"/tmp",
                ),
                file(
                    FileRole::Program,
                    &record::Argument { mode: 0o100_755, ..record::Argument::default() },
                    b"/bin/a (deleted)",
                ),
                Argument::Structure(Box::new(Structure::UnixAddress(UnixAddress {
                    family: 1,
                    path: "@name".into(),
                }))),
                Argument::Bytes { bytes: b"a\0b".to_vec(), original: 9 },
                Argument::Word("bpf_cmd_arg", "BPF_PROG_LOAD".into()),
                Argument::Word("cap_effective_arg", "00000000000001ff".into()),
                Argument::Structure(Box::new(Structure::Capability(21))),
            ],
            returned: Some(Argument::Int(-22)),
            kernel_stack: vec![u64::MAX, 7],
            user_stack: vec![],
            hash: None,
            failed_closed: true,
            unenforced: false,
        };
        assert_eq!(decode(&bytes), Some(Record::Hook(expected)));
    }

    #[test]
    fn a_structured_argument_that_is_too_short_is_no_record() {
        for kind in [KIND_SOCK, KIND_SKB, KIND_SOCKADDR] {
            let record = |length: usize| {
                let bytes = Bytes::header(record::HOOK, 0).u32(0).u32(0).u32(1).u32(0).u64(0);
                decode(&bytes.argument(kind, 0, 0, &vec![0; length]).finish())
            };
            assert!(record(14 * 8).is_some() || record(15 * 8).is_some(), "kind {kind}");
            assert_eq!(record(8 * 8), None, "kind {kind}");
        }
    }

    #[test]
    fn bytes_that_were_read_late_take_the_place_of_their_address() {
        let returned = record::RETURNED | 2 << record::COPIED_SHIFT;
        let bytes = Bytes::header(record::HOOK, 0)
            .u32(3)
            .u32(0)
            .u32(2)
            .u32(returned)
            .u64(4096)
            .argument(KIND_INT, 0, 0, &7_i64.to_ne_bytes())
            .argument(KIND_SIZE, 0, 0, &4096_u64.to_ne_bytes())
            .argument(KIND_LONG, 0, 0, &2_i64.to_ne_bytes())
            .argument(KIND_BYTES, 0, 0, b"\x02\0\0\0\0\0\0\0ab")
            .finish();
        let Some(Record::Hook(hit)) = decode(&bytes) else { panic!("no hit") };
        let copied = Argument::Bytes { bytes: b"ab".to_vec(), original: 2 };
        assert_eq!(hit.arguments, [Argument::Int(7), copied]);
        assert_eq!(hit.returned, Some(Argument::Long(2)));
    }

    #[test]
    fn cut_off_or_altered_bytes_never_panic() {
        let whole = exec_bytes();
        for end in 0..whole.len() {
            assert_eq!(decode(&whole[..end]), None, "{end} of {} bytes", whole.len());
        }
        for at in 0..whole.len() {
            for byte in [0, 1, 0x7f, 0xff] {
                let mut altered = whole.clone();
                altered[at] = byte;
                drop(decode(&altered));
            }
        }
    }
}
