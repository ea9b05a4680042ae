//! Which pod a process runs in, by what the agent has been told about containers.

use std::collections::HashMap;
use std::sync::Arc;

use serin_event::Pod;
use serin_event::process::container_id;

/// What is known of containers, by their ids.
pub type Pods = HashMap<String, Arc<Pod>>;

/// The pod of a process in a cgroup.
pub(crate) fn pod_of(pods: &Pods, cgroup: &str) -> Option<Arc<Pod>> {
    if pods.is_empty() {
        return None;
    }
    pods.get(container_id(cgroup)?).cloned()
}
