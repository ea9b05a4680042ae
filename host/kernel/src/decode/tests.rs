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

const HEADER: Header =
    Header { cpu: 1, sequence: 7, time: 1000, task: Task { pid: 42, tid: 43, start_time: 5 }, cgroup_id: 99 };

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
    for (algorithm, name, bytes) in [(2, "sha1", 20), (4, "sha256", 32), (6, "sha512", 64), (17, "sm3", 32)] {
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
