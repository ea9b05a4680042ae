#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;

use serin_event::action::{Action, ActionRequest, ActionResult, Method, Outcome, Source};
use serin_event::argument::{Argument, File, FileRole};
use serin_event::network::UnixAddress;
use serin_event::process::Flags;
use serin_event::structure::Structure;
use serin_event::{
    Alert, Annotation, Event, EventKind, Finding, Hook, Mapping, Place, PluginError, Pod, Process, Severity,
};
use serin_frame::{EventView, Frame, Kind, ProcessView};

use super::{Batch, FrameEncoder};
use crate::MAX_FRAME;

/// xorshift64: the same numbers in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit as u64) as usize
    }

    fn text(&mut self) -> String {
        ["", "a", "/usr/bin/ln", "höst", "/etc/passwd and more than eight bytes of it"][self.below(5)]
            .to_owned()
    }
}

fn process(random: &mut Random) -> Arc<Process> {
    Arc::new(Process {
        exec_id: random.text(),
        pid: random.below(100) as u32,
        uid: random.below(100) as u32,
        cwd: random.text(),
        binary: random.text(),
        arguments: (0..random.below(4)).map(|_| random.text()).collect(),
        flags: Flags { execve: true, miss: random.below(2) == 0, ..Flags::default() },
        start_time: random.below(usize::MAX) as u64,
        auid: random.below(100) as u32,
        parent_exec_id: random.text(),
        cgroup_id: random.below(usize::MAX) as u64,
        cgroup: random.text(),
        pod: (random.below(2) == 0).then(|| pod(random)),
    })
}

fn pod(random: &mut Random) -> Arc<Pod> {
    Arc::new(Pod {
        namespace: random.text(),
        name: random.text(),
        container_id: random.text(),
        container_name: random.text(),
        image: random.text(),
        labels: (0..random.below(3)).map(|_| (random.text(), random.text())).collect(),
    })
}

fn argument(random: &mut Random) -> Argument {
    match random.below(9) {
        0 => Argument::Int(-1 - random.below(100) as i32),
        1 => Argument::Uint(random.below(100) as u32),
        2 => Argument::Long(-1 - random.below(100) as i64),
        3 => Argument::Size(u64::MAX - random.below(100) as u64),
        4 => Argument::String(random.text()),
        5 => {
            let role = [FileRole::Open, FileRole::Path, FileRole::Program][random.below(3)];
            Argument::File(File { role, path: random.text(), incomplete: true, mode: 0o100_644 })
        }
        6 => {
            let address = UnixAddress { family: 1, path: random.text() };
            Argument::Structure(Box::new(Structure::UnixAddress(address)))
        }
        7 => Argument::Bytes { bytes: random.text().into_bytes(), original: 5000 },
        _ => Argument::Unreadable("faulted"),
    }
}

fn kind(random: &mut Random) -> EventKind {
    match random.below(9) {
        0 => EventKind::Exec,
        1 => EventKind::Exit { status: 3, signal: 9 },
        2 => EventKind::Loss { cpu: 1, count: random.below(usize::MAX) as u64 },
        3 => EventKind::ActionResult(ActionResult {
            request: ActionRequest {
                source: Source::Plugin(random.text()),
                action: Action::Http {
                    method: Method::Post,
                    url: random.text(),
                    headers: vec![],
                    body: vec![1],
                },
                exec_id: random.text(),
            },
            outcome: Outcome::Resolved(vec!["192.0.2.1".parse().unwrap()]),
            duration: 5,
        }),
        4 => EventKind::PluginError(Box::new(PluginError {
            plugin: random.text().into(),
            reason: random.text(),
            failures: random.below(9) as u64,
        })),
        6 => EventKind::Loader(Mapping { path: random.text(), build_id: vec![1, random.below(256) as u8] }),
        5 => EventKind::Alert(Box::new(Finding { alert: alert(random, 7), trigger: hook(random) })),
        _ => hook(random),
    }
}

fn hook(random: &mut Random) -> EventKind {
    EventKind::Kprobe(Hook {
        place: Place::Function,
        function_name: random.text().into(),
        policy_name: random.text().into(),
        message: random.text().into(),
        tags: Arc::new([random.text()]),
        arguments: (0..random.below(4)).map(|_| (argument(random), random.text().into())).collect(),
        data: (0..random.below(2)).map(|_| (argument(random), random.text().into())).collect(),
        actions: Arc::new(["KPROBE_ACTION_POST"]),
        return_actions: Arc::new([]),
        returned: (random.below(2) == 0).then(|| (argument(random), random.text().into())),
        selector: random.below(9) as u32,
        kernel_stack: Vec::new(),
        user_stack: Vec::new(),
        ima_hash: None,
        failed_closed: random.below(2) == 0,
        unenforced: random.below(2) == 0,
    })
}

fn alert(random: &mut Random, plugin: usize) -> Alert {
    Alert {
        plugin: format!("plugin-{plugin}").into(),
        severity: Severity::High,
        title: random.text(),
        rule: random.text(),
        techniques: vec![random.text()],
        key: random.text(),
        fields: vec![("k".to_owned(), random.text())],
    }
}

fn events(random: &mut Random, count: usize) -> Vec<Event> {
    let processes: Vec<_> = (0..5).map(|_| process(random)).collect();
    let mut events: Vec<Event> = Vec::new();
    for _ in 0..count {
        // Hooks recur, as they do in the agent.
        let kind = match events.get(random.below(count)) {
            Some(Event { kind: EventKind::Kprobe(hook), .. }) => EventKind::Kprobe(hook.clone()),
            _ => kind(random),
        };
        events.push(Event {
            time: random.below(usize::MAX) as u64,
            node_name: "host".into(),
            kind,
            process: processes.get(random.below(6)).cloned(),
            parent: processes.get(random.below(6)).cloned(),
            tid: random.below(100) as u32,
            annotations: Vec::new(),
            alerts: Vec::new(),
        });
    }
    events
}

/// Everything a view says, as the event says it.
fn assert_same(view: &EventView<'_>, event: &Event) {
    assert_eq!((view.time(), view.tid(), view.node_name()), (event.time, event.tid, &*event.node_name));
    assert_eq!(view.kind().name(), event.kind.name());
    for (view, process) in [(view.process(), &event.process), (view.parent(), &event.parent)] {
        assert_eq!(view.is_some(), process.is_some());
        if let (Some(view), Some(process)) = (view, process) {
            assert_same_process(&view, process);
        }
    }
    assert_same_kind(view, &event.kind);
    let annotations: Vec<_> = view.annotations().map(|a| (a.plugin(), a.key(), a.value())).collect();
    let expected: Vec<_> = event.annotations.iter().map(|a| (&*a.plugin, &*a.key, &*a.value)).collect();
    assert_eq!(annotations, expected);
    let alerts = view.alerts().map(|a| {
        (
            a.plugin(),
            a.severity_code(),
            a.title(),
            a.rule(),
            a.key(),
            a.techniques().count(),
            a.fields().count(),
        )
    });
    let expected = event.alerts.iter().map(|a| {
        (&*a.plugin, a.severity as u8, &*a.title, &*a.rule, &*a.key, a.techniques.len(), a.fields.len())
    });
    assert_eq!(alerts.collect::<Vec<_>>(), expected.collect::<Vec<_>>());
}

fn assert_same_process(view: &ProcessView<'_>, process: &Process) {
    let Process {
        exec_id, pid, uid, cwd, binary, start_time, auid, parent_exec_id, cgroup_id, cgroup, ..
    } = process;
    assert_eq!((view.pid(), view.uid(), view.auid()), (*pid, *uid, *auid));
    assert_eq!((view.start_time(), view.cgroup_id()), (*start_time, *cgroup_id));
    assert_eq!((view.exec_id(), view.parent_exec_id()), (exec_id.as_str(), parent_exec_id.as_str()));
    assert_eq!((view.binary(), view.cwd(), view.cgroup()), (binary.as_str(), cwd.as_str(), cgroup.as_str()));
    assert_eq!(view.arguments().collect::<Vec<_>>(), process.arguments);
    assert_eq!(view.pod().is_some(), process.pod.is_some());
    if let (Some(view), Some(pod)) = (view.pod(), &process.pod) {
        assert_eq!((view.namespace(), view.name(), view.image()), (&*pod.namespace, &*pod.name, &*pod.image));
        assert_eq!((view.container_id(), view.container_name()), (&*pod.container_id, &*pod.container_name));
        let labels: Vec<_> = view.labels().map(|label| (label.key(), label.value())).collect();
        assert_eq!(labels, pod.labels.iter().map(|(key, value)| (&**key, &**value)).collect::<Vec<_>>());
    }
    assert_eq!(view.flags(), u32::from(process.flags.execve) + 128 * u32::from(process.flags.miss));
}

fn assert_same_kind(view: &EventView<'_>, kind: &EventKind) {
    use serin_frame::ArgumentValue as Value;
    match kind {
        EventKind::Exec => assert_eq!(view.kind(), Kind::ProcessExec),
        EventKind::Alert(finding) => {
            let alert = view.alert().unwrap();
            assert_eq!((alert.title(), alert.key()), (&*finding.alert.title, &*finding.alert.key));
            assert_eq!(view.trigger().name(), finding.trigger.name());
            assert_same_kind(view, &finding.trigger);
        }
        EventKind::PluginError(error) => {
            let view = view.plugin_error().unwrap();
            let expected = (&*error.plugin, &*error.reason, error.failures);
            assert_eq!((view.plugin(), view.reason(), view.failures()), expected);
        }
        EventKind::Exit { status, signal } => {
            assert_eq!(view.exit().map(|exit| (exit.status(), exit.signal())), Some((*status, *signal)));
        }
        EventKind::Loader(mapping) => {
            let view = view.loader().unwrap();
            assert_eq!((view.path(), view.build_id()), (&*mapping.path, &*mapping.build_id_text()));
        }
        EventKind::Loss { cpu, count } => {
            assert_eq!(view.loss().map(|loss| (loss.cpu(), loss.count())), Some((*cpu, *count)));
        }
        EventKind::ActionResult(result) => {
            let Action::Http { url, .. } = &result.request.action else { panic!("another action") };
            let view = view.action_result().unwrap();
            assert_eq!((view.source_code(), view.action_code(), view.outcome_code()), (2, 2, 2));
            assert_eq!((view.target(), view.duration()), (url.as_str(), result.duration));
            assert_eq!(view.addresses().collect::<Vec<_>>(), ["192.0.2.1"]);
        }
        EventKind::Kprobe(hook) => {
            let view = view.kprobe().unwrap();
            let about = view.hook().unwrap();
            assert_eq!(
                (view.policy_name(), view.function_name()),
                (&*hook.policy_name, &*hook.function_name)
            );
            assert_eq!((about.message(), view.selector()), (&*hook.message, hook.selector));
            assert_eq!(about.tags().collect::<Vec<_>>(), hook.tags.to_vec());
            assert_eq!(about.actions().collect::<Vec<_>>(), hook.actions.to_vec());
            let flags = (u8::from(hook.failed_closed), u8::from(hook.unenforced));
            assert_eq!((view.failed_closed(), view.unenforced()), flags);
            assert_eq!(view.returned().is_some(), hook.returned.is_some());
            let all = view.arguments().chain(view.returned());
            let values: Vec<_> = all.map(|argument| (argument.value(), argument.label())).collect();
            let expected =
                hook.arguments.iter().chain(&hook.data).chain(&hook.returned).map(|(argument, label)| {
                    let value = match argument {
                        Argument::Int(value) => Value::Int(*value),
                        Argument::Uint(value) => Value::Uint(*value),
                        Argument::Long(value) => Value::Long(*value),
                        Argument::Size(value) => Value::Size(*value),
                        Argument::String(text) => Value::String(text),
                        Argument::Bytes { bytes, original } => {
                            Value::Bytes { text: std::str::from_utf8(bytes).unwrap(), original: *original }
                        }
                        Argument::Word(_, word) => Value::String(word),
                        Argument::File(File { role, path, incomplete, mode }) => {
                            let role = match role {
                                FileRole::Open => serin_frame::FileRole::Open,
                                FileRole::Path => serin_frame::FileRole::Path,
                                FileRole::Program => serin_frame::FileRole::Program,
                            };
                            Value::File { role, path, incomplete: *incomplete, mode: *mode }
                        }
                        Argument::Structure(structure) => Value::Structure(structure.name()),
                        Argument::Unreadable(reason) => Value::Unreadable(reason),
                    };
                    (value, &**label)
                });
            assert_eq!(values, expected.collect::<Vec<_>>());
            for (view, (argument, _)) in view.arguments().zip(hook.arguments.iter().chain(&hook.data)) {
                let fields = match argument {
                    Argument::Structure(structure) => structure.texts(),
                    _ => Vec::new(),
                };
                for (key, value) in &fields {
                    assert_eq!(view.field(key), Some(value.as_str()), "{key}");
                }
                assert_eq!(view.field("nothing"), None);
            }
        }
    }
}

fn assert_frame(bytes: &[u8], selected: &[usize], events: &[Event]) {
    let frame = Frame::new(bytes).unwrap();
    let views: Vec<_> = frame.events().collect();
    assert_eq!((views.len(), frame.count() as usize), (selected.len(), selected.len()));
    for (view, index) in views.iter().zip(selected) {
        assert_same(view, &events[*index]);
    }
}

#[test]
fn frames_say_what_the_events_say() {
    let mut random = Random(0x5e41_4e00_ca4a_414a);
    let mut encoder = FrameEncoder::default();
    for count in [1, 2, 7, 256] {
        for _ in 0..20 {
            let events = events(&mut random, count);
            assert_frame(encoder.encode(&events), &(0..count).collect::<Vec<_>>(), &events);
        }
    }
}

#[test]
fn frames_follow_what_plugins_find_and_drop() {
    let mut random = Random(0x0dd0_5e41_4e00_ca4a);
    let mut batch = Batch::default();
    for _ in 0..200 {
        let mut events = events(&mut random, 40);
        batch.start(events.len());
        let mut kept: Vec<usize> = (0..events.len()).collect();
        let mut ways = 1;
        for plugin in 0..8 {
            // Some plugins want few events, some get all that are left, some drop; most have as many workers as those before.
            let few: Vec<usize> = kept.iter().copied().filter(|_| random.below(8) == 0).collect();
            let selected = if random.below(3) == 0 && !few.is_empty() { &few } else { &kept };
            if random.below(3) == 0 {
                ways = 1 + random.below(3);
            }
            batch.split(ways);
            for way in 0..ways {
                let of_way: Vec<_> = selected.iter().copied().filter(|index| index % ways == way).collect();
                if of_way.is_empty() {
                    continue;
                }
                assert_eq!(batch.frame(way, &of_way, &events), of_way.len());
                assert_frame(batch.bytes(way), &of_way, &events);
            }
            for index in selected {
                if random.below(4) == 0 {
                    find(&mut random, plugin, &mut events[*index]);
                }
            }
            if random.below(3) == 0 && kept.len() > 2 {
                kept.remove(random.below(kept.len()));
            }
        }
    }
}

fn find(random: &mut Random, plugin: usize, event: &mut Event) {
    if random.below(2) == 0 {
        let plugin: Arc<str> = format!("plugin-{plugin}").into();
        event.annotations.push(Annotation { plugin, key: "k".into(), value: random.text().into() });
    } else {
        event.alerts.push(alert(random, plugin));
    }
}

#[test]
fn a_frame_that_would_be_too_large_is_split() {
    let mut random = Random(7);
    let mut events = events(&mut random, 12);
    for event in &mut events {
        event.process = Some(Arc::new(Process { binary: "x".repeat(300_000), ..Process::default() }));
    }
    events[5].process = Some(Arc::new(Process { binary: "x".repeat(MAX_FRAME * 2), ..Process::default() }));
    let mut batch = Batch::default();
    batch.start(events.len());
    batch.split(1);
    let all: Vec<usize> = (0..events.len()).collect();
    let mut rest = all.as_slice();
    let mut counts = Vec::new();
    while !rest.is_empty() {
        let count = batch.frame(0, rest, &events);
        let (frame, others) = rest.split_at(count);
        assert_frame(batch.bytes(0), frame, &events);
        counts.push(count);
        rest = others;
    }
    assert_eq!(counts, [3, 2, 1, 3, 3]);
}
