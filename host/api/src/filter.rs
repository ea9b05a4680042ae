//! Which events a client wants: Tetragon's `allow_list` and `deny_list`.

use std::collections::HashSet;

use regex::Regex;
use serin_message::cel::{CelError, Expression};
use serin_message::reflect;

use crate::proto::get_events_response::Event as Kind;
use crate::proto::{EventType, Filter, GetEventsResponse, Process};

/// A test that an event passes or not. `pid_set` learns from the events it sees.
type Test = Box<dyn FnMut(&GetEventsResponse) -> bool + Send>;

/// CEL expressions that one client may have.
const MAX_EXPRESSIONS: usize = 32;

/// The filters of one client.
pub(crate) struct Filters {
    allow: Vec<Compiled>,
    deny: Vec<Compiled>,
}

struct Compiled {
    /// It names kinds of events. Only such a filter lets serin's own kinds pass, which Tetragon's clients do not know.
    names_kinds: bool,
    tests: Vec<Test>,
}

/// Why filters are refused.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FilterError {
    /// A field of [`Filter`] that events have no facts for.
    #[error("{list}[{index}].{field}: {reason}")]
    Unsupported { list: &'static str, index: usize, field: &'static str, reason: &'static str },
    #[error("{list}[{index}].{field}: `{pattern}` is not a regular expression: {reason}")]
    Pattern { list: &'static str, index: usize, field: &'static str, pattern: String, reason: String },
    #[error("{list}[{index}].event_set: there is no kind of event with the number {number}")]
    Kind { list: &'static str, index: usize, number: i32 },
    #[error("{list}[{index}].cel_expression[{position}]:{source}")]
    Cel { list: &'static str, index: usize, position: usize, source: CelError },
    #[error("{0} CEL expressions; there may be {MAX_EXPRESSIONS} in a request")]
    Expressions(usize),
}

impl Filters {
    /// Compiles a client's lists.
    pub(crate) fn compile(allow: &[Filter], deny: &[Filter]) -> Result<Self, FilterError> {
        let expressions = allow.iter().chain(deny).map(|filter| filter.cel_expression.len()).sum();
        if expressions > MAX_EXPRESSIONS {
            return Err(FilterError::Expressions(expressions));
        }
        let list = |list: &'static str, filters: &[Filter]| {
            let compiled =
                filters.iter().enumerate().map(|(index, filter)| Place { list, index }.compile(filter));
            compiled.collect::<Result<Vec<_>, _>>()
        };
        Ok(Self { allow: list("allow_list", allow)?, deny: list("deny_list", deny)? })
    }

    /// Whether the client gets this event.
    pub(crate) fn pass(&mut self, event: &GetEventsResponse) -> bool {
        let own = is_own(event);
        // Every filter sees every event, as some learn from them.
        let any = |filters: &mut Vec<Compiled>, own: bool| {
            filters
                .iter_mut()
                .fold(false, |any, filter| any | (filter.matches(event) && (!own || filter.names_kinds)))
        };
        let allowed = if self.allow.is_empty() { !own } else { any(&mut self.allow, own) };
        let denied = any(&mut self.deny, false);
        allowed && !denied
    }
}

impl Compiled {
    fn matches(&mut self, event: &GetEventsResponse) -> bool {
        self.tests.iter_mut().fold(true, |all, test| test(event) & all)
    }
}

/// Whether this is a kind of event that Tetragon has not.
fn is_own(event: &GetEventsResponse) -> bool {
    matches!(event.event, Some(Kind::Loss(_) | Kind::ActionResult(_) | Kind::Alert(_) | Kind::PluginError(_)))
}

/// A filter's place in the request.
#[derive(Clone, Copy)]
struct Place {
    list: &'static str,
    index: usize,
}

impl Place {
    fn compile(self, filter: &Filter) -> Result<Compiled, FilterError> {
        self.refuse_unsupported(filter)?;
        let mut tests: Vec<Test> = Vec::new();
        if !filter.event_set.is_empty() {
            tests.push(self.kinds(&filter.event_set)?);
        }
        if !filter.pid.is_empty() {
            let pids: HashSet<u32> = filter.pid.iter().copied().collect();
            tests.push(of_process(move |process| process.pid.is_some_and(|pid| pids.contains(&pid))));
        }
        if !filter.pid_set.is_empty() {
            tests.push(descendants(&filter.pid_set));
        }
        if !filter.policy_names.is_empty() {
            let names: HashSet<String> = filter.policy_names.iter().cloned().collect();
            tests.push(Box::new(move |event| policy_name(event).is_some_and(|name| names.contains(name))));
        }
        if !filter.namespace.is_empty() {
            let host = filter.namespace.iter().any(String::is_empty);
            tests.push(of_process(move |_| host));
        }
        self.add_patterns(filter, &mut tests)?;
        if !filter.cel_expression.is_empty() {
            tests.push(self.expressions(&filter.cel_expression)?);
        }
        Ok(Compiled { names_kinds: !filter.event_set.is_empty(), tests })
    }

    fn add_patterns(self, filter: &Filter, tests: &mut Vec<Test>) -> Result<(), FilterError> {
        type Text = fn(&Process) -> &str;
        let binary: Text = |process| &process.binary;
        let arguments: Text = |process| &process.arguments;
        let docker: Text = |process| &process.docker;
        for (field, patterns, text) in [
            ("binary_regex", &filter.binary_regex, binary),
            ("arguments_regex", &filter.arguments_regex, arguments),
            ("container_id", &filter.container_id, docker),
            ("namespace_regex", &filter.namespace_regex, |_| ""),
        ] {
            if let Some(mut matches) = self.patterns(field, patterns)? {
                tests.push(of_process(move |process| matches(text(process))));
            }
        }
        for (field, patterns, text) in [
            ("parent_binary_regex", &filter.parent_binary_regex, binary),
            ("parent_arguments_regex", &filter.parent_arguments_regex, arguments),
        ] {
            if let Some(mut matches) = self.patterns(field, patterns)? {
                tests.push(Box::new(move |event| parent(event).is_some_and(|parent| matches(text(parent)))));
            }
        }
        Ok(())
    }

    /// Whether a text has a match of one of the patterns; `None` if there are none.
    fn patterns(
        self,
        field: &'static str,
        patterns: &[String],
    ) -> Result<Option<impl FnMut(&str) -> bool + Send + 'static>, FilterError> {
        let Place { list, index } = self;
        let compile = |pattern: &String| {
            Regex::new(pattern).map_err(|error| FilterError::Pattern {
                list,
                index,
                field,
                pattern: pattern.clone(),
                reason: error.to_string(),
            })
        };
        let compiled: Vec<Regex> = patterns.iter().map(compile).collect::<Result<_, _>>()?;
        Ok((!compiled.is_empty())
            .then_some(move |text: &str| compiled.iter().any(|regex| regex.is_match(text))))
    }

    fn expressions(self, sources: &[String]) -> Result<Test, FilterError> {
        let Place { list, index } = self;
        let compile = |(position, source): (usize, &String)| {
            Expression::compile(source).map_err(|source| FilterError::Cel { list, index, position, source })
        };
        let compiled: Vec<_> = sources.iter().enumerate().map(compile).collect::<Result<_, _>>()?;
        Ok(Box::new(move |event| {
            reflect(event).is_some_and(|event| compiled.iter().any(|expression| expression.matches(&event)))
        }))
    }

    fn kinds(self, numbers: &[i32]) -> Result<Test, FilterError> {
        let Place { list, index } = self;
        if let Some(&number) = numbers.iter().find(|number| EventType::try_from(**number).is_err()) {
            return Err(FilterError::Kind { list, index, number });
        }
        let kinds: HashSet<i32> = numbers.iter().copied().collect();
        Ok(Box::new(move |event| kinds.contains(&kind(event).into())))
    }

    fn refuse_unsupported(self, filter: &Filter) -> Result<(), FilterError> {
        let pods = "serin's events say nothing about Kubernetes pods";
        for (set, field, reason) in [
            (filter.health_check.is_some(), "health_check", pods),
            (!filter.pod_regex.is_empty(), "pod_regex", pods),
            (!filter.labels.is_empty(), "labels", pods),
            (!filter.container_name_regex.is_empty(), "container_name_regex", pods),
            (filter.in_init_tree.is_some(), "in_init_tree", "serin's events do not say it"),
            (filter.capabilities.is_some(), "capabilities", "serin's events do not say them"),
            (
                !filter.ancestor_binary_regex.is_empty(),
                "ancestor_binary_regex",
                "serin's events end with the parent",
            ),
        ] {
            if set {
                return Err(FilterError::Unsupported { list: self.list, index: self.index, field, reason });
            }
        }
        Ok(())
    }
}

fn of_process(mut test: impl FnMut(&Process) -> bool + Send + 'static) -> Test {
    Box::new(move |event| process(event).is_some_and(&mut test))
}

/// The processes with these ids and everything that they start from now on.
fn descendants(pids: &[u32]) -> Test {
    let mut known: HashSet<u32> = pids.iter().copied().collect();
    Box::new(move |event| {
        let Some(pid) = process(event).and_then(|process| process.pid) else { return false };
        let parent = parent(event).and_then(|parent| parent.pid);
        let belongs = known.contains(&pid) || parent.is_some_and(|parent| known.contains(&parent));
        match event.event {
            // The number may be another process's next time.
            Some(Kind::ProcessExit(_)) => {
                known.remove(&pid);
            }
            _ if belongs => {
                known.insert(pid);
            }
            _ => {}
        }
        belongs
    })
}

pub(crate) fn kind(event: &GetEventsResponse) -> EventType {
    match &event.event {
        None => EventType::Undef,
        Some(Kind::ProcessExec(_)) => EventType::ProcessExec,
        Some(Kind::ProcessExit(_)) => EventType::ProcessExit,
        Some(Kind::ProcessKprobe(_)) => EventType::ProcessKprobe,
        Some(Kind::Loss(_)) => EventType::Loss,
        Some(Kind::ProcessLsm(_)) => EventType::ProcessLsm,
        Some(Kind::ProcessTracepoint(_)) => EventType::ProcessTracepoint,
        Some(Kind::ProcessUprobe(_)) => EventType::ProcessUprobe,
        Some(Kind::ProcessUsdt(_)) => EventType::ProcessUsdt,
        Some(Kind::ProcessLoader(_)) => EventType::ProcessLoader,
        Some(Kind::ActionResult(_)) => EventType::ActionResult,
        Some(Kind::Alert(_)) => EventType::Alert,
        Some(Kind::PluginError(_)) => EventType::PluginError,
    }
}

fn process(event: &GetEventsResponse) -> Option<&Process> {
    match event.event.as_ref()? {
        Kind::ProcessExec(exec) => exec.process.as_ref(),
        Kind::ProcessExit(exit) => exit.process.as_ref(),
        Kind::ProcessKprobe(kprobe) => kprobe.process.as_ref(),
        Kind::ProcessLsm(lsm) => lsm.process.as_ref(),
        Kind::ProcessTracepoint(tracepoint) => tracepoint.process.as_ref(),
        Kind::ProcessUprobe(uprobe) => uprobe.process.as_ref(),
        Kind::ProcessUsdt(usdt) => usdt.process.as_ref(),
        Kind::ProcessLoader(loader) => loader.process.as_ref(),
        Kind::Alert(finding) => finding.process.as_ref(),
        Kind::Loss(_) | Kind::ActionResult(_) | Kind::PluginError(_) => None,
    }
}

fn parent(event: &GetEventsResponse) -> Option<&Process> {
    match event.event.as_ref()? {
        Kind::ProcessExec(exec) => exec.parent.as_ref(),
        Kind::ProcessExit(exit) => exit.parent.as_ref(),
        Kind::ProcessKprobe(kprobe) => kprobe.parent.as_ref(),
        Kind::ProcessLsm(lsm) => lsm.parent.as_ref(),
        Kind::ProcessTracepoint(tracepoint) => tracepoint.parent.as_ref(),
        Kind::ProcessUprobe(uprobe) => uprobe.parent.as_ref(),
        Kind::ProcessUsdt(usdt) => usdt.parent.as_ref(),
        Kind::ProcessLoader(loader) => loader.parent.as_ref(),
        Kind::Alert(finding) => finding.parent.as_ref(),
        Kind::Loss(_) | Kind::ActionResult(_) | Kind::PluginError(_) => None,
    }
}

fn policy_name(event: &GetEventsResponse) -> Option<&str> {
    match event.event.as_ref()? {
        Kind::ProcessKprobe(kprobe) => Some(&kprobe.policy_name),
        Kind::ProcessLsm(lsm) => Some(&lsm.policy_name),
        Kind::ProcessTracepoint(tracepoint) => Some(&tracepoint.policy_name),
        Kind::ProcessUprobe(uprobe) => Some(&uprobe.policy_name),
        Kind::ProcessUsdt(usdt) => Some(&usdt.policy_name),
        Kind::Alert(finding) => policy_name(finding.trigger.as_ref()?),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::proto::{Loss, ProcessExec, ProcessExit, ProcessKprobe};

    fn process(pid: u32, binary: &str, arguments: &str) -> Option<Process> {
        Some(Process {
            pid: Some(pid),
            binary: binary.into(),
            arguments: arguments.into(),
            docker: "551e161c47d8ff0eb665438a7bcd5b4".into(),
            ..Process::default()
        })
    }

    fn response(event: Kind) -> GetEventsResponse {
        GetEventsResponse { event: Some(event), ..GetEventsResponse::default() }
    }

    fn exec(pid: u32, parent: u32) -> GetEventsResponse {
        response(Kind::ProcessExec(ProcessExec {
            process: process(pid, "/usr/bin/curl", "https://ebpf.io/"),
            parent: process(parent, "/bin/bash", "-c curl"),
        }))
    }

    fn exit(pid: u32, parent: u32) -> GetEventsResponse {
        response(Kind::ProcessExit(ProcessExit {
            process: process(pid, "/usr/bin/curl", ""),
            parent: process(parent, "/bin/bash", ""),
            ..ProcessExit::default()
        }))
    }

    fn kprobe(policy: &str) -> GetEventsResponse {
        let process = process(7, "/usr/bin/ln", "-s");
        let policy_name = policy.into();
        response(Kind::ProcessKprobe(ProcessKprobe { process, policy_name, ..ProcessKprobe::default() }))
    }

    fn loss() -> GetEventsResponse {
        response(Kind::Loss(Loss { at: None, count: 3 }))
    }

    /// Of an exec, an exit, a kprobe and a loss, which pass.
    fn passing(allow: &[Filter], deny: &[Filter]) -> String {
        let mut filters = Filters::compile(allow, deny).unwrap();
        let events = [('x', exec(3, 2)), ('e', exit(3, 2)), ('k', kprobe("p")), ('l', loss())];
        events.iter().filter(|(_, event)| filters.pass(event)).map(|(name, _)| *name).collect()
    }

    fn filter(change: impl FnOnce(&mut Filter)) -> Filter {
        let mut filter = Filter::default();
        change(&mut filter);
        filter
    }

    #[test]
    fn fields_are_anded_and_filters_ored() {
        let kinds =
            |kinds: &[EventType]| filter(|f| f.event_set = kinds.iter().map(|k| (*k).into()).collect());
        let curl = || filter(|f| f.binary_regex = vec!["curl$".into()]);
        let curl_exec = Filter { event_set: vec![EventType::ProcessExec.into()], ..curl() };
        let cel = |source: &str| filter(|f| f.cel_expression = vec![source.into()]);
        let cases: [(Vec<Filter>, Vec<Filter>, &str); 19] = [
            (vec![], vec![], "xek"),
            (vec![Filter::default()], vec![], "xek"),
            (vec![curl()], vec![], "xe"),
            (vec![curl_exec.clone()], vec![], "x"),
            (vec![curl_exec.clone(), kinds(&[EventType::ProcessKprobe])], vec![], "xk"),
            (vec![], vec![curl()], "k"),
            (vec![curl()], vec![curl_exec], "e"),
            (vec![filter(|f| f.pid = vec![1, 7])], vec![], "k"),
            (vec![filter(|f| f.policy_names = vec!["p".into()])], vec![], "k"),
            (vec![filter(|f| f.policy_names = vec!["q".into()])], vec![], ""),
            (vec![filter(|f| f.arguments_regex = vec!["^https://".into(), "^-s$".into()])], vec![], "xk"),
            (vec![filter(|f| f.parent_binary_regex = vec!["bash".into()])], vec![], "xe"),
            (vec![filter(|f| f.parent_arguments_regex = vec!["curl".into()])], vec![], "x"),
            (vec![filter(|f| f.container_id = vec!["^551e".into()])], vec![], "xek"),
            (vec![filter(|f| f.namespace = vec![String::new()])], vec![], "xek"),
            (vec![filter(|f| f.namespace = vec!["default".into()])], vec![], ""),
            (vec![kinds(&[EventType::Loss]), Filter::default()], vec![], "xekl"),
            (vec![cel("process_exec.process.pid == 3u")], vec![], "x"),
            (vec![], vec![cel("process_kprobe.policy_name == 'p'")], "xe"),
        ];
        for (allow, deny, expected) in cases {
            assert_eq!(passing(&allow, &deny), expected, "allow {allow:?}, deny {deny:?}");
        }
    }

    #[test]
    fn a_pid_set_grows_with_what_its_processes_start() {
        let mut filters = Filters::compile(&[filter(|f| f.pid_set = vec![2])], &[]).unwrap();
        let seen = [exec(3, 2), exec(4, 3), exec(9, 8), exit(3, 2), exec(3, 8), exec(5, 4)];
        let passed: Vec<bool> = seen.iter().map(|event| filters.pass(event)).collect();
        assert_eq!(passed, [true, true, false, true, false, true]);
    }

    #[test]
    fn what_events_have_no_facts_for_is_refused() {
        for (filter, expected) in [
            (
                filter(|f| f.pod_regex = vec!["a".into()]),
                "allow_list[1].pod_regex: serin's events say nothing",
            ),
            (
                filter(|f| f.cel_expression = vec!["exec.pid == 1".into()]),
                "allow_list[1].cel_expression[0]:1:1: there is no variable `exec`",
            ),
            (filter(|f| f.cel_expression = vec!["true".into(); 33]), "33 CEL expressions; there may be 32"),
            (filter(|f| f.in_init_tree = Some(true)), "allow_list[1].in_init_tree"),
            (
                filter(|f| f.binary_regex = vec!["(".into()]),
                "allow_list[1].binary_regex: `(` is not a regular",
            ),
            (
                filter(|f| f.event_set = vec![77]),
                "allow_list[1].event_set: there is no kind of event with the number 77",
            ),
        ] {
            let error = Filters::compile(&[Filter::default(), filter], &[]).err().unwrap().to_string();
            assert!(error.starts_with(expected), "{error}");
        }
    }
}
