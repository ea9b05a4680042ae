//! The JSON form of events: exact lines, and strings that survive.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;

use serde_json::Value;
use serin_event::action::{Action, ActionRequest, ActionResult, Answer, Method, Outcome, RecordType, Source};
use serin_event::argument::{Argument, File, FileRole};
use serin_event::kernel_object::{BpfMap, BpfProgram, Credentials, Module, PerfEvent, UserNamespace};
use serin_event::network::{Address, Packet, Sock, Tuple, UnixAddress};
use serin_event::process::Flags;
use serin_event::structure::Structure;
use serin_event::{
    Alert, Annotation, Event, EventKind, Finding, Hook, Mapping, Place, PluginError, Pod, Probe, Process,
    ProgramPlace, Severity, json,
};

const TIME: u64 = 1_696_629_837_700_326_678;

fn curl() -> Process {
    Process {
        exec_id: "Z3VsbDoxMzU0ODY3NDMyMTM3Mzo1MjY5OQ==".into(),
        pid: 52_699,
        uid: 0,
        cwd: "/".into(),
        binary: "/usr/bin/curl".into(),
        arguments: vec!["-H".into(), "Accept: text/html".into(), "https://ebpf.io/".into()],
        flags: Flags { execve: true, root_cwd: true, clone: true, ..Flags::default() },
        start_time: 1_696_629_837_700_327_580,
        auid: u32::MAX,
        parent_exec_id: "Z3VsbDoxMzU0MjY0MDAwMDAwMDo1MjY5OQ==".into(),
        cgroup_id: 4711,
        cgroup: "/docker/551e161c47d8ff0eb665438a7bcd5b4ac8c0a1fd2e4f4f7b3c1d5e6f7a8b9c0d".into(),
        pod: None,
    }
}

fn pod() -> Arc<Pod> {
    Arc::new(Pod {
        namespace: "shop".into(),
        name: "web-7d4b9".into(),
        container_id: "551e161c47d8ff0eb665438a7bcd5b4ac8c0a1fd2e4f4f7b3c1d5e6f7a8b9c0d".into(),
        container_name: "main".into(),
        image: "docker.io/library/nginx".into(),
        labels: [("app".to_owned(), "web".to_owned()), ("example.com/\"tier\"".to_owned(), String::new())]
            .into(),
    })
}

/// Tetragon tells a pod between `auid` and `docker`, and what is empty not at all.
#[test]
fn a_process_in_a_pod_tells_it() {
    for (pod, expected) in [
        (
            pod(),
            r#""pod":{"namespace":"shop","name":"web-7d4b9","container":{"id":"551e161c47d8ff0eb665438a7bcd5b4ac8c0a1fd2e4f4f7b3c1d5e6f7a8b9c0d","name":"main","image":{"name":"docker.io/library/nginx"}},"pod_labels":{"app":"web","example.com/\"tier\"":""}},"docker""#,
        ),
        (Arc::default(), r#""pod":{"container":{}},"docker""#),
    ] {
        let process = Arc::new(Process { pod: Some(pod), ..curl() });
        let written = line(&Event { process: Some(process), ..event(EventKind::Exec) });
        assert!(written.contains(expected), "{written}");
    }
}

fn bash() -> Process {
    Process {
        exec_id: "Z3VsbDoxMzU0MjY0MDAwMDAwMDo1MjY5OQ==".into(),
        pid: 52_600,
        uid: 1000,
        cwd: "/home/canary".into(),
        binary: "/bin/bash".into(),
        flags: Flags { proc_fs: true, ..Flags::default() },
        start_time: 1_696_629_800_000_000_000,
        auid: 1000,
        ..Process::default()
    }
}

fn event(kind: EventKind) -> Event {
    Event {
        time: TIME,
        node_name: "gull".into(),
        kind,
        process: Some(Arc::new(curl())),
        parent: Some(Arc::new(bash())),
        tid: 52_699,
        annotations: Vec::new(),
        alerts: Vec::new(),
    }
}

fn hook(arguments: Vec<(Argument, Arc<str>)>, actions: &[&'static str]) -> Hook {
    Hook {
        place: Place::Function,
        function_name: "__x64_sys_symlinkat".into(),
        policy_name: "sys-symlink-passwd".into(),
        message: "".into(),
        tags: Arc::new([]),
        arguments,
        actions: actions.into(),
        return_actions: Arc::new([]),
        data: Vec::new(),
        returned: None,
        selector: 0,
        kernel_stack: Vec::new(),
        user_stack: Vec::new(),
        ima_hash: None,
        failed_closed: false,
        unenforced: false,
    }
}

fn line(event: &Event) -> String {
    let mut out = Vec::new();
    json::Encoder::default().write(event, &mut out);
    String::from_utf8(out).unwrap()
}

/// The golden line, which the file holds over several lines to be readable.
fn golden(text: &str) -> String {
    text.lines().map(str::trim_start).collect::<String>() + "\n"
}

#[test]
fn exec() {
    assert_eq!(line(&event(EventKind::Exec)), golden(include_str!("golden/process_exec.json")));
}

#[test]
fn exit() {
    let exited = Event { parent: None, ..event(EventKind::Exit { status: 22, signal: 0 }) };
    let killed = Event { parent: None, ..event(EventKind::Exit { status: 0, signal: 9 }) };
    let both = format!("{}{}", line(&exited), line(&killed));
    let (first, second) = include_str!("golden/process_exit.json").split_once("\n\n").unwrap();
    assert_eq!(both, golden(first) + &golden(second));
}

#[test]
fn kprobe() {
    let file = File { path: "/etc/passwd".into(), incomplete: true, mode: 0o100_644, ..File::default() };
    let arguments = vec![
        (Argument::String("/etc/passwd".into()), "".into()),
        (Argument::Int(-100), "newdfd".into()),
        (Argument::Uint(0), "".into()),
        (Argument::Long(i64::MIN), "".into()),
        (Argument::Size(u64::MAX), "".into()),
        (Argument::File(file), "".into()),
        (Argument::File(File::default()), "".into()),
        (Argument::Bytes { bytes: b"a\0b".to_vec(), original: 3 }, "".into()),
        (Argument::Bytes { bytes: b"ab".to_vec(), original: 5000 }, "".into()),
        (Argument::Bytes { bytes: Vec::new(), original: 0 }, "".into()),
        (Argument::Word("bpf_cmd_arg", "BPF_PROG_LOAD".into()), "".into()),
        (Argument::Unreadable("Bad address for basic type"), "target".into()),
        (Argument::String(String::new()), "".into()),
    ];
    let returned = Some((Argument::Int(-22), "error".into()));
    let hook = Hook { returned, ..hook(arguments, &["KPROBE_ACTION_POST"]) };
    let event = Event { tid: 52_701, ..event(EventKind::Kprobe(hook)) };
    assert_eq!(line(&event), golden(include_str!("golden/process_kprobe.json")));
}

#[test]
fn structures_are_told_as_tetragon_tells_them() {
    let tuple = Tuple {
        family: 2,
        protocol: 6,
        saddr: "10.0.0.1".parse().ok(),
        daddr: "10.0.0.2".parse().ok(),
        sport: 4000,
        dport: 80,
    };
    let unix = Tuple { family: 1, ..Tuple::default() };
    let packet = Packet {
        hash: 7,
        len: 60,
        mark: 8,
        priority: 9,
        sec_path_len: 1,
        sec_path_olen: 2,
        tuple: tuple.clone(),
    };
    for (structure, expected) in [
        (
            Structure::Sock(Sock { tuple, kind: 1, state: 1, mark: 3, priority: 4, cookie: u64::MAX }),
            r#"{"sock_arg":{"family":"AF_INET","type":"SOCK_STREAM","protocol":"IPPROTO_TCP","mark":3,"priority":4,"saddr":"10.0.0.1","daddr":"10.0.0.2","sport":4000,"dport":80,"cookie":"18446744073709551615","state":"TCP_ESTABLISHED"}}"#,
        ),
        (
            Structure::Sock(Sock { tuple: unix, kind: 2, state: 7, ..Sock::default() }),
            r#"{"sock_arg":{"family":"AF_UNIX","type":"SOCK_DGRAM","protocol":"IPPROTO_IP","state":"TCP_CLOSE"}}"#,
        ),
        (
            Structure::Packet(packet),
            r#"{"skb_arg":{"hash":7,"len":60,"priority":9,"mark":8,"saddr":"10.0.0.1","daddr":"10.0.0.2","sport":4000,"dport":80,"proto":6,"sec_path_len":1,"sec_path_olen":2,"protocol":"IPPROTO_TCP","family":"AF_INET"}}"#,
        ),
        (
            Structure::Address(Address { family: 10, addr: "::1".parse().ok(), port: 53 }),
            r#"{"sockaddr_arg":{"family":"AF_INET6","addr":"::1","port":53}}"#,
        ),
        (
            Structure::UnixAddress(UnixAddress { family: 1, path: "@name".into() }),
            r#"{"sockaddrun_arg":{"family":"AF_UNIX","path":"@name"}}"#,
        ),
        (
            Structure::Credentials(Box::new(Credentials {
                real: (1, 2),
                effective: (0, 4),
                saved: (5, 6),
                filesystem: (7, 8),
                securebits: 3,
                permitted: 1,
                capable: 1 << 39,
                inheritable: 0,
                user_ns: UserNamespace { level: 0, uid: 0, gid: 0, inum: 4_026_531_837 },
            })),
            r#"{"process_credentials_arg":{"uid":1,"gid":2,"euid":0,"egid":4,"suid":5,"sgid":6,"fsuid":7,"fsgid":8,"securebits":["SecBitNoRoot","SecBitNoRootLocked"],"caps":{"permitted":["CAP_CHOWN"],"effective":["CAP_BPF"]},"user_ns":{"level":0,"uid":0,"gid":0,"ns":{"inum":4026531837,"is_host":true}}}}"#,
        ),
        (
            Structure::UserNamespace(UserNamespace { level: 1, uid: 1000, gid: 0, inum: 7 }),
            r#"{"user_ns_arg":{"level":1,"uid":1000,"gid":0,"ns":{"inum":7}}}"#,
        ),
        (Structure::Capability(0), r#"{"capability_arg":{"value":0,"name":"CAP_CHOWN"}}"#),
        (Structure::Capability(-1), r#"{"capability_arg":{"value":-1}}"#),
        (
            Structure::Module(Module { name: "m".into(), taints: 1 << 12, signature_ok: Some(false) }),
            r#"{"module_arg":{"name":"m","signature_ok":false,"tainted":["TAINT_OUT_OF_TREE_MODULE"]}}"#,
        ),
        (
            Structure::Module(Module { name: "m".into(), taints: 0, signature_ok: None }),
            r#"{"module_arg":{"name":"m"}}"#,
        ),
        (
            Structure::BpfProgram(BpfProgram {
                is_request: true,
                kind: 2,
                instructions: 3,
                name: "p".into(),
            }),
            r#"{"bpf_attr_arg":{"ProgType":"BPF_PROG_TYPE_KPROBE","InsnCnt":3,"ProgName":"p"}}"#,
        ),
        (
            Structure::BpfProgram(BpfProgram::default()),
            r#"{"bpf_prog_arg":{"ProgType":"BPF_PROG_TYPE_UNSPEC"}}"#,
        ),
        (
            Structure::BpfMap(BpfMap {
                kind: 1,
                key_size: 4,
                value_size: 8,
                max_entries: 9,
                name: "m".into(),
            }),
            r#"{"bpf_map_arg":{"MapType":"BPF_MAP_TYPE_HASH","KeySize":4,"ValueSize":8,"MaxEntries":9,"MapName":"m"}}"#,
        ),
        (
            Structure::PerfEvent(PerfEvent { function: "f".into(), kind: 8, config: 1, offset: 2 }),
            r#"{"perf_event_arg":{"KprobeFunc":"f","Type":"8","Config":"1","ProbeOffset":"2"}}"#,
        ),
        (Structure::NetDevice("lo".into()), r#"{"net_dev_arg":{"name":"lo"}}"#),
        (Structure::Syscall { number: 8, is_compat: false }, r#"{"syscall_id":{"id":8,"abi":"x64"}}"#),
        (Structure::Syscall { number: 0, is_compat: true }, r#"{"syscall_id":{"abi":"i386"}}"#),
    ] {
        let arguments = vec![(Argument::Structure(Box::new(structure)), "".into())];
        let hook = hook(arguments.clone(), &["KPROBE_ACTION_POST"]);
        let line = line(&event(EventKind::Kprobe(hook)));
        assert!(line.contains(&format!(r#""args":[{expected}]"#)), "{expected}\n{line}");
        let EventKind::Kprobe(read) = json::read(&line).unwrap().kind else { unreachable!() };
        assert_eq!(read.arguments, arguments, "{line}");
    }
}

#[test]
fn places_have_events_of_their_own() {
    for (place, key) in [(Place::Function, "process_kprobe"), (Place::Lsm, "process_lsm")] {
        let hook = Hook { place, ..hook(Vec::new(), &["KPROBE_ACTION_POST"]) };
        let line = line(&event(EventKind::Kprobe(hook)));
        assert!(line.starts_with(&format!(r#"{{"{key}":{{"process":{{"#)), "{key}: {line}");
    }
}

#[test]
fn hashes_are_told_with_their_algorithm() {
    for (ima_hash, expected) in [(Some("sha256:73ab".into()), true), (None, false)] {
        let hook = Hook { place: Place::Lsm, ima_hash, ..hook(Vec::new(), &["KPROBE_ACTION_POST"]) };
        let event = event(EventKind::Kprobe(hook));
        let line = line(&event);
        assert_eq!(line.contains(r#""ima_hash":"sha256:73ab""#), expected, "{line}");
        assert_eq!(line.contains("ima_hash"), expected, "{line}");
        assert_eq!(json::read(&line).unwrap().kind, event.kind);
    }
}

#[test]
fn tracepoints_are_told_by_subsystem_and_event() {
    let seen = Hook {
        place: Place::Tracepoint,
        function_name: "sched/sched_process_exec".into(),
        ..hook(vec![(Argument::Int(7), "pid".into())], &["KPROBE_ACTION_POST"])
    };
    let event = event(EventKind::Kprobe(seen));
    let line = line(&event);
    assert!(line.starts_with(r#"{"process_tracepoint":{"process":{"#), "{line}");
    let expected =
        r#""subsys":"sched","event":"sched_process_exec","args":[{"int_arg":7,"label":"pid"}],"action""#;
    assert!(line.contains(expected), "{line}");
    assert_eq!(json::read(&line).unwrap().kind, event.kind);
}

#[test]
fn uprobes_are_told_by_path_and_symbol_or_offset() {
    for (symbol, offset, name, expected) in [
        ("main", 0, "/bin/sh:main", r#""path":"/bin/sh","symbol":"main","args""#),
        ("", 0x10, "/bin/sh:0x10", r#""path":"/bin/sh","offset":"16","ref_ctr_offset":"1","args""#),
    ] {
        let place =
            ProgramPlace { path: "/bin/sh".into(), symbol: symbol.into(), offset, counter: offset >> 4 };
        let seen = Hook {
            place: Place::Program(place.into()),
            function_name: name.into(),
            ..hook(vec![(Argument::Int(7), "".into())], &["KPROBE_ACTION_POST"])
        };
        let event = event(EventKind::Kprobe(seen));
        let line = line(&event);
        assert!(line.starts_with(r#"{"process_uprobe":{"process":{"#) && line.contains(expected), "{line}");
        assert_eq!(json::read(&line).unwrap().kind, event.kind);
    }
}

#[test]
fn probes_are_told_by_their_names() {
    let (path, provider, name) = ("/bin/sh".into(), "one".into(), "begin".into());
    let seen = Hook {
        place: Place::Probe(Probe { path, provider, name }.into()),
        function_name: "/bin/sh:one:begin".into(),
        ..hook(vec![(Argument::Int(7), "".into())], &["KPROBE_ACTION_POST"])
    };
    let event = event(EventKind::Kprobe(seen));
    let line = line(&event);
    let expected = r#""path":"/bin/sh","provider":"one","name":"begin","args""#;
    assert!(line.starts_with(r#"{"process_usdt":{"process":{"#) && line.contains(expected), "{line}");
    assert_eq!(json::read(&line).unwrap().kind, event.kind);
}

#[test]
fn files_are_told_by_their_role() {
    for (role, expected) in [
        (FileRole::Open, r#""args":[{"file_arg":{"path":"/a"}}]"#),
        (FileRole::Path, r#""args":[{"path_arg":{"path":"/a"}}]"#),
        (FileRole::Program, r#""args":[{"linux_binprm_arg":{"path":"/a"}}]"#),
    ] {
        let file = File { role, path: "/a".into(), ..File::default() };
        let hook = hook(vec![(Argument::File(file), "".into())], &["KPROBE_ACTION_POST"]);
        let line = line(&event(EventKind::Kprobe(hook)));
        assert!(line.contains(expected), "{role:?}: {line}");
    }
}

#[test]
fn additions_of_serin_stand_under_their_own_key() {
    let hook = Hook {
        message: "symlink to passwd".into(),
        tags: Arc::new(["observability.filesystem".into()]),
        selector: 2,
        kernel_stack: Vec::new(),
        user_stack: Vec::new(),
        ima_hash: None,
        failed_closed: true,
        unenforced: true,
        ..hook(Vec::new(), &["KPROBE_ACTION_OVERRIDE", "KPROBE_ACTION_SIGKILL"])
    };
    let event = Event {
        annotations: vec![Annotation {
            plugin: "enrich".into(),
            key: "container.id".into(),
            value: "551e".into(),
        }],
        alerts: vec![Alert {
            plugin: "bait".into(),
            severity: Severity::Critical,
            title: "passwd linked".into(),
            rule: String::new(),
            techniques: vec!["T1036.005".into()],
            key: String::new(),
            fields: vec![("path".into(), "/tmp/x".into())],
        }],
        process: None,
        parent: None,
        ..event(EventKind::Kprobe(hook))
    };
    assert_eq!(line(&event), golden(include_str!("golden/additions.json")));
}

#[test]
fn alerts_are_events_of_their_own() {
    let alert = Alert {
        plugin: "bait".into(),
        severity: Severity::High,
        title: "passwd linked".into(),
        rule: "link-passwd".into(),
        techniques: vec!["T1036.005".into()],
        key: "bait/link-passwd/usr/bin/ln".into(),
        fields: vec![("path".into(), "/tmp/x".into())],
    };
    let hook = hook(vec![(Argument::String("/etc/passwd".into()), "".into())], &["KPROBE_ACTION_POST"]);
    let finding = Finding { alert, trigger: EventKind::Kprobe(hook) };
    let event = Event { process: None, parent: None, ..event(EventKind::Alert(Box::new(finding))) };
    assert_eq!(line(&event), golden(include_str!("golden/alert.json")));
}

#[test]
fn action_results() {
    let http = Action::Http {
        method: Method::Post,
        url: "https://o3n.io/a?b".into(),
        headers: vec![],
        body: b"secret".to_vec(),
    };
    let get =
        Action::Http { method: Method::Get, url: "http://o3n.io/".into(), headers: vec![], body: Vec::new() };
    let dns = Action::Dns { name: "abc.o3n.io".into(), record: None };
    let cases = [
        (Source::Plugin("bait".into()), http, Outcome::HttpStatus(204)),
        (
            Source::Policy("sys-symlink-passwd".into()),
            dns.clone(),
            Outcome::Resolved(vec!["192.0.2.7".parse().unwrap()]),
        ),
        (Source::Plugin("bait".into()), dns.clone(), Outcome::Resolved(Vec::new())),
        (Source::Plugin("bait".into()), dns, Outcome::Suppressed("rate limit")),
        (Source::Plugin("bait".into()), get, Outcome::Failed("no route to host".into())),
    ];
    let expected = include_str!("golden/action_result.json").split("\n\n");
    for ((source, action, outcome), expected) in cases.into_iter().zip(expected) {
        let request = ActionRequest { source, action, exec_id: curl().exec_id };
        let result = ActionResult { request, outcome, duration: 1_500_000 };
        let event = Event { process: None, parent: None, ..event(EventKind::ActionResult(result)) };
        assert_eq!(line(&event), golden(expected));
    }
}

#[test]
fn numbers_of_a_process_are_there_even_if_zero() {
    let event = Event { process: Some(Arc::default()), parent: None, tid: 0, ..event(EventKind::Exec) };
    let expected = r#"{"process_exec":{"process":{"pid":0,"uid":0,"auid":0,"tid":0}},"#;
    assert!(line(&event).starts_with(expected), "{}", line(&event));
}

/// Characters that break careless writers of JSON, of lines, or of both.
const ALPHABET: &[char] = &[
    '\0',
    '\x01',
    '\x08',
    '\t',
    '\n',
    '\x0b',
    '\x0c',
    '\r',
    '\x1b',
    '\x1f',
    ' ',
    '"',
    '\'',
    '/',
    '\\',
    'a',
    'u',
    '{',
    '\x7f',
    '\u{85}',
    '\u{9b}',
    'é',
    '\u{2028}',
    '\u{2029}',
    '\u{feff}',
    '\u{fffd}',
    '\u{ffff}',
    '🐤',
    '\u{10ffff}',
];

/// xorshift64: the same strings in every run.
struct Strings(u64);

impl Strings {
    fn number(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % below as u64) as usize
    }

    fn string(&mut self) -> String {
        let length = self.number(40);
        (0..length).map(|_| ALPHABET[self.number(ALPHABET.len())]).collect()
    }

    fn shared(&mut self) -> Arc<str> {
        self.string().into()
    }
}

/// An event with a random string wherever an event has one.
fn arbitrary(strings: &mut Strings) -> Event {
    let process = Process {
        exec_id: strings.string(),
        cwd: strings.string(),
        binary: strings.string(),
        arguments: vec![strings.string()],
        parent_exec_id: strings.string(),
        ..curl()
    };
    let hook = Hook {
        function_name: strings.shared(),
        policy_name: strings.shared(),
        message: strings.shared(),
        tags: Arc::new([strings.string()]),
        arguments: vec![(Argument::String(strings.string()), strings.shared())],
        ..hook(Vec::new(), &[])
    };
    Event {
        node_name: strings.shared(),
        process: Some(Arc::new(process)),
        annotations: vec![Annotation {
            plugin: strings.shared(),
            key: strings.shared(),
            value: strings.shared(),
        }],
        alerts: vec![Alert {
            plugin: strings.shared(),
            severity: Severity::Low,
            title: strings.string(),
            rule: strings.string(),
            techniques: vec![strings.string()],
            key: strings.string(),
            fields: vec![(strings.string(), strings.string())],
        }],
        ..event(EventKind::Kprobe(hook))
    }
}

/// Two lines of an encoder that has written other processes before, and then this one.
fn twice(encoder: &mut json::Encoder, event: &Event) -> String {
    let mut out = Vec::new();
    encoder.write(event, &mut out);
    encoder.write(event, &mut out);
    String::from_utf8(out).unwrap()
}

#[test]
fn threads_of_one_process_are_told_apart() {
    let first = event(EventKind::Exec);
    let second = Event { tid: 7, ..first.clone() };
    let mut encoder = json::Encoder::default();
    let mut out = Vec::new();
    encoder.write(&first, &mut out);
    encoder.write(&second, &mut out);
    assert_eq!(String::from_utf8(out).unwrap(), line(&first) + &line(&second));
    assert!(line(&second).contains(r#""tid":7}"#));
}

#[test]
fn long_processes_are_written_as_well() {
    let long = Process { arguments: vec!["x".repeat(5_000)], ..curl() };
    let event = Event { process: Some(Arc::new(long)), ..event(EventKind::Exec) };
    assert_eq!(twice(&mut json::Encoder::default(), &event), line(&event).repeat(2));
    assert!(line(&event).contains(&"x".repeat(5_000)));
}

#[test]
fn every_string_survives() {
    let mut strings = Strings(0x5e41_4e00_ca4a_414a);
    let mut encoder = json::Encoder::default();
    for round in 0..5_000 {
        let event = arbitrary(&mut strings);
        let text = line(&event);
        assert_eq!(twice(&mut encoder, &event), format!("{text}{text}"), "round {round}: cached");
        assert_eq!(text.matches('\n').count(), 1, "round {round}: one line\n{text}");
        let value: Value =
            serde_json::from_slice(text.as_bytes()).unwrap_or_else(|e| panic!("round {round}: {e}\n{text}"));
        let (EventKind::Kprobe(hook), Some(process)) = (&event.kind, &event.process) else { unreachable!() };
        let argument = &process.arguments[0];
        let quoted = if argument.contains(' ') { format!("\"{argument}\"") } else { argument.clone() };
        let Argument::String(path) = &hook.arguments[0].0 else { unreachable!() };
        let (annotation, alert) = (&event.annotations[0], &event.alerts[0]);
        for (pointer, expected) in [
            ("/node_name", &*event.node_name),
            ("/process_kprobe/process/exec_id", &process.exec_id),
            ("/process_kprobe/process/cwd", &process.cwd),
            ("/process_kprobe/process/binary", &process.binary),
            ("/process_kprobe/process/arguments", &quoted),
            ("/process_kprobe/process/parent_exec_id", &process.parent_exec_id),
            ("/process_kprobe/function_name", &hook.function_name),
            ("/process_kprobe/args/0/string_arg", path),
            ("/process_kprobe/args/0/label", &hook.arguments[0].1),
            ("/process_kprobe/policy_name", &hook.policy_name),
            ("/process_kprobe/message", &hook.message),
            ("/process_kprobe/tags/0", &hook.tags[0]),
            ("/serin/annotations/0/plugin", &annotation.plugin),
            ("/serin/annotations/0/key", &annotation.key),
            ("/serin/annotations/0/value", &annotation.value),
            ("/serin/alerts/0/plugin", &alert.plugin),
            ("/serin/alerts/0/title", &alert.title),
            ("/serin/alerts/0/rule", &alert.rule),
            ("/serin/alerts/0/techniques/0", &alert.techniques[0]),
            ("/serin/alerts/0/key", &alert.key),
            ("/serin/alerts/0/fields/0/key", &alert.fields[0].0),
            ("/serin/alerts/0/fields/0/value", &alert.fields[0].1),
        ] {
            let found = value.pointer(pointer).map_or(Some(""), Value::as_str);
            assert_eq!(found, Some(expected), "round {round}: {pointer}\n{text}");
        }
    }
}

/// What is read back is what was written, as far as a line holds it.
#[test]
fn lines_are_read_back() {
    let file = File { path: "/etc/a b".into(), incomplete: true, mode: 0o104_751, ..File::default() };
    let arguments = vec![
        (Argument::String("/etc/\"passwd\"\n".into()), "path".into()),
        (Argument::Int(-100), "".into()),
        (Argument::Uint(u32::MAX), "".into()),
        (Argument::Long(i64::MIN), "".into()),
        (Argument::Size(u64::MAX), "".into()),
        (Argument::File(file.clone()), "".into()),
        (Argument::File(File { role: FileRole::Path, ..file.clone() }), "".into()),
        (Argument::File(File { role: FileRole::Program, mode: 0, ..file }), "".into()),
        (Argument::Bytes { bytes: vec![0, 255, 7], original: 3 }, "".into()),
        (Argument::Bytes { bytes: vec![1], original: 4096 }, "".into()),
        (Argument::Bytes { bytes: Vec::new(), original: 9 }, "".into()),
        (Argument::Word("bpf_cmd_arg", "BPF_PROG_LOAD".into()), "".into()),
        (Argument::Word("cap_effective_arg", "00000000000001ff".into()), "".into()),
    ];
    let hook = Hook {
        message: "m".into(),
        tags: Arc::new(["t".to_owned()]),
        data: vec![(Argument::Uint(1000), "uid".into()), (Argument::String("a".into()), "".into())],
        selector: 2,
        kernel_stack: Vec::new(),
        user_stack: Vec::new(),
        ima_hash: None,
        failed_closed: true,
        unenforced: true,
        ..hook(arguments, &["KPROBE_ACTION_OVERRIDE", "KPROBE_ACTION_SIGKILL"])
    };
    let annotation = Annotation { plugin: "p".into(), key: "k".into(), value: "v".into() };
    let alert = Alert {
        plugin: "p".into(),
        severity: Severity::High,
        title: "t".into(),
        rule: "r".into(),
        techniques: vec!["T1".into(), "T2".into()],
        key: "p/r".into(),
        fields: vec![("k".into(), "v".into())],
    };
    let finding = Finding { alert: alert.clone(), trigger: EventKind::Kprobe(hook.clone()) };
    let raised = event(EventKind::Alert(Box::new(finding)));
    let finding = Finding { alert: alert.clone(), trigger: EventKind::Exit { status: 7, signal: 0 } };
    let raised_on_exit = event(EventKind::Alert(Box::new(finding)));
    let error = PluginError { plugin: "p".into(), reason: "trapped".into(), failures: 4 };
    let failed = event(EventKind::PluginError(Box::new(error)));
    let found =
        Event { annotations: vec![annotation], alerts: vec![alert], ..event(EventKind::Kprobe(hook)) };
    let result = |action, outcome| {
        let request = ActionRequest { source: Source::Plugin("bait".into()), action, exec_id: "x".into() };
        let result = ActionResult { request, outcome, duration: 5_000_000_000 };
        Event { process: None, parent: None, tid: 0, ..event(EventKind::ActionResult(result)) }
    };
    let http =
        Action::Http { method: Method::Post, url: "https://x/".into(), headers: vec![], body: vec![0; 3] };
    let dns = Action::Dns { name: "a.b".into(), record: None };
    for event in [
        event(EventKind::Exec),
        event(EventKind::Exit { status: 3, signal: 0 }),
        event(EventKind::Exit { status: 0, signal: 64 }),
        event(EventKind::Loader(Mapping { path: "/a".into(), build_id: vec![1, 255] })),
        event(EventKind::Loader(Mapping { path: "/a".into(), build_id: vec![] })),
        found,
        raised,
        raised_on_exit,
        Event { process: Some(Arc::new(Process { pod: Some(pod()), ..curl() })), ..event(EventKind::Exec) },
        Event { process: None, parent: None, tid: 0, ..failed },
        Event { process: None, parent: None, tid: 0, ..event(EventKind::Loss { cpu: 3, count: 9 }) },
        result(http, Outcome::HttpStatus(204)),
        result(dns.clone(), Outcome::Resolved(vec![])),
        result(dns.clone(), Outcome::Resolved(vec!["192.0.2.1".parse().unwrap()])),
        result(
            Action::Dns { name: "a.b".into(), record: Some(RecordType::Txt) },
            Outcome::Resolved(vec![Answer::Text("1.2.3.4".into()), Answer::Text("\"\n".into())]),
        ),
        result(dns, Outcome::Failed("no answer".into())),
    ] {
        let written = line(&event);
        // The half of a container's id that a line has is not enough to find its cgroup by.
        let expected = written.replacen(r#""docker":"551e161c47d8ff0eb665438a7bcd5b4","#, "", 1);
        assert_eq!(line(&json::read(&written).unwrap()), expected);
    }
}

#[test]
fn lines_that_are_no_events_are_refused() {
    for (text, message) in [
        ("", "not JSON: EOF while parsing a value at line 1 column 0"),
        ("[]", "not a JSON object"),
        ("{}", "no key that is an event, like `process_exec`"),
        (r#"{"process_exce":{}}"#, "`process_exce` is no key that serin writes here"),
        (
            r#"{"process_exec":{},"process_exit":{}}"#,
            "both `process_exec` and `process_exit`: one key is an event, like `process_exec`",
        ),
        (
            r#"{"process_exec":{"process":{"pid":"x"}}}"#,
            "process_exec.process.pid: \"x\" is no number that this can be",
        ),
        (
            r#"{"process_exec":{"process":{"pid":-1}}}"#,
            "process_exec.process.pid: -1 is no number that this can be",
        ),
        (r#"{"process_exec":{"process":{"cwd":1}}}"#, "process_exec.process.cwd: not a string"),
        (r#"{"process_exec":{"status":1}}"#, "process_exec: `status` is no key that serin writes here"),
        (
            r#"{"process_kprobe":{"args":[{"string_arg":"a"},{"str":"b"}]}}"#,
            "process_kprobe.args[1]: `str` is no key that serin writes here",
        ),
        (
            r#"{"process_kprobe":{"args":[{"file_arg":{"permission":"rw"}}]}}"#,
            "process_kprobe.args[0].file_arg.permission: `rw` is not like `-rw-r--r--`",
        ),
        (
            r#"{"process_kprobe":{"args":[{"sock_arg":{"family":"AF_FOO"}}]}}"#,
            "process_kprobe.args[0].sock_arg.family: `AF_FOO` is neither a name nor a number",
        ),
        (
            r#"{"process_kprobe":{"args":[{"sock_arg":{"port":7}}]}}"#,
            "process_kprobe.args[0].sock_arg: `port` is no key that serin writes here",
        ),
        (
            r#"{"process_kprobe":{"args":[{"bytes_arg":"*"}]}}"#,
            "process_kprobe.args[0].bytes_arg: not base64",
        ),
        (r#"{"process_exit":{"signal":"SIGFOO"}}"#, "process_exit.signal: `SIGFOO` is no signal"),
        (r#"{"process_exec":{},"time":"now"}"#, "time: `now` is not a time like 2023-11-14T22:13:20.5Z"),
        (
            r#"{"process_exec":{},"serin":{"alerts":[{"severity":"bad"}]}}"#,
            "serin.alerts[0].severity: `bad` is no severity",
        ),
    ] {
        assert_eq!(json::read(text).unwrap_err().to_string(), message, "{text}");
    }
}

#[test]
fn fixtures_may_say_more() {
    let event = json::read(
        r#"{"process_exec":{"process":{"pid":1,"arguments":["a b","\"c"],"cgroup":"/x","uid":1000}}}"#,
    )
    .unwrap();
    let process = event.process.unwrap();
    assert_eq!(
        (process.arguments.as_slice(), &*process.cgroup),
        (&["a b".to_owned(), "\"c".to_owned()][..], "/x")
    );
}
