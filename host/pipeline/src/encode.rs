//! Events as records of a frame.

use std::sync::Arc;

use serin_event::action::{Action, ActionResult, Method, Outcome, Source};
use serin_event::argument::{Argument, FileRole};
use serin_event::process::Flags;
use serin_event::{Alert, Annotation, Event, EventKind, Hook, Pod, Process};
use serin_frame::{
    ActionResultWriter, AlertView, AlertWriter, AnnotationView, AnnotationWriter, ArgumentWriter,
    EventWriter, FrameWriter, HookView, HookWriter, NodeView, NodeWriter, PodWriter, ProcessView,
    ProcessWriter, RecordRange, Shared,
};

use crate::subscription::kind_of;

/// Writes events; what several have in common, once.
#[derive(Debug, Default)]
pub(crate) struct Encoder {
    pub(crate) writer: FrameWriter,
    nodes: Written<1, 2, NodeView<'static>>,
    processes: Box<Written<1, 256, ProcessView<'static>>>,
    hooks: Written<5, 16, HookView<'static>>,
    annotations: Written<3, 64, AnnotationView<'static>>,
    /// Room for the annotations of an event.
    found: Vec<Shared<AnnotationView<'static>>>,
}

impl Encoder {
    /// Forgets everything. To be called before the events written so far go: what they share is told
    /// apart by its address.
    pub(crate) fn clear(&mut self) {
        self.writer.clear();
        self.nodes.clear();
        self.processes.clear();
        self.hooks.clear();
        self.annotations.clear();
    }

    /// Writes an event and tells where its record lies.
    pub(crate) fn event(&mut self, event: &Event) -> RecordRange {
        let node = self.node(&event.node_name);
        let process = event.process.as_ref().map(|process| self.process(process)).unwrap_or_default();
        let parent = event.parent.as_ref().map(|parent| self.process(parent)).unwrap_or_default();
        let hook = event.kind.hook().map(|hook| self.hook(hook)).unwrap_or_default();
        let alert = match &event.kind {
            EventKind::Alert(finding) => self.alert(&finding.alert),
            _ => Shared::default(),
        };
        let annotations = self.annotations(event);
        let alerts = self.alerts(event);
        self.writer.record(|to| {
            to.time(event.time).kind_code(kind_of(&event.kind).code()).tid(event.tid);
            to.node(node).process(process).parent(parent).annotations(annotations).alerts(alerts);
            match &event.kind {
                EventKind::Alert(finding) => {
                    to.alert(alert).trigger_code(kind_of(&finding.trigger).code());
                    details(to, &finding.trigger, hook);
                }
                kind => details(to, kind, hook),
            }
        })
    }

    /// Brings the record of an event up to date that plugins have added to.
    pub(crate) fn amend(&mut self, record: RecordRange, event: &Event) {
        let annotations = self.annotations(event);
        let alerts = self.alerts(event);
        self.writer.amend(record, |to| _ = to.annotations(annotations).alerts(alerts));
    }

    fn node(&mut self, name: &Arc<str>) -> Shared<NodeView<'static>> {
        let writer = &mut self.writer;
        self.nodes.get([address(name)], || {
            let (shared, mut to) = writer.share::<NodeWriter<'_>>();
            to.name(name);
            shared
        })
    }

    fn process(&mut self, from: &Arc<Process>) -> Shared<ProcessView<'static>> {
        let writer = &mut self.writer;
        self.processes.get([address(from)], || {
            let (shared, mut to) = writer.share();
            process(&mut to, from);
            shared
        })
    }

    fn hook(&mut self, from: &Hook) -> Shared<HookView<'static>> {
        let writer = &mut self.writer;
        let Hook { function_name, policy_name, message, tags, actions, return_actions, .. } = from;
        let addresses =
            [address(actions), address(function_name), address(policy_name), address(message), address(tags)];
        self.hooks.get(addresses, || {
            let (shared, mut to) = writer.share::<HookWriter<'_>>();
            to.function_name(function_name).policy_name(policy_name).message(message);
            to.tags(tags).actions(actions).return_actions(return_actions);
            shared
        })
    }

    fn annotations(&mut self, event: &Event) -> Shared<[AnnotationView<'static>]> {
        if event.annotations.is_empty() {
            return Shared::default();
        }
        self.found.clear();
        let writer = &mut self.writer;
        for Annotation { plugin, key, value } in &event.annotations {
            let addresses = [address(value), address(key), address(plugin)];
            self.found.push(self.annotations.get(addresses, || {
                let (shared, mut to) = writer.share::<AnnotationWriter<'_>>();
                to.plugin(plugin).key(key).value(value);
                shared
            }));
        }
        self.writer.share_list(&self.found)
    }

    fn alerts(&mut self, event: &Event) -> Shared<[AlertView<'static>]> {
        if event.alerts.is_empty() {
            return Shared::default();
        }
        let shared: Vec<_> = event.alerts.iter().map(|alert| self.alert(alert)).collect();
        self.writer.share_list(&shared)
    }

    fn alert(&mut self, alert: &Alert) -> Shared<AlertView<'static>> {
        let (shared, mut to) = self.writer.share::<AlertWriter<'_>>();
        to.severity_code(alert.severity as u8).plugin(&alert.plugin).title(&alert.title);
        to.techniques(&alert.techniques).rule(&alert.rule).key(&alert.key);
        to.fields(&alert.fields, |(key, value), to| {
            to.key(key).value(value);
        });
        shared
    }
}

/// What was written to the shared part lately, by the addresses of the `N` parts it was made from.
#[derive(Debug)]
struct Written<const N: usize, const PLACES: usize, V> {
    places: [([usize; N], Shared<V>); PLACES],
}

impl<const N: usize, const PLACES: usize, V> Default for Written<N, PLACES, V> {
    fn default() -> Self {
        Self { places: [([0; N], Shared::default()); PLACES] }
    }
}

impl<const N: usize, const PLACES: usize, V> Written<N, PLACES, V> {
    fn clear(&mut self) {
        self.places.fill(([0; N], Shared::default()));
    }

    #[inline]
    fn get(&mut self, addresses: [usize; N], write: impl FnOnce() -> Shared<V>) -> Shared<V> {
        // The low bits are the same for all of them, because allocations are aligned.
        let mixed = addresses.iter().fold(0, |mixed, address| mixed ^ (address >> 4) ^ (address >> 12));
        match self.places.get_mut(mixed % PLACES) {
            Some((owner, shared)) if owner.iter().eq(&addresses) => *shared,
            Some(place) => {
                *place = (addresses, write());
                place.1
            }
            None => write(),
        }
    }
}

fn address<T: ?Sized>(shared: &Arc<T>) -> usize {
    Arc::as_ptr(shared).addr()
}

fn process(to: &mut ProcessWriter<'_>, from: &Process) {
    to.pid(from.pid).uid(from.uid).auid(from.auid).start_time(from.start_time).cgroup_id(from.cgroup_id);
    to.exec_id(&from.exec_id).parent_exec_id(&from.parent_exec_id).binary(&from.binary).cwd(&from.cwd);
    to.cgroup(&from.cgroup).flags(flags(from.flags)).arguments(&from.arguments);
    if let Some(known) = &from.pod {
        pod(&mut to.pod(), known);
    }
}

fn pod(to: &mut PodWriter<'_>, from: &Pod) {
    to.namespace(&from.namespace).name(&from.name).image(&from.image);
    to.container_id(&from.container_id).container_name(&from.container_name);
    let labels: Vec<_> = from.labels.iter().collect();
    to.labels(&labels, |(key, value), to| {
        to.key(key).value(value);
    });
}

fn flags(flags: Flags) -> u32 {
    let Flags { execve, proc_fs, clone, truncated_arguments, root_cwd, error_cwd, error_filename, miss } =
        flags;
    [execve, proc_fs, clone, truncated_arguments, root_cwd, error_cwd, error_filename, miss]
        .into_iter()
        .rev()
        .fold(0, |sum, flag| sum << 1 | u32::from(flag))
}

/// What an event of this kind has beside its process.
fn details(to: &mut EventWriter<'_>, kind: &EventKind, shared: Shared<HookView<'static>>) {
    match kind {
        // An alert is raised on no other.
        EventKind::Exec | EventKind::Alert(_) => {}
        EventKind::Exit { status, signal } => {
            to.exit().status(*status).signal(*signal);
        }
        EventKind::Kprobe(hook) => {
            let mut to = to.kprobe();
            to.hook(shared).selector(hook.selector);
            to.failed_closed(hook.failed_closed.into()).unenforced(hook.unenforced.into());
            to.arguments(
                &hook.arguments.iter().chain(&hook.data).collect::<Vec<_>>(),
                |(value, label), to| {
                    to.label(label);
                    argument(to, value);
                },
            );
            if let Some((value, label)) = &hook.returned {
                argument(to.returned().label(label), value);
            }
        }
        EventKind::Loader(mapping) => {
            to.loader().path(&mapping.path).build_id(&mapping.build_id_text());
        }
        EventKind::Loss { cpu, count } => {
            to.loss().cpu(*cpu).count(*count);
        }
        EventKind::ActionResult(result) => action_result(&mut to.action_result(), result),
        EventKind::PluginError(error) => {
            to.plugin_error().plugin(&error.plugin).reason(&error.reason).failures(error.failures);
        }
    }
}

fn argument(to: &mut ArgumentWriter<'_>, value: &Argument) {
    match value {
        Argument::Int(value) => to.type_code(1).integer(i64::from(*value) as u64),
        Argument::Uint(value) => to.type_code(2).integer(u64::from(*value)),
        Argument::Long(value) => to.type_code(3).integer(*value as u64),
        Argument::Size(value) => to.type_code(4).integer(*value),
        Argument::String(text) => to.type_code(5).text(text),
        Argument::Bytes { bytes, original } => {
            to.type_code(11).integer(*original).text(&String::from_utf8_lossy(bytes))
        }
        Argument::Word(_, word) => to.type_code(5).text(word),
        Argument::File(file) => {
            let code = match file.role {
                FileRole::Open => 6,
                FileRole::Path => 8,
                FileRole::Program => 9,
            };
            to.type_code(code).text(&file.path).incomplete(file.incomplete.into()).mode(file.mode)
        }
        Argument::Structure(structure) => {
            to.type_code(10).text(structure.name()).fields(&structure.texts(), |(key, value), to| {
                to.key(key).value(value);
            })
        }
        Argument::Unreadable(reason) => to.type_code(7).text(reason),
    };
}

fn action_result(to: &mut ActionResultWriter<'_>, result: &ActionResult) {
    let request = &result.request;
    match &request.source {
        Source::Policy(name) => to.source_code(1).source(name),
        Source::Plugin(name) => to.source_code(2).source(name),
    };
    match &request.action {
        Action::Http { method: Method::Get, url, .. } => to.action_code(1).target(url),
        Action::Http { method: Method::Post, url, .. } => to.action_code(2).target(url),
        Action::Dns { name, .. } => to.action_code(3).target(name),
    };
    match &result.outcome {
        Outcome::HttpStatus(status) => to.outcome_code(1).http_status(*status),
        Outcome::Resolved(answers) => {
            let answers: Vec<String> = answers.iter().map(ToString::to_string).collect();
            to.outcome_code(2).addresses(&answers)
        }
        Outcome::Suppressed(reason) => to.outcome_code(3).reason(reason),
        Outcome::Failed(reason) => to.outcome_code(4).reason(reason),
    };
    to.duration(result.duration).exec_id(&request.exec_id);
}
