//! Processes: Tetragon's `Process`.

use crate::message::timestamp;
use crate::proto;

pub(super) fn process(process: &serin_event::Process, tid: u32) -> proto::Process {
    proto::Process {
        exec_id: process.exec_id.clone(),
        pid: Some(process.pid),
        uid: Some(process.uid),
        cwd: process.cwd.clone(),
        binary: process.binary.clone(),
        arguments: process.command_arguments(),
        flags: process.flags.names().collect::<Vec<_>>().join(" "),
        start_time: (process.start_time != 0).then(|| timestamp(process.start_time)),
        auid: Some(process.auid),
        docker: process.docker().unwrap_or_default().into(),
        parent_exec_id: process.parent_exec_id.clone(),
        tid: Some(tid),
        ..proto::Process::default()
    }
}
