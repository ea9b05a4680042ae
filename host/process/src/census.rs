//! Which processes are remembered, and what for.

use std::collections::HashMap;
use std::sync::Arc;

use serin_event::Process;

use crate::cache::ProcessCache;

/// A process that is remembered.
#[derive(Debug, Clone, PartialEq)]
pub struct Remembered {
    /// Its program now, or at its end.
    pub process: Arc<Process>,
    /// It is remembered only for records that come late.
    pub exited: bool,
}

/// What a process is remembered for: the counts of Tetragon's
/// [`refcnt_ops`](https://tetragon.io/docs/reference/grpc-api/#processinternal), as far as they can still be told.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct References {
    /// It has exited itself.
    pub exited: bool,
    /// Processes that are remembered and whose parent it is.
    pub children: u32,
    /// Of these, those that have exited.
    pub exited_children: u32,
}

impl References {
    /// Itself while it runs, and its children that run.
    pub fn count(self) -> u32 {
        u32::from(!self.exited) + self.children.saturating_sub(self.exited_children)
    }
}

impl ProcessCache {
    /// All processes that are remembered, in no order: one look at each, and no copy of any.
    pub fn remembered(&self) -> Vec<Remembered> {
        self.table().entries().collect()
    }
}

/// What each of these processes is remembered for.
pub fn references(remembered: &[Remembered]) -> Vec<References> {
    let mut children: HashMap<&str, (u32, u32)> = HashMap::new();
    for child in remembered {
        let (all, exited) = children.entry(&child.process.parent_exec_id).or_default();
        *all += 1;
        *exited += u32::from(child.exited);
    }
    let of = |one: &Remembered| {
        let (children, exited_children) =
            children.get(one.process.exec_id.as_str()).copied().unwrap_or_default();
        References { exited: one.exited, children, exited_children }
    };
    remembered.iter().map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn remembered(exec_id: &str, parent: &str, exited: bool) -> Remembered {
        let process =
            Process { exec_id: exec_id.into(), parent_exec_id: parent.into(), ..Process::default() };
        Remembered { process: Arc::new(process), exited }
    }

    #[test]
    fn a_process_counts_itself_and_its_children_that_run() {
        let all = [
            remembered("init", "kernel", false),
            remembered("shell", "init", true),
            remembered("running", "shell", false),
            remembered("gone", "shell", true),
        ];
        let found = references(&all);
        assert_eq!(found.iter().map(|it| it.count()).collect::<Vec<_>>(), [1, 1, 1, 0]);
        assert_eq!(found.get(1), Some(&References { exited: true, children: 2, exited_children: 1 }));
    }
}
