//! Containers that become known, or change, while their processes run.

use std::collections::HashMap;
use std::sync::Arc;

use serin_event::Process;

use super::ProcessCache;
use crate::pods::{Pods, pod_of};

impl ProcessCache {
    /// Takes in what is known of containers: all of it, each time. Processes that are remembered have it from now on.
    pub fn describe_containers(&mut self, pods: Pods) {
        // Images are shared between processes and their children, and stay so.
        let mut renewed: HashMap<String, Arc<Process>> = HashMap::new();
        let mut renew = |image: &mut Arc<Process>| {
            let pod = pod_of(&pods, &image.cgroup);
            if pod == image.pod {
                return;
            }
            let new = || Arc::new(Process { pod, ..Process::clone(image) });
            let new = Arc::clone(renewed.entry(image.exec_id.clone()).or_insert_with(new));
            *image = new;
        };
        for entry in self.table.entries_mut() {
            renew(&mut entry.image);
            entry.parent.as_mut().map(&mut renew);
        }
        self.host.pods = pods;
    }
}
