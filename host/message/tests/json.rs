//! The two mappings of the event model agree: protojson of the message is serin's JSON line.
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
    ProgramPlace, Severity, StackFrame,
};
use serin_message::{json, to_message};

const CONTAINER: &str = "551e161c47d8ff0eb665438a7bcd5b4ac8c0a1fd2e4f4f7b3c1d5e6f7a8b9c0d";

fn process() -> Process {
    Process {
        exec_id: "Z3VsbDoxMzU0ODY3NDMyMTM3Mzo1MjY5OQ==".into(),
        pid: 52_699,
        uid: 0,
        cwd: "/".into(),
        binary: "/usr/bin/curl".into(),
        arguments: vec!["-H".into(), "Accept: \"a\" b".into(), "\u{1}é🐤".into()],
        flags: Flags { execve: true, root_cwd: true, clone: true, miss: true, ..Flags::default() },
        start_time: 1_696_629_837_700_327_580,
        auid: u32::MAX,
        parent_exec_id: "Z3VsbDoxMzU0MjY0MDAwMDAwMDo1MjY5OQ==".into(),
        cgroup_id: 4711,
        cgroup: format!("/docker/{CONTAINER}"),
        pod: Some(Arc::new(Pod {
            namespace: "shop".into(),
            name: "web-7d4b9".into(),
            container_id: CONTAINER.into(),
            container_name: "main".into(),
            image: "docker.io/library/nginx".into(),
            labels: [("app".to_owned(), "web".to_owned())].into(),
        })),
    }
}

fn event(kind: EventKind) -> Event {
    let parent = Process { pid: 1, binary: "/sbin/init".into(), ..Process::default() };
    Event {
        time: 1_696_629_837_700_000_000,
        node_name: "gull".into(),
        kind,
        process: Some(Arc::new(process())),
        parent: Some(Arc::new(parent)),
        tid: 52_701,
        annotations: Vec::new(),
        alerts: Vec::new(),
    }
}

fn hook(arguments: Vec<Argument>) -> Hook {
    let label = |index: usize| if index.is_multiple_of(2) { "".into() } else { "label".into() };
    Hook {
        place: Place::Function,
        function_name: "__x64_sys_symlinkat".into(),
        policy_name: "sys-symlink-passwd".into(),
        message: "symlink to passwd".into(),
        tags: Arc::new(["observability.filesystem".into()]),
        arguments: arguments.into_iter().enumerate().map(|(index, value)| (value, label(index))).collect(),
        data: Vec::new(),
        returned: None,
        actions: Arc::new(["KPROBE_ACTION_POST"]),
        return_actions: Arc::new([]),
        selector: 0,
        kernel_stack: vec![StackFrame { offset: 7, symbol: "f".into(), module: "ext4".into(), address: 0 }],
        user_stack: vec![StackFrame { address: 1 << 40, ..StackFrame::default() }],
        ima_hash: None,
        failed_closed: false,
        unenforced: false,
    }
}

/// Every kind of argument, at its bounds.
fn arguments() -> Vec<Argument> {
    let file = |role| Argument::File(File { role, path: "/a".into(), incomplete: true, mode: 0o100_644 });
    let nothing = Argument::File(File::default());
    vec![
        Argument::Int(i32::MIN),
        Argument::Int(0),
        Argument::Uint(u32::MAX),
        Argument::Long(i64::MIN),
        Argument::Size(u64::MAX),
        Argument::Size(0),
        Argument::String("/etc/passwd\n\"".into()),
        Argument::String(String::new()),
        Argument::Bytes { bytes: vec![0, 255, b'a'], original: 3 },
        Argument::Bytes { bytes: vec![1, 2], original: 9 },
        Argument::Bytes { bytes: Vec::new(), original: 9 },
        file(FileRole::Open),
        file(FileRole::Path),
        file(FileRole::Program),
        nothing,
        Argument::Unreadable("Bad address for basic type"),
        Argument::Word("bpf_cmd_arg", "BPF_PROG_LOAD".into()),
        Argument::Word("kernel_cap_t_arg", "00000000000001ff".into()),
        Argument::Word("cap_effective_arg", "0000000000000000".into()),
    ]
    .into_iter()
    .chain(structures().into_iter().map(|structure| Argument::Structure(Box::new(structure))))
    .collect()
}

/// Every structure, with and without something in it.
fn structures() -> Vec<Structure> {
    let tuple = Tuple {
        family: 2,
        protocol: 6,
        saddr: Some("192.0.2.7".parse().unwrap()),
        daddr: Some("2001:db8::1".parse().unwrap()),
        sport: 1,
        dport: 65_535,
    };
    let sock = Sock { tuple: tuple.clone(), kind: 1, state: 10, mark: 3, priority: 4, cookie: u64::MAX };
    let packet = Packet { tuple, hash: 1, len: 2, mark: 3, priority: 4, sec_path_len: 5, sec_path_olen: 6 };
    let user_ns = UserNamespace { level: 1, uid: 0, gid: 7, inum: 9 };
    let (permitted, securebits) = ((1 << 41) - 1, 0xff);
    let credentials = Credentials { permitted, securebits, user_ns, ..Credentials::default() };
    let module = Module { name: "m".into(), taints: u64::MAX, signature_ok: Some(false) };
    let program = |is_request| BpfProgram { is_request, kind: 2, instructions: 3, name: "p".into() };
    let map = BpfMap { kind: 1, key_size: 2, value_size: 3, max_entries: 4, name: "m".into() };
    let event = PerfEvent { function: "f".into(), kind: 1, config: u64::MAX, offset: 1 };
    vec![
        Structure::Sock(sock),
        Structure::Sock(Sock::default()),
        Structure::Packet(packet),
        Structure::Address(Address { family: 2, addr: None, port: 53 }),
        Structure::UnixAddress(UnixAddress { family: 1, path: "@a".into() }),
        Structure::Credentials(Box::new(credentials)),
        Structure::Credentials(Box::default()),
        Structure::UserNamespace(UserNamespace::default()),
        Structure::Capability(0),
        Structure::Capability(-1),
        Structure::Module(module),
        Structure::Module(Module::default()),
        Structure::BpfProgram(program(false)),
        Structure::BpfProgram(program(true)),
        Structure::BpfMap(map),
        Structure::PerfEvent(event),
        Structure::NetDevice("lo".into()),
        Structure::Syscall { number: 8, is_compat: false },
        Structure::Syscall { number: 0, is_compat: true },
    ]
}

fn results() -> impl Iterator<Item = EventKind> {
    let url = || "https://o3n.io/a?b".to_owned();
    let post = Action::Http {
        method: Method::Post,
        url: url(),
        headers: vec![("a".into(), "b".into())],
        body: b"secret".to_vec(),
    };
    let get = Action::Http { method: Method::Get, url: url(), headers: Vec::new(), body: Vec::new() };
    let dns = Action::Dns { name: "abc.o3n.io".into(), record: None };
    let (policy, plugin) = (Source::Policy("p".into()), Source::Plugin("bait".into()));
    let addresses = || ["192.0.2.7", "2001:db8::1"].map(|text| text.parse().unwrap()).to_vec();
    [
        (policy.clone(), post, Outcome::HttpStatus(204)),
        (plugin.clone(), get, Outcome::Failed("no route".into())),
        (policy.clone(), dns.clone(), Outcome::Resolved(addresses())),
        (policy, dns.clone(), Outcome::Resolved(Vec::new())),
        (
            plugin.clone(),
            Action::Dns { name: "abc.o3n.io".into(), record: Some(RecordType::Txt) },
            Outcome::Resolved(vec![Answer::Text("1.2.3.4".into())]),
        ),
        (plugin, dns, Outcome::Suppressed("rate limit")),
    ]
    .into_iter()
    .map(|(source, action, outcome)| {
        let request = ActionRequest { source, action, exec_id: "ID".into() };
        EventKind::ActionResult(ActionResult { request, outcome, duration: 1_500_000 })
    })
}

fn alert() -> Alert {
    let field = |key: &str| (key.to_owned(), "value".to_owned());
    Alert {
        plugin: "bait".into(),
        severity: Severity::Critical,
        title: "passwd linked".into(),
        rule: "links".into(),
        techniques: vec!["T1036.005".into(), "T1555".into()],
        key: "/etc/passwd".into(),
        fields: vec![field("path"), field("path")],
    }
}

/// Only functions of the kernel have stacks.
fn without_stacks() -> Hook {
    Hook { kernel_stack: Vec::new(), user_stack: Vec::new(), ..hook(arguments()) }
}

/// Alerts on every kind of event, with all of their fields and with few.
fn alerts() -> impl Iterator<Item = EventKind> {
    let error = PluginError { plugin: "bait".into(), reason: "trap".into(), failures: 1 << 40 };
    let bare = || Alert {
        rule: String::new(),
        techniques: Vec::new(),
        key: String::new(),
        fields: Vec::new(),
        ..alert()
    };
    let triggers = [
        EventKind::Exec,
        EventKind::Exit { status: 1, signal: 0 },
        EventKind::Kprobe(Hook { selector: 1, actions: Arc::new(ACTIONS), ..hook(arguments()) }),
        EventKind::Kprobe(Hook { data: hook(arguments()).arguments, ..hook(Vec::new()) }),
        EventKind::Kprobe(Hook { data: hook(arguments()).arguments, ..uprobe_hook("main", 0) }),
        EventKind::Kprobe(lsm_hook()),
        EventKind::Loss { cpu: 1, count: 2 },
        EventKind::PluginError(Box::new(error)),
    ];
    let triggers = triggers.into_iter().chain(results().take(1));
    triggers.flat_map(move |trigger| {
        [alert(), bare()].map(|alert| EventKind::Alert(Box::new(Finding { alert, trigger: trigger.clone() })))
    })
}

fn lsm_hook() -> Hook {
    let ima_hash = Some("sha256:73ab".into());
    Hook { place: Place::Lsm, function_name: "file_open".into(), ima_hash, ..without_stacks() }
}

fn tracepoint_hook() -> Hook {
    Hook { place: Place::Tracepoint, function_name: "sched/sched_switch".into(), ..without_stacks() }
}

fn uprobe_hook(symbol: &str, offset: u64) -> Hook {
    let place = ProgramPlace { path: "/bin/sh".into(), symbol: symbol.into(), offset, counter: offset >> 8 };
    Hook { place: Place::Program(place.into()), function_name: "/bin/sh:main".into(), ..without_stacks() }
}

fn usdt_hook() -> Hook {
    let (path, provider, name) = ("/bin/sh".into(), "one".into(), "begin".into());
    let probe = Probe { path, provider, name };
    Hook { place: Place::Probe(probe.into()), function_name: "/bin/sh:one:begin".into(), ..without_stacks() }
}

/// Every action that has a name in Tetragon.
const ACTIONS: [&str; 13] = [
    "KPROBE_ACTION_POST",
    "KPROBE_ACTION_NOPOST",
    "KPROBE_ACTION_SIGNAL",
    "KPROBE_ACTION_SIGKILL",
    "KPROBE_ACTION_OVERRIDE",
    "KPROBE_ACTION_GETURL",
    "KPROBE_ACTION_DNSLOOKUP",
    "KPROBE_ACTION_NOTIFYENFORCER",
    "KPROBE_ACTION_CLEANUPENFORCERNOTIFICATION",
    "KPROBE_ACTION_SET",
    "KPROBE_ACTION_FOLLOWFD",
    "KPROBE_ACTION_UNFOLLOWFD",
    "KPROBE_ACTION_COPYFD",
];

fn events() -> Vec<Event> {
    let mut kinds = vec![
        EventKind::Exec,
        EventKind::Exit { status: 22, signal: 0 },
        EventKind::Exit { status: 0, signal: 9 },
        EventKind::Loader(Mapping { path: "/usr/lib/libc.so.6".into(), build_id: vec![0, 255, 7] }),
        EventKind::Loader(Mapping { path: "/memfd:x (deleted)".into(), build_id: Vec::new() }),
        EventKind::Kprobe(hook(arguments())),
        EventKind::Kprobe(Hook { selector: 2, failed_closed: true, unenforced: true, ..hook(Vec::new()) }),
        EventKind::Kprobe(Hook { actions: Arc::new(ACTIONS), ..hook(Vec::new()) }),
        EventKind::Kprobe(Hook { return_actions: Arc::new(ACTIONS), ..hook(Vec::new()) }),
        EventKind::Kprobe(Hook { return_actions: Arc::new([ACTIONS[3]]), ..uprobe_hook("main", 0) }),
        EventKind::Kprobe(Hook { actions: Arc::new([]), ..hook(Vec::new()) }),
        EventKind::Kprobe(Hook { returned: Some((Argument::Int(-1), "error".into())), ..hook(Vec::new()) }),
        EventKind::Kprobe(Hook { returned: Some((Argument::Size(0), "".into())), ..hook(Vec::new()) }),
        EventKind::Kprobe(lsm_hook()),
        EventKind::Kprobe(Hook { arguments: Vec::new(), actions: Arc::new([]), ..lsm_hook() }),
        EventKind::Kprobe(tracepoint_hook()),
        EventKind::Kprobe(Hook { arguments: Vec::new(), actions: Arc::new([]), ..tracepoint_hook() }),
        EventKind::Kprobe(uprobe_hook("main+0x4", 0)),
        EventKind::Kprobe(uprobe_hook("", 1 << 40)),
        EventKind::Kprobe(Hook { returned: Some((Argument::Int(-1), "".into())), ..uprobe_hook("main", 0) }),
        EventKind::Kprobe(usdt_hook()),
        EventKind::Kprobe(Hook { arguments: Vec::new(), actions: Arc::new([]), ..usdt_hook() }),
    ];
    kinds.extend(
        ACTIONS.map(|name| EventKind::Kprobe(Hook { actions: Arc::new([name]), ..hook(Vec::new()) })),
    );
    kinds.extend(alerts());
    let mut events: Vec<_> = kinds.into_iter().map(event).collect();
    let alone = |kind| Event { process: None, parent: None, tid: 0, ..event(kind) };
    events.push(alone(EventKind::Loss { cpu: 0, count: 1 << 40 }));
    events.extend(results().map(alone));
    let error = PluginError { plugin: "bait".into(), reason: "trap".into(), failures: 1 };
    events.push(alone(EventKind::PluginError(Box::new(error))));
    events.push(Event {
        annotations: vec![Annotation { plugin: "a".into(), key: "b".into(), value: "c".into() }],
        alerts: vec![alert()],
        ..event(EventKind::Exec)
    });
    events.push(Event { process: Some(Arc::default()), tid: 0, time: 0, ..event(EventKind::Exec) });
    events
}

#[test]
fn protojson_of_the_message_is_the_json_line() {
    for event in events() {
        let mut line = Vec::new();
        serin_event::json::Encoder::default().write(&event, &mut line);
        let line: Value = serde_json::from_slice(&line).unwrap();
        let message: Value = serde_json::from_str(&json(&to_message(&event)).unwrap()).unwrap();
        assert_eq!(message, line, "{event:?}");
    }
}
