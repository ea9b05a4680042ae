//! Processes: Tetragon's `Process`.

use serin_event::Pod;

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
        pod: process.pod.as_deref().map(pod),
        docker: process.docker().unwrap_or_default().into(),
        parent_exec_id: process.parent_exec_id.clone(),
        tid: Some(tid),
        ..proto::Process::default()
    }
}

fn pod(pod: &Pod) -> proto::Pod {
    let image = (!pod.image.is_empty()).then(|| proto::Image { name: pod.image.clone() });
    proto::Pod {
        namespace: pod.namespace.clone(),
        name: pod.name.clone(),
        container: Some(proto::Container {
            id: pod.container_id.clone(),
            name: pod.container_name.clone(),
            image,
        }),
        pod_labels: pod.labels.clone().into_iter().collect(),
    }
}
