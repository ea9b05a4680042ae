//! The processes that the agent remembers, as the API tells them.

use serin_api::AgentError;
use serin_api::process_to_message;
use serin_api::proto::{DumpProcessCacheReqArgs, ProcessInternal};
use serin_process::{References, Remembered, references};

use crate::census::Census;

/// Bytes that an answer may have, which the agent needs a few times over while it makes one. Tetragon's client takes 10 MiB
/// unless told otherwise.
const MAX_BYTES: usize = 32 << 20;

/// Those that are wanted, in the order they began. `known` says whether the kernel's table has a process.
pub(super) fn dump(
    census: &Census,
    wanted: DumpProcessCacheReqArgs,
    known: impl Fn(u32) -> Result<bool, AgentError>,
) -> Result<Vec<ProcessInternal>, AgentError> {
    let silent = || AgentError::Refused("the reader of the ring buffer does not answer".into());
    let taken = census.take().ok_or_else(silent)?;
    let references = references(&taken.processes);
    let mut all: Vec<_> = taken.processes.iter().zip(references).collect();
    all.sort_unstable_by_key(|(remembered, _)| (remembered.process.start_time, remembered.process.pid));
    let (mut bytes, mut processes) = (0, Vec::new());
    for (remembered, references) in all {
        let left_out = wanted.skip_zero_refcnt && references.count() == 0
            || wanted.exclude_execve_map_processes && known(remembered.process.pid)?;
        if left_out {
            continue;
        }
        let process = process(remembered, references);
        bytes += size(&process);
        if bytes > MAX_BYTES {
            return Err(too_much());
        }
        processes.push(process);
    }
    Ok(processes)
}

fn too_much() -> AgentError {
    let limit = MAX_BYTES >> 20;
    AgentError::TooMuch(format!(
        "more than {limit} MiB: ask with skip_zero_refcnt or exclude_execve_map_processes"
    ))
}

/// What it takes up: its texts, and more than enough for the rest.
fn size(internal: &ProcessInternal) -> usize {
    const REST: usize = 256;
    let texts = internal.process.as_ref().map_or(0, |process| {
        let texts =
            [&process.exec_id, &process.cwd, &process.binary, &process.arguments, &process.parent_exec_id];
        texts.iter().map(|text| text.len()).sum()
    });
    texts + REST
}

fn process(remembered: &Remembered, references: References) -> ProcessInternal {
    let count = references.count();
    let number = |count: u32| i32::try_from(count).unwrap_or(i32::MAX);
    let operations = [
        ("process++", 1),
        ("process--", i32::from(references.exited)),
        ("parent++", number(references.children)),
        ("parent--", number(references.exited_children)),
    ];
    ProcessInternal {
        process: Some(process_to_message(&remembered.process)),
        color: if count == 0 { "deletePending".into() } else { "inUse".into() },
        refcnt: Some(count),
        refcnt_ops: operations
            .into_iter()
            .filter(|(_, count)| *count > 0)
            .map(|(name, count)| (name.to_owned(), count))
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::sync::Arc;

    use serin_event::Process;

    use super::*;

    #[test]
    fn counts_are_told_in_tetragons_words() {
        let program = Process { pid: 7, arguments: vec!["-x".into()], ..Process::default() };
        let remembered = Remembered { process: Arc::new(program), exited: true };
        let told = process(&remembered, References { exited: true, children: 3, exited_children: 1 });
        let operation = |name: &str, count| (name.to_owned(), count);
        let expected = [("process++", 1), ("process--", 1), ("parent++", 3), ("parent--", 1)];
        let expected: HashMap<_, _> = expected.map(|(name, count)| operation(name, count)).into();
        assert_eq!((told.refcnt, told.color.as_str()), (Some(2), "inUse"));
        assert_eq!(told.refcnt_ops, expected);
        let forgotten = process(&remembered, References { exited: true, ..References::default() });
        assert_eq!((forgotten.refcnt, forgotten.color.as_str()), (Some(0), "deletePending"));
        assert_eq!(told.process.and_then(|process| process.pid), Some(7));
    }
}
