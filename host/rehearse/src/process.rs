//! Filters on the process that makes a call.

use serin_event::{Event, Process};
use serin_policy::{BinaryComparison, BinaryCondition, BinaryFilter, Membership, PidFilter, SelectorPlan};

use crate::answer::Answer;

/// Whether a selector's filters on the process hold.
pub(crate) fn holds(selector: &SelectorPlan, event: &Event) -> Answer {
    let pids = selector.pids.iter().map(|filter| pid(filter, event));
    let binaries = selector.binaries.iter().map(|filter| {
        let parent = event.parent.as_deref();
        of_binary("matchBinaries", filter, event.process.as_deref(), parent)
    });
    let parents = selector
        .parent_binaries
        .iter()
        .map(|filter| of_binary("matchParentBinaries", filter, event.parent.as_deref(), None));
    let absent = [
        (selector.scopes.is_empty(), "which container the process is in"),
        (selector.identity.is_empty(), "the namespaces and credentials that the process had at the call"),
    ];
    let absent = absent.into_iter().filter(|(unasked, _)| !unasked);
    let absent = absent.map(|(_, what)| Answer::untold(format!("a recording does not hold {what}")));
    Answer::all(pids.chain(binaries).chain(parents).chain(absent))
}

fn pid(filter: &PidFilter, event: &Event) -> Answer {
    if filter.in_namespace {
        return Answer::untold("`isNamespacePID`: a recording holds the host's process ids");
    }
    let is_one = |process: &Process| filter.values.contains(&process.pid);
    let own = event.process.as_deref().map_or_else(no_process, |process| is_one(process).into());
    let found = if filter.follow_forks {
        let parent = event.parent.as_deref().is_some_and(is_one);
        Answer::any([own, parent.into(), further("matchPIDs.followForks", parent)])
    } else {
        own
    };
    found.negated_if(filter.membership == Membership::NotIn)
}

fn of_binary(
    name: &str,
    filter: &BinaryFilter,
    process: Option<&Process>,
    parent: Option<&Process>,
) -> Answer {
    let condition = &filter.condition;
    let own = process.map_or_else(no_process, |process| binary(condition, process));
    let found = if condition.follow_children {
        let parent = parent.is_some_and(|parent| binary(condition, parent) == Answer::Yes);
        Answer::any([own, parent.into(), further(&format!("{name}.followChildren"), parent)])
    } else {
        own
    };
    found.negated_if(filter.negated)
}

fn binary(condition: &BinaryCondition, process: &Process) -> Answer {
    if process.binary.is_empty() || process.flags.error_filename {
        return Answer::untold("the recording does not hold the whole path of the program");
    }
    let matches = |value: &String| match condition.comparison {
        BinaryComparison::Equal => process.binary == *value,
        BinaryComparison::Prefix => process.binary.starts_with(value),
        BinaryComparison::Postfix => process.binary.ends_with(value),
    };
    condition.values.iter().any(matches).into()
}

fn no_process() -> Answer {
    Answer::untold("the recording does not hold the process")
}

/// What earlier programs and ancestors beyond the parent say, unless the parent has said it.
fn further(field: &str, settled: bool) -> Answer {
    if settled {
        return Answer::Yes;
    }
    Answer::untold(format!("`{field}`: a recording holds no ancestors but the parent"))
}
