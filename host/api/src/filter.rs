//! Which events a client wants: Tetragon's `allow_list` and `deny_list`.

mod facts;
mod labels;

use std::collections::HashSet;

use regex::Regex;
use serin_message::cel::{CelError, Expression};
use serin_message::reflect;

pub(crate) use self::facts::kind;
use self::facts::{is_own, parent, policy_name, process};
use self::labels::Selector;
use crate::proto::get_events_response::Event as Kind;
use crate::proto::{EventType, Filter, GetEventsResponse, Pod, Process};

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
    #[error("{list}[{index}].labels: `{selector}` is not a selector of labels: {reason}")]
    Labels { list: &'static str, index: usize, selector: String, reason: String },
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
            let names: HashSet<String> = filter.namespace.iter().cloned().collect();
            tests.push(of_process(move |process| names.contains(namespace(process))));
        }
        if !filter.labels.is_empty() {
            let selectors = self.selectors(&filter.labels)?;
            let matches = move |pod: &Pod| selectors.iter().any(|selector| selector.matches(&pod.pod_labels));
            tests.push(of_process(move |process| process.pod.as_ref().is_some_and(&matches)));
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
            ("namespace_regex", &filter.namespace_regex, namespace),
            ("pod_regex", &filter.pod_regex, pod_name),
            ("container_name_regex", &filter.container_name_regex, container_name),
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

    fn selectors(self, selectors: &[String]) -> Result<Vec<Selector>, FilterError> {
        let Place { list, index } = self;
        let parse = |selector: &String| {
            Selector::parse(selector).map_err(|reason| FilterError::Labels {
                list,
                index,
                selector: selector.clone(),
                reason,
            })
        };
        selectors.iter().map(parse).collect()
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
        for (set, field, reason) in [
            (filter.health_check.is_some(), "health_check", "serin's events do not say it"),
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

/// The namespace of a process's pod; empty outside of pods.
fn namespace(process: &Process) -> &str {
    process.pod.as_ref().map_or("", |pod| &pod.namespace)
}

fn pod_name(process: &Process) -> &str {
    process.pod.as_ref().map_or("", |pod| &pod.name)
}

fn container_name(process: &Process) -> &str {
    let container = process.pod.as_ref().and_then(|pod| pod.container.as_ref());
    container.map_or("", |container| &container.name)
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

#[cfg(test)]
mod tests;
