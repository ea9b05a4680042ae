//! Program images: what is told of a process, made from what was seen of it.

use std::sync::Arc;

use serin_event::Process;
use serin_event::process::Flags;
use serin_event::record::{Exec, Fork, Task};

use crate::clock::Clock;
use crate::exec_id::exec_id;
use crate::pods::{Pods, pod_of};
use crate::scan::Scanned;

/// Where processes run: the name and the clock that make their identity global, and the containers.
#[derive(Debug)]
pub(crate) struct Host {
    pub(crate) node_name: Arc<str>,
    pub(crate) clock: Clock,
    /// What is known of containers.
    pub(crate) pods: Pods,
}

impl Host {
    /// Seen by its exec. `forked`: nothing but its fork was seen before.
    pub(crate) fn executed(&self, exec: Exec, parent: &Process, forked: bool, cgroup: String) -> Process {
        let Task { pid, .. } = exec.header.task;
        let flags = Flags {
            execve: true,
            clone: forked,
            truncated_arguments: exec.arguments_truncated,
            error_filename: exec.binary_incomplete,
            ..cwd_flags(&exec.cwd, exec.cwd_incomplete)
        };
        Process {
            exec_id: exec_id(&self.node_name, exec.header.time, pid),
            pid,
            uid: exec.credentials.euid,
            cwd: exec.cwd,
            binary: exec.binary,
            arguments: exec.arguments,
            flags,
            start_time: self.clock.unix(exec.header.time),
            auid: exec.auid,
            parent_exec_id: parent.exec_id.clone(),
            cgroup_id: exec.header.cgroup_id,
            pod: pod_of(&self.pods, &cgroup),
            cgroup,
        }
    }

    /// Seen by its fork: still runs what the caller of fork runs.
    pub(crate) fn forked(&self, fork: &Fork, caller: &Process, parent: &Process) -> Process {
        Process {
            exec_id: exec_id(&self.node_name, fork.child.start_time, fork.child.pid),
            pid: fork.child.pid,
            flags: Flags { clone: true, ..Flags::default() },
            start_time: self.clock.unix(fork.child.start_time),
            parent_exec_id: parent.exec_id.clone(),
            ..caller.clone()
        }
    }

    /// Found in /proc. `flags` tells why it was looked for there.
    pub(crate) fn scanned(&self, scanned: &Scanned, parent_exec_id: String, flags: Flags) -> Process {
        let binary = match String::from_utf8_lossy(&scanned.binary).into_owned() {
            // A kernel thread or a zombie. No path looks like this.
            path if path.is_empty() => format!("[{}]", scanned.name),
            path => path,
        };
        let cwd_flags = cwd_flags(&scanned.cwd, scanned.cwd.is_empty());
        Process {
            exec_id: exec_id(&self.node_name, scanned.start_time, scanned.pid),
            pid: scanned.pid,
            uid: scanned.uid,
            cwd: scanned.cwd.clone(),
            binary,
            arguments: scanned.arguments.clone(),
            flags: Flags {
                truncated_arguments: scanned.arguments_truncated,
                root_cwd: cwd_flags.root_cwd,
                error_cwd: cwd_flags.error_cwd,
                ..flags
            },
            start_time: self.clock.unix(scanned.start_time),
            auid: scanned.auid,
            parent_exec_id,
            cgroup_id: 0,
            cgroup: scanned.cgroup.clone(),
            pod: pod_of(&self.pods, &scanned.cgroup),
        }
    }

    /// Never seen, and not in /proc any more.
    pub(crate) fn unknown(&self, task: Task) -> Process {
        Process {
            exec_id: exec_id(&self.node_name, task.start_time, task.pid),
            pid: task.pid,
            flags: Flags { miss: true, ..Flags::default() },
            start_time: self.clock.unix(task.start_time),
            auid: u32::MAX,
            ..Process::default()
        }
    }

    /// Process 0: parent of process 1 and of kthreadd, and what runs when nothing else does. Named as Tetragon does.
    pub(crate) fn kernel(&self) -> Process {
        Process {
            exec_id: exec_id(&self.node_name, 1, 0),
            binary: "<kernel>".to_owned(),
            flags: Flags { proc_fs: true, ..Flags::default() },
            start_time: self.clock.unix(1),
            auid: u32::MAX,
            ..Process::default()
        }
    }
}

fn cwd_flags(cwd: &str, incomplete: bool) -> Flags {
    Flags { root_cwd: cwd == "/", error_cwd: incomplete, ..Flags::default() }
}
