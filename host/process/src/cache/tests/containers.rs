//! Processes in containers that the agent has been told about.

use serin_event::Pod;

use super::*;
use crate::Pods;

const ID: &str = "551e161c47d8ff0eb665438a7bcd5b4ac8c0a1fd2e4f4f7b3c1d5e6f7a8b9c0d";

fn pods(namespace: &str) -> Pods {
    Pods::from([(ID.to_owned(), Arc::new(Pod { namespace: namespace.into(), ..Pod::default() }))])
}

fn namespace(process: &Process) -> Option<&str> {
    process.pod.as_ref().map(|pod| pod.namespace.as_str())
}

/// Makes a process in /proc that runs in a container.
fn contained(rig: &Rig, pid: u32, parent: u32) {
    rig.in_proc(pid, parent, u64::from(pid) * 100, "/bin/sh");
    fs::write(rig.procfs.path().join(format!("{pid}/cgroup")), format!("0::/docker/{ID}\n")).unwrap();
}

#[test]
fn processes_know_their_pods_whenever_those_become_known() {
    let mut rig = Rig::new();
    contained(&rig, 4, 0);
    rig.bootstrap();
    let first = task(4, 4 * SECOND);
    assert_eq!(namespace(process(&rig.hit(20 * SECOND, first))), None);

    rig.cache.describe_containers(pods("shop"));
    let child = task(5, 5 * SECOND);
    rig.fork(21 * SECOND, first, child);
    contained(&rig, 5, 4);
    let exec = rig.exec(22 * SECOND, child, first, "/bin/ls");
    assert_eq!((namespace(process(&exec)), namespace(parent(&exec))), (Some("shop"), Some("shop")));

    rig.cache.describe_containers(pods("bank"));
    let hit = rig.hit(23 * SECOND, child);
    assert_eq!((namespace(process(&hit)), namespace(parent(&hit))), (Some("bank"), Some("bank")));
    let of_first = rig.hit(23 * SECOND, first);
    assert!(Arc::ptr_eq(of_first.process.as_ref().unwrap(), hit.parent.as_ref().unwrap()), "still shared");

    rig.cache.describe_containers(Pods::new());
    assert_eq!(namespace(process(&rig.hit(24 * SECOND, child))), None);
}
